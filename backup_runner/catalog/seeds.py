"""The seed that sets where large files of a lineage are cut."""

from __future__ import annotations

from blake3 import blake3

_CONTEXT = "backup-runner/cutter-seed"


def seed_of(lineage: str) -> bytes:
    """The cutter's seed of a lineage. It is not secret (whoever can have data stored finds it out), so it is made of
    the lineage's id: were it lost with the records, large files would be stored once more."""
    return blake3(lineage.encode(), derive_key_context=_CONTEXT).digest()
