"""Sizes that the storing engine works with: handed in, so that tests set them instead of patching modules."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class PieceSizes:
    """What the cutter keeps to, in bytes. Pieces at the end of a stretch of data may be shorter than `minimum`."""

    minimum: int
    average: int
    maximum: int

    def times(self, factor: int) -> PieceSizes:
        return PieceSizes(self.minimum * factor, self.average * factor, self.maximum * factor)


@dataclass(frozen=True, slots=True)
class StoringPolicy:
    """Sizes in bytes, unless said otherwise."""

    pack_bytes: int = 32 * MIB
    """A pack is put once it has so much plaintext."""
    pack_contents: int = 16_384
    """Or so many contents."""
    small: int = MIB
    """Files of fewer bytes are stored whole; larger ones are cut into pieces."""
    batch_bytes: int = 2 * MIB
    """Small files that a worker gets at once have about so much, together."""
    batch_files: int = 1000
    pieces: PieceSizes = PieceSizes(96 * KIB, 160 * KIB, 640 * KIB)
    coarse_from: int = 16 * GIB
    """Files of so many bytes have pieces of twice the size, and again at each fourfold."""
    coarsest: int = 16
    """How many times the size pieces grow to at most."""
    window: int = 8 * MIB
    """Of a large file, so much is read at once; two windows are in memory."""
    hole: int = 128 * KIB
    """Shorter holes are read like data."""
    skipped_zeros: int = GIB
    """With so many zero bytes in holes, a file has no MD5 and is known by the digest over its list of pieces."""

    def sizes_for(self, size: int) -> PieceSizes:
        """The sizes of the pieces of a file with `size` bytes of data."""
        factor, limit = 1, self.coarse_from
        while size >= limit and factor < self.coarsest:
            factor, limit = factor * 2, limit * 4
        return self.pieces.times(factor)
