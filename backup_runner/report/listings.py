"""Lists of the one-shot commands. JSON uses backup-tool's field names, plus ours."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import escape, units
from .tables import table

if TYPE_CHECKING:
    from ..catalog.listing import ListedContent, ListedFile

Fields = dict[str, Any]


def file_fields(item: ListedFile) -> Fields:
    """A line of `file list`: `local_file_path` as stored, `backup_entry_id` the id in `backup list`."""
    from ..planning.file import path_fields

    path = path_fields(item.key)
    fields: Fields = {"id": item.id, "local_file_path": path["path"]}
    if "path_base64" in path:
        fields["local_file_path_base64"] = path["path_base64"]
    return fields | {
        "backup_entry_id": item.content_id,
        "local_md5_checksum": _base64(item.md5),
        "size": item.size,
        "mtime_ns": item.mtime_ns,
        "job": item.job,
        "held_back": bool(item.held),
    }


def file_lines(files: Sequence[Fields]) -> Iterator[str]:
    """The same as a table."""
    rows = [
        (
            str(f["id"]), _name(f), units.size(f["size"]), units.local_time(f["mtime_ns"]),
            str(f["backup_entry_id"]), f["job"],
        )
        for f in files
    ]  # fmt: skip
    yield from table(("id", "file", "size", "modified", "backup", "job"), rows) if rows else ["no files yet"]


def content_fields(item: ListedContent) -> Fields:
    """A line of `backup list`: `uploaded_file_path` is the object (or objects) with the content."""
    return {
        "id": item.id,
        "uploaded_file_path": item.names,
        "uploaded_md5_checksum": item.checksum,
        "original_md5_checksum": _base64(item.md5),
        "size": item.size,
        "format": item.format,
        "files": item.files,
    }


def content_lines(contents: Sequence[Fields]) -> Iterator[str]:
    """The same as a table."""
    rows = [
        (
            str(c["id"]), "?" if c["size"] is None else units.size(c["size"]), str(c["files"]), c["format"],
            c["original_md5_checksum"] or "-", c["uploaded_file_path"] or "-",
        )
        for c in contents
    ]  # fmt: skip
    yield from table(("id", "size", "files", "format", "md5", "object"), rows) if rows else ["no backups yet"]


def duplicate_fields(files: Iterable[ListedFile]) -> Fields:
    """Files by the id of their shared content."""
    found: Fields = {}
    for item in files:
        found.setdefault(str(item.content_id), []).append(file_fields(item))
    return found


def duplicate_lines(groups: Fields) -> Iterator[str]:
    """The same as text: each content, followed by its files."""
    if not groups:
        yield "no duplicates"
    for content_id, files in groups.items():
        yield f"backup {content_id}, {units.size(files[0]['size'])}, stored once for {len(files)} files:"
        yield from (f"  {item['id']}  {_name(item)}" for item in files)


def _name(fields: Fields) -> str:
    from ..planning.file import key_of

    return escape.name(key_of(fields, "local_file_path"))


def _base64(md5: bytes | None) -> str | None:
    return b64encode(md5).decode() if md5 else None
