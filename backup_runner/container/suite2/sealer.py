"""A small object at once."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..header import SEGMENT_SIZE
from ..index import Index, IndexEntry
from ..keys import Random
from ..names import ObjectId
from ..segment import MAC_LENGTH, Stream
from .header import new_header
from .index import seal_stream, seal_tail
from .lineage import Lineage
from .primitives import Buffer


def seal_object(
    lineage: Lineage,
    object_id: ObjectId,
    payload: Buffer,
    *,
    entries: Sequence[IndexEntry] = (),
    random: Random = os.urandom,
    segment_size: int = SEGMENT_SIZE,
    compress: bool = True,
) -> bytes:
    """A whole object from a payload in memory: records, catalog copies, small packs."""
    header, keys = new_header(lineage, object_id, segment_size=segment_size, random=random)
    segments = seal_stream(keys, Stream.DATA, payload, compress=compress, random=random)
    macs = b"".join(segment[-MAC_LENGTH:] for segment in segments)
    index = Index(len(payload), [len(segment) for segment in segments], entries, macs)
    return b"".join((header, *segments, seal_tail(keys, lineage, index, random=random).data))
