"""What is wrong with an object in the bucket, in words: for problems of files and for reasons of plans alike."""

from __future__ import annotations

from ..reasons import Cause, Reason

_WORDS = {
    Cause.OBJECT_MISSING: "object missing in bucket",
    Cause.OBJECT_SIZE: "object has {} bytes in bucket, {} were stored",
    Cause.OBJECT_REPLACED: "object replaced in bucket: its checksum differs",
    Cause.OBJECT_DAMAGED: "object damaged in bucket",
}


def damage_text(reason: Reason) -> str:
    """The words for a reason that is about an object of the bucket; "" for others."""
    return _WORDS[reason.cause].format(*reason.details) if reason.cause in _WORDS else ""
