"""Files of a directory target: safe names, durable writes, and OSErrors turned into errors that help."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from functools import cache

from ...errors import AccessDenied, ObjectExists, ObjectMissing, TargetError, TransientError
from ..base import Buffer

TEMPORARY = ".tmp"
UPLOADS = ".uploads"
LOCK = ".lock"
PRIVATE = frozenset({TEMPORARY, UPLOADS, LOCK})

STRAY_AFTER = 86_400.0
"""Seconds after which the temporary file of a dead writer is taken away."""

_NAME = re.compile(r"[A-Za-z0-9._/-]{1,1024}\Z")
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
_PASSING = frozenset({errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EINTR})
_HINTS = {
    errno.ENOSPC: ("no space left", "free space on that disk, or prune old snapshots, and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free space or raise the quota, and run again"),
    errno.EROFS: ("the file system is mounted read-only", "mount it writable, and run again"),
    errno.EIO: ("the disk reports an input/output error", "check the disk and its cable before going on"),
    errno.ENAMETOOLONG: ("a name is too long for this file system", "use a shorter target.path"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move it away, or use another target.path"),
    errno.EFBIG: ("the file system cannot hold a file this large", "use another file system for target.path"),
}


def translate(error: OSError, doing: str, path: str) -> TargetError:
    """What an OSError means for whoever asked the target for something."""
    if error.errno == errno.ENOENT:
        return ObjectMissing(f"{doing}: there is no {path}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return AccessDenied(
            f"{doing}: permission denied for {path}",
            hint="check owner and mode of that path and of the folders above it",
        )
    if error.errno in _PASSING:
        return TransientError(
            f"{doing}: {os.strerror(error.errno or 0)} for {path}", hint="check that the disk is connected"
        )
    what, hint = _HINTS.get(error.errno or 0, (error.strerror or str(error), None))
    return TargetError(f"{doing}: {what} for {path}", hint=hint)


@contextlib.contextmanager
def translated(doing: str, path: str) -> Iterator[None]:
    """Turn OSErrors of the block into TargetErrors."""
    try:
        yield
    except OSError as error:
        raise translate(error, doing, path) from error


def check_name(name: str) -> None:
    """Refuse names that are not the contract's, or could lead out of the target."""
    pieces = name.split("/")
    if not _NAME.match(name) or any(piece in ("", ".", "..") for piece in pieces) or pieces[0] in PRIVATE:
        raise TargetError(f"{name!r} cannot be the name of an object in a directory target")


def locate(root: str, name: str) -> str:
    """The path of an object. A symlinked folder on the way is refused: it could lead out of the target."""
    check_name(name)
    folder = root
    for piece in name.split("/")[:-1]:
        folder = f"{folder}/{piece}"
        try:
            mode = os.lstat(folder).st_mode
        except OSError:
            break
        if stat.S_ISLNK(mode):
            raise TargetError(
                f"{folder} is a symlink, and a directory target never follows one",
                hint="replace it by a real folder, or set target.path to where it leads",
            )
    return f"{root}/{name}"


def make_folders(root: str, folder: str) -> None:
    """Create `folder` below `root`, each new name synced into its parent."""
    if os.path.isdir(folder):
        return
    if folder != root:
        make_folders(root, os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        sync_folder(os.path.dirname(folder))
    else:
        os.makedirs(root, 0o700, exist_ok=True)
        sync_folder(os.path.dirname(root))


def sync_folder(folder: str) -> None:
    """Make names in `folder` survive a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EROFS):
            raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: Buffer, offset: int) -> None:
    """Write all of `data` at `offset`; pwrite may stop early."""
    rest = memoryview(data).cast("B")
    while len(rest):
        done = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[done:], offset + done


def read_range(descriptor: int, offset: int, length: int) -> bytes:
    """`length` bytes from `offset`, fewer only at the end of the file."""
    first = os.pread(descriptor, length, offset)
    if len(first) == length or not first:
        return first
    pieces = [first]
    have = len(first)
    while have < length and (piece := os.pread(descriptor, length - have, offset + have)):
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)


def temporary_name(root: str) -> str:
    """A new path in the target's own temporary folder, with the process that it belongs to."""
    return f"{root}/{TEMPORARY}/{_realm()}-{os.getpid()}-{secrets.token_hex(8)}"


@cache
def _realm() -> str:
    """Where process ids mean what they mean here: this boot of this machine, this process namespace."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            realm = file.read() + os.fsencode(os.readlink("/proc/self/ns/pid"))
    except OSError:
        realm = socket.gethostname().encode()
    return hashlib.sha256(realm).hexdigest()[:12]


def write_temporary(root: str, data: Buffer) -> str:
    """A synced file in the target's own temporary folder; the name says whose it is."""
    path = temporary_name(root)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data, 0)
        # Kernels stamp files in steps of some milliseconds; etags need times that differ.
        now = time.time_ns()
        os.utime(descriptor, ns=(now, now))
        os.fsync(descriptor)
    except BaseException:
        remove_quietly(path)
        raise
    finally:
        os.close(descriptor)
    return path


def link_new(root: str, source: str, final: str, name: str) -> None:
    """Give `source` its final name, create-only, and make that durable. `source` may stay."""
    try:
        try:
            os.link(source, final, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with locked(root):
                if os.path.lexists(final):
                    raise FileExistsError(errno.EEXIST, "exists", final) from None
                os.rename(source, final)
    except FileExistsError:
        raise ObjectExists(f"object {name} exists already in {root}") from None
    sync_folder(os.path.dirname(final))


@contextlib.contextmanager
def locked(root: str) -> Iterator[None]:
    """Hold the target's lock: among threads, processes, and machines where the file system can."""
    descriptor = os.open(f"{root}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def etag_of(status: os.stat_result) -> str:
    """Moves whenever the file is written or replaced."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def remove_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_strays(root: str, now: float) -> None:
    """Take away temporary files that nobody writes any more. `now` is in seconds since the epoch."""
    with contextlib.suppress(FileNotFoundError), os.scandir(f"{root}/{TEMPORARY}") as entries:
        for entry in entries:
            realm, _, rest = entry.name.partition("-")
            pid = rest.partition("-")[0]
            if realm == _realm() and pid.isdigit():
                dead = not _alive(int(pid))
            else:
                # Another machine's: only age can tell.
                dead = now - _mtime(entry, now) > STRAY_AFTER
            if dead and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif dead:
                remove_quietly(entry.path)


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
