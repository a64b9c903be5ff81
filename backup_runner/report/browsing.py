"""Output of `files list` and `diff`: JSON Lines for programs, columns for people. Both are streamed."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..catalog.births import split_birth
from ..moments import utc_text
from ..planning.file import TYPES, path_fields
from ..records import Flag, Kind
from . import escape, units
from .look import Look
from .units import local_time

if TYPE_CHECKING:
    from ..catalog.browsing import Difference, PathVersion
    from ..catalog.database import Snapshot

Fields = dict[str, Any]

_FORMATS = {Kind.FILE: stat.S_IFREG, Kind.DIRECTORY: stat.S_IFDIR, Kind.SYMLINK: stat.S_IFLNK}
_FLAGS = {
    Flag.STALE: "stale", Flag.SPARSE: "sparse", Flag.MOVED: "moved", Flag.OUTPUT: "output", Flag.BY_MD5: "by_md5",
    Flag.NO_ATTRIBUTES: "no_attributes",
}  # fmt: skip

_CHATTR = {0x10: "immutable", 0x20: "append_only", 0x40: "no_dump", 0x80: "no_atime", 0x800000: "no_cow"}
_FLAGS |= {bit << Flag.CHATTR_SHIFT: name for bit, name in _CHATTR.items()}
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "touched": (".", "dim")}
_NOUNS = {Kind.FILE: "file", Kind.DIRECTORY: "folder", Kind.SYMLINK: "symlink"}


def version_fields(version: PathVersion) -> Fields:
    """The fields of a version, without its path. Flags are those of docs/history.md."""
    fields: Fields = {
        "type": TYPES[Kind(version.kind)],
        "size": version.size,
        "mtime_ns": version.mtime_ns,
        "mode": version.mode,
        "uid": version.uid,
        "gid": version.gid,
    }
    if (birth := split_birth(version.xattrs)[0]) is not None:
        fields["birth_time_ns"] = birth
    if version.blake3 is not None:
        fields["blake3"] = version.blake3.hex()
    if version.md5 is not None:
        fields["md5"] = version.md5.hex()
    if version.link is not None:
        fields |= {name.replace("path", "target"): value for name, value in path_fields(version.link).items()}
    if flags := [name for bit, name in _FLAGS.items() if version.flags & bit]:
        fields["flags"] = flags
    return fields


def snapshot_of(snapshot: Snapshot) -> Fields:
    """A short form of a snapshot."""
    return {"id": snapshot.id, "scanned": utc_text(snapshot.scanned_ns), "status": snapshot.status}


class _Sum:
    """Counts what is streamed."""

    def __init__(self) -> None:
        self.by_kind: Counter[int] = Counter()
        self.size = 0

    def add(self, version: PathVersion) -> None:
        self.by_kind[version.kind] += 1
        self.size += version.size

    def said(self) -> str:
        parts = [units.count(self.by_kind[kind], noun) for kind, noun in _NOUNS.items() if self.by_kind[kind]]
        return f"{', '.join(parts) or 'nothing'}, {units.size(self.size)}"


# -- files list


def list_documents(versions: Iterable[PathVersion], snapshot: Snapshot) -> Iterator[Fields]:
    """Yields an `entry` per path, then a `summary`."""
    total = _Sum()
    users, groups = snapshot.about.owners
    for version in versions:
        total.add(version)
        names = {"user": users.get(version.uid), "group": groups.get(version.gid)}
        known = {name: text for name, text in names.items() if text}
        yield {"kind": "entry"} | path_fields(version.key) | version_fields(version) | known
    yield {
        "kind": "summary",
        "snapshot": snapshot_of(snapshot),
        "files": total.by_kind[Kind.FILE],
        "folders": total.by_kind[Kind.DIRECTORY],
        "symlinks": total.by_kind[Kind.SYMLINK],
        "bytes": total.size,
    }


def list_lines(versions: Iterable[PathVersion], snapshot: Snapshot, look: Look) -> Iterator[str]:
    """One line per path, like `ls -l`."""
    total = _Sum()
    users, groups = snapshot.about.owners
    for version in versions:
        total.add(version)
        names = users.get(version.uid, str(version.uid)), groups.get(version.gid, str(version.gid))
        owner = ":".join(map(escape.one_line, names))
        yield f"{_mode(version)}  {owner:>9}  {size_and_time(version)}  {shown_name(version, look)}"
    yield look.paint(f"{_snapshot(snapshot)}: {total.said()}", "dim")


def _mode(version: PathVersion) -> str:
    return stat.filemode(_FORMATS[Kind(version.kind)] | version.mode)


def size_and_time(version: PathVersion) -> str:
    """Size of a file and mtime, in columns."""
    size = units.size(version.size) if version.kind == Kind.FILE else ""
    return f"{size:>8}  {local_time(version.mtime_ns)}"


def shown_name(version: PathVersion, look: Look) -> str:
    """A path with its link target, and flags if it differs from the source."""
    flags = [name for bit, name in _FLAGS.items() if version.flags & bit and bit != Flag.SPARSE]
    link = f" {look.mark('→')} {escape.name(version.link)}" if version.link is not None else ""
    return escape.name(version.key) + link + (f"  ({', '.join(flags)})" if flags else "")


def _snapshot(snapshot: Snapshot) -> str:
    status = "" if snapshot.status == "complete" else f" ({snapshot.status})"
    return f"snapshot {snapshot.id} of {snapshot.date_text}{status}"


# -- diff


def diff_documents(found: Iterable[Difference], old: Snapshot, new: Snapshot | None) -> Iterator[Fields]:
    """Yields a `change` per differing path, then a `summary`."""
    counts: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    for item in found:
        (folders if item.is_folder else counts)[item.change] += 1
        yield {
            "kind": "change",
            "change": item.change,
            **path_fields(item.key),
            "what": list(item.what),
            "before": version_fields(item.before) if item.before else None,
            "after": version_fields(item.after) if item.after else None,
        }
    yield {
        "kind": "summary",
        "from": snapshot_of(old),
        "to": snapshot_of(new) if new else None,
        "counts": dict(counts),
        "folders": dict(folders),
    }


def diff_lines(found: Iterable[Difference], old: Snapshot, new: Snapshot | None, look: Look) -> Iterator[str]:
    """One line per differing path. Folders that were only touched are just counted: adding a file touches its
    folder."""
    counts: Counter[str] = Counter()
    touched = 0
    for item in found:
        if item.is_folder and item.change == "touched" and not set(item.what) - {"mtime"}:
            touched += 1
            continue
        counts[item.change] += 1
        sign, colour = _SIGNS[item.change]
        yield f"{look.paint(sign, colour)} {escape.name(item.key)}  {look.paint(_how(item, look), 'dim')}".rstrip()
    if counts:
        yield ""
    said = [f"{units.count(counts[change])} {change}" for change in _SIGNS if counts[change]]
    said += [f"{units.count(touched, 'folder')} touched"] if touched else []
    between = f"{_snapshot(old)} {look.mark('→')} {_snapshot(new) if new else 'the disk'}"
    yield look.paint(f"{between}: {', '.join(said) or 'no differences'}", "bold")


def _how(item: Difference, look: Look) -> str:
    before, after = item.before, item.after
    if before is None or after is None:
        version = before or after
        return units.size(version.size) if version is not None and version.kind == Kind.FILE else ""
    what = ", ".join(part for part in item.what if part != "size") or "ctime"
    if before.size == after.size:
        return what
    return f"{units.size(before.size)} {look.mark('→')} {units.size(after.size)}, {what}"
