"""A restore as a stream: one file's bytes, or a tar archive of what was chosen.

The files are restored to a private folder in the job's work directory first, so that what is written was checked
byte for byte by the same code as every restore.
"""

from __future__ import annotations

import os
import stat
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from shutil import copyfileobj
from typing import IO, TYPE_CHECKING

from ..catalog.about import NO_OWNERS, Owners
from ..errors import BackupRunnerError, UsageError
from ..options import RestoreOptions
from ..progress import Events, RestoreOutcome
from ..records import Kind
from .browsing import browse
from .reading import restore
from .work import Stop, faults

if TYPE_CHECKING:
    from ..catalog.browsing import PathVersion
    from ..spec import Job

_SECOND_NS = 10**9


def restore_stream(
    job: Job,
    paths: Iterable[str | bytes],
    sink: IO[bytes],
    options: RestoreOptions | None = None,
    *,
    tar: bool = False,
    events: Events | None = None,
    stop: Stop | None = None,
) -> RestoreOutcome:
    """Write one file's bytes to `sink`, or, with `tar`, all that is chosen as a tar archive (pax format).

    If a single file cannot be restored, nothing is written; an archive lacks what could not be restored, and
    the outcome's `problems` lists it. Raises UsageError if more than one file was chosen without `tar`, and what
    `restore` raises."""
    options, wanted = options or RestoreOptions(), list(paths)
    with browse(job, events=events, here=options.here) as past:
        snapshot = past.snapshot(options.at)
        if not tar:
            _one_file([row for path in wanted for row in past.files(path, str(snapshot.id)).versions], wanted)
        os.makedirs(job.work_directory, mode=0o700, exist_ok=True)
        with faults(job), tempfile.TemporaryDirectory(prefix="stream-", dir=job.work_directory) as folder:
            at = replace(options, at=str(snapshot.id))
            outcome = restore(job, wanted, at, to=folder, events=events, stop=stop)
            if outcome.interrupted or (outcome.problems and not tar):
                return outcome
            there = os.fsencode(folder)
            rows = (row for row in past.files(at=str(snapshot.id)).versions if os.path.lexists(there + b"/" + row.key))
            if tar:
                _write_tar(rows, there, sink, NO_OWNERS if at.numeric_owner else snapshot.about.owners)
            else:
                _write_one(rows, there, sink)
        return outcome


def _one_file(rows: list[PathVersion], wanted: list[str | bytes]) -> None:
    files = {row.key for row in rows if row.kind == Kind.FILE}
    if len(files) != 1 or any(row.kind != Kind.FILE for row in rows):
        found = f"{len(files)} files match" if wanted else "no path was given"
        raise UsageError(
            f"only one file can be written to standard output; {found}", hint="name one file, or use --as-tar -"
        )


def _write_one(rows: Iterable[PathVersion], folder: bytes, sink: IO[bytes]) -> None:
    for row in rows:
        if row.kind == Kind.FILE:
            with open(folder + b"/" + row.key, "rb") as file:
                copyfileobj(file, sink, 1 << 20)
            return
    raise BackupRunnerError("the file was not restored", hint="restore it to a folder to see why")


def _write_tar(rows: Iterable[PathVersion], folder: bytes, sink: IO[bytes], owners: Owners) -> None:
    links: dict[tuple[int, int], str] = {}
    with tarfile.open(
        fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for row in rows:
            if not row.key:
                continue
            path = folder + b"/" + row.key
            status = os.lstat(path)
            entry = _entry(row, path)
            entry.uname, entry.gname = owners.users.get(row.uid, ""), owners.groups.get(row.gid, "")
            first = links.setdefault((status.st_dev, status.st_ino), entry.name) if status.st_nlink > 1 else entry.name
            if row.kind == Kind.FILE and first != entry.name:
                entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, first, 0
                archive.addfile(entry)
            elif row.kind == Kind.FILE:
                with open(path, "rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)


def _entry(row: PathVersion, path: bytes) -> tarfile.TarInfo:
    """Owner, mode and time from the snapshot, regardless of who restores."""
    entry = tarfile.TarInfo(os.fsdecode(row.key.rstrip(b"/")))
    entry.mode, entry.uid, entry.gid = row.mode, row.uid, row.gid
    whole, rest = divmod(row.mtime_ns, _SECOND_NS)
    entry.mtime = whole
    entry.pax_headers = {"mtime": f"{whole}.{rest:09}"} if whole >= 0 else {}
    if row.kind == Kind.DIRECTORY:
        entry.type = tarfile.DIRTYPE
    elif row.kind == Kind.SYMLINK:
        entry.type, entry.linkname = tarfile.SYMTYPE, os.fsdecode(row.link or b"")
    else:
        entry.size = os.stat(path).st_size
        for name in _attributes(path):
            value = os.getxattr(path, name, follow_symlinks=False)
            entry.pax_headers[f"SCHILY.xattr.{name}"] = value.decode("utf-8", "surrogateescape")
    return entry


def _attributes(path: bytes) -> list[str]:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return []
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []
