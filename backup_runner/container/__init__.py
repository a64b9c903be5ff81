"""Sealed objects, as docs/format.md has them.

Sealing in parts: `new_header` once, `seal_segment_into` anywhere with the `SealKeys` it gave, `seal_index` last.
Opening: `open_object`, or `open_header` and `segment_reader` with what the catalog knows.
"""

from .header import MAGIC, MAX_HEADER, SEGMENT_SIZE, OpenedHeader, SealKeys, new_header, open_header, stated_id
from .index import TAIL, Index, IndexEntry, Trailer, read_index, seal_index
from .names import ObjectId, ObjectKind, kind_prefix, parse_name
from .reader import OpenedObject, Read, open_object, read_stretch, seal_object, segment_reader
from .segment import Stream, open_segment, seal_segment, seal_segment_into, sealed_bound, segment_span, segments_of

__all__ = [
    "MAGIC",
    "MAX_HEADER",
    "SEGMENT_SIZE",
    "TAIL",
    "Index",
    "IndexEntry",
    "ObjectId",
    "ObjectKind",
    "OpenedHeader",
    "OpenedObject",
    "Read",
    "SealKeys",
    "Stream",
    "Trailer",
    "kind_prefix",
    "new_header",
    "open_header",
    "open_object",
    "open_segment",
    "parse_name",
    "read_index",
    "read_stretch",
    "seal_index",
    "seal_object",
    "seal_segment",
    "seal_segment_into",
    "sealed_bound",
    "segment_reader",
    "segment_span",
    "segments_of",
    "stated_id",
]
