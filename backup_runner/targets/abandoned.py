"""Multipart uploads that nobody will finish: their parts are billed, and no listing shows them."""

from __future__ import annotations

from collections.abc import Container

from .base import Target


def abort_abandoned(target: Target, prefix: str, *, keep: Container[str], before: float) -> list[tuple[str, str]]:
    """Abort the uploads below `prefix` that began before `before` (seconds since the epoch).

    Those whose id is in `keep` stay: a journal will go on with them. Returns (name, upload id) of the aborted.
    """
    old = [
        (name, upload)
        for name, upload, created in target.list_uploads(prefix)
        if created < before and upload not in keep
    ]
    for name, upload in old:
        target.abort_upload(name, upload)
    return old
