"""Errors of the system that no engine handles, and that are not bugs of this program."""

from __future__ import annotations

import errno
import os

from ..errors import BackupRunnerError

_ROOM = "free space on that disk, then run the same command again"
_ACCESS = "check owner and mode of that path and its parent folders, or run as another user"
_HINTS = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EROFS: "mount it writable, or move the catalog and work directory (`catalog:` in the job)",
    errno.EIO: "the disk reports I/O errors; check the system log",
    errno.EMFILE: "raise the limit of open files with `ulimit -n`",
    errno.ENFILE: "raise the limit of open files with `ulimit -n`",
    errno.ENOMEM: "free memory, or use fewer --workers",
}


def explained(error: Exception) -> BackupRunnerError | None:
    """The error to show instead; None if only a traceback helps."""
    if not isinstance(error, OSError) or error.errno not in _HINTS:
        return None
    where = f": {os.fsdecode(error.filename)}" if error.filename else " (output, catalog, work directory or target)"
    return BackupRunnerError(f"the system refused{where}: {os.strerror(error.errno)}", hint=_HINTS[error.errno])
