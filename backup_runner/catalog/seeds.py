"""The seed that determines where large files of a lineage are cut."""

from __future__ import annotations

from blake3 import blake3

_CONTEXT = "backup-runner/cutter-seed"


def seed_of(lineage: str) -> bytes:
    """The cutter's seed of a lineage. It is not secret (whoever can have data stored can find it out), so it is
    derived from the lineage's id: if it were lost with the records, large files would be uploaded again."""
    return blake3(lineage.encode(), derive_key_context=_CONTEXT).digest()
