"""At no moment of a restore does anybody have more access than before it or in the snapshot; each asks the system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backup_runner.records import Flag
from backup_runner.spec import Overwrite
from tests.restoring.build import World
from tests.support.users import USER, as_user, give_away, open_folder

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs other users"),
    pytest.mark.skipif(not shutil.which("setfacl"), reason="needs the acl tools"),
]
OWNER, OLD_OWNER, GROUP, OLD_GROUP, LISTED = 2001, 3001, 2000, 3000, 1234
PEOPLE = [
    (OWNER, OWNER),
    (OWNER, GROUP),
    (OLD_OWNER, OLD_OWNER),
    (OLD_OWNER, GROUP),
    (LISTED, LISTED),
    (LISTED, GROUP),
    (LISTED, OLD_GROUP),
    (5555, GROUP),
    (5555, OLD_GROUP),
    (5555, 5555),
]
CALLS = ("chmod", "chown", "setxattr", "removexattr")


@pytest.fixture
def world() -> Iterator[World]:
    """One that every user can reach."""
    with open_folder() as root:
        world = World(root)
        os.makedirs(world.out)
        os.chmod(world.out, 0o755)
        yield world


def _shape(path: bytes, owner: int, group: int, mode: int, acl: str) -> None:
    os.chown(path, owner, group)
    subprocess.run(["setfacl", "-b", path], check=True)
    os.chmod(path, mode)
    if acl:
        subprocess.run(["setfacl", "-m", acl, path], check=True)


def _access(path: bytes) -> list[set[int]]:
    """What each of the people may do: the bits of access(2)."""

    def may() -> set[int]:
        return {right for right in (os.R_OK, os.W_OK, os.X_OK) if os.access(path, right, effective_ids=True)}

    return [as_user(may, uid=uid, gid=gid, groups=[gid]) for uid, gid in PEOPLE]


def _watch(monkeypatch: pytest.MonkeyPatch, look: Callable[[], object]) -> None:
    """Look after each call that changes attributes."""

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*given: Any, **options: Any) -> None:
            real(*given, **options)
            look()

        return act

    for name in CALLS:
        monkeypatch.setattr(os, name, watched(getattr(os, name)))


@pytest.mark.parametrize("key", [b"f", b"d/"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The group bits of the snapshot's mode are its mask.
        ((OLD_GROUP, 0o770, ""), (GROUP, 0o700, f"u:{LISTED}:rwx,g::---,m::rwx")),
        # Others' rights are not those of a group that is denied them.
        ((OLD_GROUP, 0o705, ""), (GROUP, 0o705, f"g:{OLD_GROUP}:---,g::rx,m::rx")),
        # The former ACL has a line for the former owner.
        ((OLD_GROUP, 0o070, f"u:{OLD_OWNER}:rwx,m::rwx"), (GROUP, 0o770, "")),
        # A listed user gets more than the owner had.
        ((OLD_GROUP, 0o700, f"g::r,u:{LISTED}:r"), (GROUP, 0o750, f"g::---,u:{LISTED}:rx")),
        # Neither has an ACL.
        ((OLD_GROUP, 0o775, ""), (GROUP, 0o705, "")),
        ((OLD_GROUP, 0o777, ""), (GROUP, 0o077, "")),
    ],
)
def test_nobody_gets_access_for_a_moment(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    key: bytes,
    old: tuple[int, int, str],
    new: tuple[int, int, str],
) -> None:
    for root in (world.base, world.out):
        os.mkdir(path) if (path := root + b"/" + key).endswith(b"/") else shutil.copy("/bin/true", path)
    path = world.out + b"/" + key
    _shape(world.base + b"/" + key, OWNER, *new)
    world.back_up()
    # A file of another owner is not changed but replaced.
    _shape(path, OLD_OWNER if key.endswith(b"/") else OWNER, *old)
    before, wanted = _access(path), _access(world.base + b"/" + key)
    moments: list[list[set[int]]] = []
    with monkeypatch.context() as patch:
        _watch(patch, lambda: moments.append(_access(path)))
        assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert len(moments) > 1
    assert moments[-1] == _access(path) == wanted
    for now in moments:
        assert all(one <= then | last for one, then, last in zip(now, before, wanted, strict=True)), (now, wanted)


def test_a_mode_that_may_hide_a_mask_gives_none_for_a_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (world.write(b"f"), world.out + b"/f"):
        shutil.copy("/bin/true", path)
        _shape(path, OWNER, GROUP, 0o770, "")
    world.back_up(flags=Flag.NO_ATTRIBUTES)
    _shape(path, OWNER, OLD_GROUP, 0o770, "")
    moments: list[list[set[int]]] = []
    with monkeypatch.context() as patch:
        _watch(patch, lambda: moments.append(_access(path)))
        world.restore(overwrite=Overwrite.CHANGED)
    assert moments
    assert all(now[PEOPLE.index((5555, GROUP))] == set() for now in moments)


def test_nobody_may_run_a_program_with_its_former_capabilities(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for root in (world.base, world.out):
        shutil.copy("/bin/true", root + b"/f")
    path = world.out + b"/f"
    _shape(world.base + b"/f", OWNER, GROUP, 0o700, f"u:{LISTED}:rx")
    world.back_up()
    _shape(path, OWNER, GROUP, 0o700, "")
    subprocess.run(["setcap", "cap_net_raw+ep", path], check=True)
    moments: list[tuple[bool, bool]] = []

    def look() -> None:
        may_run = os.X_OK in _access(path)[PEOPLE.index((LISTED, LISTED))]
        moments.append((may_run, "security.capability" in os.listxattr(path)))

    with monkeypatch.context() as patch:
        _watch(patch, look)
        assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert moments[-1] == (True, False)
    assert (True, True) not in moments


def test_what_an_acl_makes_read_only_gets_its_attributes(world: World) -> None:
    path = world.write(b"f")
    os.setxattr(path, "user.a", b"1")
    give_away(os.fsdecode(world.base))
    _shape(path, USER, USER, 0o400, f"u:{LISTED}:r")
    world.back_up()
    os.rmdir(world.out)
    assert world.restore_by_user().problems == []
    assert os.getxattr(world.out + b"/f", "user.a") == b"1"
