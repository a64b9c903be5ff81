"""Extended attributes as one blob, as in catalogs and records: JSON, values in base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import orjson

from ..errors import CatalogError


def encode_xattrs(attributes: Mapping[bytes, bytes]) -> bytes | None:
    """The blob for these names and values, sorted by name; None if there are none."""
    if not attributes:
        return None
    return orjson.dumps(
        {_name_text(name): base64.b64encode(value).decode() for name, value in sorted(attributes.items())}
    )


def decode_xattrs(blob: bytes | None) -> dict[bytes, bytes]:
    """The inverse of `encode_xattrs`. Raises CatalogError for an invalid blob."""
    if blob is None:
        return {}
    try:
        return {_name_bytes(name): base64.b64decode(value, validate=True) for name, value in orjson.loads(blob).items()}
    except (ValueError, AttributeError, TypeError, binascii.Error):
        raise CatalogError("extended attributes in the catalog cannot be read") from None


def _name_text(name: bytes) -> str:
    """UTF-8 names unchanged; others, which JSON cannot represent, as NUL and hex (no name contains NUL)."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return "\0" + name.hex()


def _name_bytes(text: str) -> bytes:
    return bytes.fromhex(text[1:]) if text.startswith("\0") else text.encode()
