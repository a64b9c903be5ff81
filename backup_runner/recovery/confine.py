"""Checks each line of a record or copy before it changes the catalog.

Whoever holds the key of one store can write any line into its records, and the catalog may contain other stores. So a
row has the columns of its table and nothing else; ids are above zero and so, raised by the store's shift, above those
of all other stores (a store is read again, with a shift above all rows there are, unless it is alone in its catalog);
objects are in the store's own lineage, or in none. One bad line rejects the whole record.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from ..container import ObjectKind, parse_name
from ..errors import CatalogError

MAX_LINE = 32 << 20
"""Maximum bytes of a line; the longest are contents with thousands of extents, and xattrs."""
_MAX_ID = 1 << 47
_MAX_INT = (1 << 63) - 1
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*\Z")
_LINEAGE = re.compile(r"[0-9a-f]{32}/")

Check = Callable[[Any], bool]


def _id(value: object) -> bool:
    return type(value) is int and 0 < value <= _MAX_ID


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_INT


def _number(value: object) -> bool:
    return type(value) is int and -_MAX_INT <= value <= _MAX_INT


def _text(value: object) -> bool:
    return type(value) is str


def _hex(value: object) -> bool:
    return type(value) is str and _HEX.match(value) is not None


def _base64(value: object) -> bool:
    try:
        return type(value) is str and base64.b64decode(value, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _lengths(value: object) -> bool:
    """Four bytes per segment."""
    return _base64(value) and len(base64.b64decode(str(value))) % 4 == 0


def _segments(value: object) -> bool:
    """The same in hex."""
    return _hex(value) and len(str(value)) % 8 == 0


def _path(value: object) -> bool:
    if type(value) is dict:
        return value.keys() == {"base64"} and _base64(value["base64"])
    return type(value) is str


def _key(value: object) -> bool:
    """A path below the job's relative_path: it is joined to the folder of a restore."""
    if not _path(value):
        return False
    key = value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])  # type: ignore[index]
    parts = key.removesuffix(b"/").split(b"/")
    return not key or (b"\0" not in key and not {b"", b".", b".."}.intersection(parts))


def _json(kind: type) -> Check:
    def check(value: object) -> bool:
        try:
            return type(value) is str and type(orjson.loads(value)) is kind
        except ValueError:
            return False

    return check


def _extents(value: object) -> bool:
    return type(value) is list and all(
        type(extent) is list and len(extent) == 3 and _id(extent[0]) and _count(extent[1]) and _count(extent[2])
        for extent in value
    )


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_ROWS: dict[str, tuple[Check, ...]] = {
    "job": (_id, _text),
    "snapshot": (
        _id, _id, _number, _number, _or_none(_number), _text, _text, _json(list), _json(dict),
    ),
    "path": (_id, _id, _key),
    "object": (
        _id, _text, _count, _count, _text, _text, _or_none(_text), _base64, _lengths, _text, _number, _text, _count,
    ),
    "content": (_id, _or_none(_count), _or_none(_hex), _or_none(_hex), _text, _count, _count, _extents),
    "version": (
        _id, _id, _id, _or_none(_id), _count, _count, _number, _number, _count, _count, _count, _or_none(_id), _count,
        _or_none(_path), _or_none(_base64), _or_none(_id),
    ),
    "held": (_id, _count, _number, _number),
}  # fmt: skip
"""The rows of format 1; a content's extents follow its columns."""
_ROWS_2: dict[str, tuple[Check, ...]] = _ROWS | {
    "object": (
        _id, _text, _count, _count, _text, _text, _or_none(_text), _hex, _segments, _text, _number, _text, _count,
    ),
    "content": (
        _id, _count, _or_none(_id), _or_none(_count), _or_none(_count), _or_none(_hex), _or_none(_hex), _or_none(_hex),
        _count, _count,
    ),
    "stretch": (_id, _count, _id, _count, _count),
    "extent": (_id, _count, _id),
    "version": (
        _id, _id, _or_none(_id), _count, _count, _number, _number, _count, _count, _count, _or_none(_id), _count,
        _or_none(_path), _or_none(_hex), _or_none(_id),
    ),
}  # fmt: skip
"""As `catalog.lines.COLUMNS`, in that order."""
_FORMATS = {1: _ROWS, 2: _ROWS_2}
_FIRST = {1: 3, 2: 2}
"""Where a version's row has its first snapshot."""


def confined(lineage: str, rows: Iterable[bytes], version: int) -> Iterator[bytes]:
    """The lines of a record of this format, each checked to be a row that this store may have. Raises
    CatalogError for others."""
    for number, line in enumerate(rows, 2):
        trouble = _trouble(lineage, line, version)
        if trouble:
            raise CatalogError(
                f"line {number} of a catalog record is inconsistent: {trouble}",
                hint="it was not applied; it was written by another holder of this key, or by another version",
            )
        yield line


def _trouble(lineage: str, line: bytes, version: int) -> str:
    if len(line) > MAX_LINE:
        return f"it has {len(line)} bytes"
    try:
        row = orjson.loads(line)
    except ValueError:
        return "it is not JSON"
    if type(row) is not list or not row or type(row[0]) is not str:
        return "it is not a row"
    table = row[0]
    if table == "-":
        return "" if _deletes(row, version) else "it deletes something that no record has"
    checks = _FORMATS.get(version, _ROWS_2).get(table)
    if checks is None:
        return "its table is unknown"
    if len(row) != len(checks) + 1:
        return f"{table} has {len(row) - 1} columns"
    for at, check in enumerate(checks, 1):
        if not check(row[at]):
            return f"column {at} of {table} has the wrong type or value"
    if table == "object":
        return _misplaced(lineage, row[2])
    if table == "version":
        first = _FIRST.get(version, 2)
        return "" if row[first] < (row[first + 1] or _MAX_INT) else "a version ends before it begins"
    return ""


def _deletes(row: list[Any], version: int) -> bool:
    keys = 2 if version > 1 and len(row) > 1 and row[1] == "version" else 1
    # Versions of format 1 had ids, by which a migrated catalog deletes them.
    known = len(row) == 2 + keys and type(row[1]) is str and row[1] in (*_ROWS, "version1")
    return known and all(_id(value) for value in row[2:])


def _misplaced(lineage: str, name: str) -> str:
    """Objects are read, and eventually deleted, by their names: those of other lineages are not allowed."""
    object_id = parse_name(name)
    if object_id is None:
        return "an object belongs to another lineage" if _LINEAGE.match(name) or not name.isprintable() else ""
    own = object_id.lineage.hex() == lineage and object_id.kind is ObjectKind.DATA
    return "" if own else "an object belongs to another lineage, or is not data"


def bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream of bytes. Raises CatalogError for one that exceeds the limit."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise CatalogError(f"a line of a catalog record is longer than {MAX_LINE >> 20} MiB")
    if rest:
        yield rest
