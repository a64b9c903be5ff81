"""Errors of the machine that may strike anywhere, such as a full disk: they are told as such, not as faults of ours."""

from __future__ import annotations

import errno
import os

from ..errors import BackupRunnerError

_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def known_fault(error: Exception) -> BackupRunnerError | None:
    """The error as a person should see it; None if it is a fault of ours."""
    if isinstance(error, OSError):
        where = f" to {os.fsdecode(error.filename)}" if error.filename else ""
        if error.errno in _ROOM:
            return BackupRunnerError(
                f"cannot write{where}: {error.strerror}",
                hint="make room on the disk that holds catalog and work directory; what was finished is recorded",
            )
        if error.errno == errno.EROFS:
            return BackupRunnerError(
                f"cannot write{where}: {error.strerror}",
                hint="mount it writable, or put catalog and work directory elsewhere (`catalog:` in the job)",
            )
        return None
    from ..catalog.database import explained

    return explained(error)
