"""The seed that sets where large files of a lineage are cut."""

from __future__ import annotations

from blake3 import blake3

_CONTEXT = "backup-runner/cutter-seed"


def old_seed(lineage: str) -> bytes:
    """The cutter's seed of a lineage that began before there was one: the same on every machine."""
    return blake3(lineage.encode(), derive_key_context=_CONTEXT).digest()
