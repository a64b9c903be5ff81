"""Doing something as another user: in a child that gave up root for good."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

USER = 1000


def as_user(act: Callable[[], T], *, uid: int = USER, gid: int = USER, groups: Sequence[int] = ()) -> T:
    """What `act` returns; what it raises is raised here."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            answer: tuple[bool, object] = (True, act())
        except BaseException as error:  # noqa: BLE001 - it goes to the parent
            answer = (False, error)
        with open(send, "wb") as file:
            pickle.dump(answer, file)
        os._exit(0)
    os.close(send)
    with open(receive, "rb") as file:
        fine, found = pickle.load(file)
    os.waitpid(child, 0)
    if not fine:
        raise found
    return found  # type: ignore[no-any-return]


@contextmanager
def open_folder() -> Iterator[str]:
    """A temporary folder that every user can reach, and that goes whoever's files are in it."""
    path = tempfile.mkdtemp(dir="/tmp")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def give_away(root: str, uid: int = USER, gid: int = USER) -> None:
    """All below a folder, and the folder, to a user."""
    os.chown(root, uid, gid)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            os.chown(f"{folder}/{name}", uid, gid, follow_symlinks=False)
