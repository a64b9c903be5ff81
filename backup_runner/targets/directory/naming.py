"""Gives a finished file its final name: create-only, or replacing a version that was read. Both are atomic."""

from __future__ import annotations

import errno
import os
import stat

from ...errors import ConditionFailed, ObjectExists
from .beneath import Beneath, sync
from .files import etag_of
from .lock import locked

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


def link_new(beneath: Beneath, source: int, file: str, folder: int, name: str) -> None:
    """Name the file `file` in the folder `source` as object `name`, whose folder is open as `folder`, create-only,
    and make that durable. The old name may stay."""
    last = name.rpartition("/")[2]
    try:
        try:
            os.link(file, last, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with locked(beneath):
                if _status(folder, last) is not None:
                    raise FileExistsError(errno.EEXIST, "exists", last) from None
                os.rename(file, last, src_dir_fd=source, dst_dir_fd=folder)
    except FileExistsError:
        raise ObjectExists(f"object {name} already exists in {beneath.root}") from None
    sync(folder)


def replace(beneath: Beneath, source: int, file: str, folder: int, name: str, etag: str) -> None:
    """The same, replacing the existing object if it is the version with this etag. Raises ConditionFailed."""
    last = name.rpartition("/")[2]
    with locked(beneath):
        status = _status(folder, last)
        if status is None or not stat.S_ISREG(status.st_mode) or etag_of(status) != etag:
            raise ConditionFailed(f"object {name} in {beneath.root} changed since it was read")
        os.replace(file, last, src_dir_fd=source, dst_dir_fd=folder)
        sync(folder)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
