"""Sizes that the storing engine uses; handed in, so that tests set them instead of patching modules."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class PieceSizes:
    """Sizes of pieces in bytes. The last piece of a stretch of data may be shorter than `minimum`."""

    minimum: int
    average: int
    maximum: int

    def times(self, factor: int) -> PieceSizes:
        return PieceSizes(self.minimum * factor, self.average * factor, self.maximum * factor)


@dataclass(frozen=True, slots=True)
class StoringPolicy:
    """Sizes in bytes, unless said otherwise."""

    pack_bytes: int = 32 * MIB
    """A pack is uploaded when it has this much plaintext,"""
    pack_contents: int = 16_384
    """or this many contents."""
    small: int = MIB
    """Files of fewer bytes are stored whole; larger ones are cut into pieces."""
    unsized: int = 64 * MIB
    """Files without a meaningful size, as in /proc, may have this many bytes."""
    batch_bytes: int = 2 * MIB
    """Approximate total size of the small files that a worker gets at once."""
    batch_files: int = 1000
    pieces: PieceSizes = PieceSizes(96 * KIB, 160 * KIB, 640 * KIB)
    coarse_from: int = 16 * GIB
    """From this size of a file on, pieces are twice as large; they double again at each fourfold size."""
    coarsest: int = 16
    """The largest factor by which pieces grow."""
    window: int = 3 * MIB
    """How much of a large file is read at once; two windows are in memory."""
    hole: int = 128 * KIB
    """Shorter holes are read like data."""
    skipped_zeros: int = GIB
    """From this many zero bytes in holes on, a file has no MD5 and is identified by the digest of its list of
    pieces."""

    @property
    def largest_pack(self) -> int:
        """No pack has more plaintext, whatever size packs had when it was made: a full one gets at most one more
        content, a piece or a small file. Larger objects are large files of suite 1."""
        return max(64 * MIB, 2 * self.pack_bytes)

    def sizes_for(self, size: int) -> PieceSizes:
        """The sizes of the pieces of a file with `size` bytes of data."""
        factor, limit = 1, self.coarse_from
        while size >= limit and factor < self.coarsest:
            factor, limit = factor * 2, limit * 4
        return self.pieces.times(factor)
