"""Texts for damage of objects in the bucket, for problems of files and reasons of plans."""

from __future__ import annotations

from ..reasons import Cause, Reason

_WORDS = {
    Cause.OBJECT_MISSING: "object missing in bucket",
    Cause.OBJECT_SIZE: "object has {} bytes in bucket, {} were stored",
    Cause.OBJECT_REPLACED: "object replaced in bucket: its checksum differs",
    Cause.OBJECT_DAMAGED: "object damaged in bucket",
}


def damage_text(reason: Reason) -> str:
    """The text of a reason about an object in the bucket; "" for others."""
    return _WORDS[reason.cause].format(*reason.details) if reason.cause in _WORDS else ""
