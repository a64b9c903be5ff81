"""Temporary files of a directory target: in a separate folder, with the name of their owner."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from functools import cache

from ..base import Buffer
from .beneath import Beneath
from .files import TEMPORARY, UPLOADS, write_all

STRAY_AFTER = 86_400.0
"""Seconds after which the temporary file of a dead writer is deleted."""
_UPLOAD = re.compile(r"[0-9a-f]{32}\Z")
_UPLOAD_FILES = ("meta", "data", "parts")
"""All that is in the folder of an upload."""
_OURS = re.compile(r"([0-9a-f]{12})-([0-9]{1,10})-[0-9a-f]{16}\Z")


def temporary_name() -> str:
    """A new name in the target's temporary folder, with the process that it belongs to."""
    return f"{_realm()}-{os.getpid()}-{secrets.token_hex(8)}"


@cache
def _realm() -> str:
    """The scope of our process ids: this boot of this machine, this process namespace."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            realm = file.read() + os.fsencode(os.readlink("/proc/self/ns/pid"))
    except OSError:
        realm = socket.gethostname().encode()
    return hashlib.sha256(realm).hexdigest()[:12]


@contextlib.contextmanager
def written(folder: int, data: Buffer) -> Iterator[tuple[str, os.stat_result]]:
    """A synced temporary file in `folder`, the target's temporary one; it is deleted at the end of the block."""
    name = temporary_name()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        try:
            write_all(descriptor, data, 0)
            # Kernels stamp files in steps of some milliseconds; etags need times that differ.
            now = time.time_ns()
            os.utime(descriptor, ns=(now, now))
            os.fsync(descriptor)
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        yield name, status
    finally:
        remove_quietly(folder, name)


def remove_quietly(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def abort_upload(beneath: Beneath, upload: str) -> None:
    """Delete what an older version left of an upload in parts."""
    if _UPLOAD.match(upload):
        with contextlib.suppress(OSError), beneath.folder(UPLOADS) as uploads:
            _remove_upload(uploads, upload)


def _remove_upload(folder: int, name: str) -> None:
    """Delete an upload's folder with the files that an upload has; one that contains anything else stays."""
    with contextlib.suppress(OSError):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=folder)
        try:
            for file in _UPLOAD_FILES:
                remove_quietly(descriptor, file)
        finally:
            os.close(descriptor)
        os.rmdir(name, dir_fd=folder)


def remove_strays(beneath: Beneath, now: float) -> None:
    """Delete temporary files that nobody writes any more. `now` is in seconds since the epoch.

    Only names of our own pattern; other files are kept."""
    with contextlib.suppress(FileNotFoundError), beneath.folder(TEMPORARY) as folder, os.scandir(folder) as entries:
        for entry in entries:
            match = _OURS.match(entry.name)
            if match is None:
                continue
            # For processes of other machines, only the age tells whether they are alive.
            here = match[1] == _realm()
            dead = not _alive(int(match[2])) if here else now - _mtime(entry, now) > STRAY_AFTER
            if dead and entry.is_dir(follow_symlinks=False):
                _remove_upload(folder, entry.name)
            elif dead:
                remove_quietly(folder, entry.name)


def _mtime(entry: os.DirEntry[str], otherwise: float) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return otherwise


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Dead, but not waited for by its parent yet; in containers without an init that lasts (proc(5), stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return False
