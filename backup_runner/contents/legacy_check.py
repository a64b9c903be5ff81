"""Verify for objects in backup-tool's format: head and length, or all of it by the MD5s before and after decryption."""

from __future__ import annotations

import hashlib

from blake3 import blake3

from ..catalog.places import StretchRow
from ..container import Identity
from ..errors import DamagedError
from ..targets.base import Target
from . import legacy_format as legacy
from .legacy_reader import LegacyReader, true_size
from .sealed import Place

NOTE = (
    "objects are in backup-tool's format, which has no MAC: their MD5 is the only protection against changes in the "
    "bucket; `reseal: true` in the job converts them to our format"
)


def check_legacy(
    target: Target, identity: Identity, place: Place, row: StretchRow | None, *, size: int, data: bool
) -> int:
    """The plaintext's length in bytes. Raises DamagedError, TargetError."""
    length = true_size(target, place.name)
    if legacy.sealed_size(length) != size:
        raise DamagedError(f"its header says {length} bytes, but it has {size}")
    if row is None or not data:
        return length
    strong, weak = blake3(), hashlib.md5(usedforsecurity=False)
    for piece in LegacyReader(place.name, place.header, target, identity).stretch(0, length):
        strong.update(piece)
        weak.update(piece)
    if row.md5 is not None and weak.digest() != row.md5:
        raise DamagedError("its content does not match the MD5 that backup-tool recorded")
    if row.blake3 is not None and strong.digest() != row.blake3:
        raise DamagedError("its content does not match the recorded BLAKE3")
    return length
