"""Birth times among the attributes of a version, under a name that no extended attribute has."""

from __future__ import annotations

import base64
import binascii
import re

import orjson

from ..moments import within_range
from ..records import BIRTH_TIME

_MARK = b'"' + BIRTH_TIME + b'":'
_NUMBER = re.compile(rb"-?[0-9]{1,20}")


def has_birth(blob: bytes | None) -> bool:
    """Whether a version has a birth time."""
    return blob is not None and _MARK in blob


def split_birth(blob: bytes | None) -> tuple[int | None, bytes | None]:
    """The birth time in nanoseconds, or None, and the other attributes of a version.

    One that is not a number, as nothing of ours writes it, is ignored; the nearest that can be kept is
    returned of others."""
    if blob is None or not has_birth(blob):
        return None, blob
    try:
        fields = orjson.loads(blob)
        text = base64.b64decode(fields.pop(BIRTH_TIME.decode()), validate=True)
    except (ValueError, AttributeError, TypeError, KeyError, binascii.Error):
        return None, blob
    time_ns = within_range(int(text)) if _NUMBER.fullmatch(text) else None
    return time_ns, orjson.dumps(fields) if fields else None
