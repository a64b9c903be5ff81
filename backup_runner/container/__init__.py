"""Encrypted (sealed) objects, as specified in docs/format.md.

Sealing in suite 1, as tests do: `seal_object`, or `new_header`, `seal_segment` with the keys it gave, `seal_index`.
Opening: `open_object`, or `open_header` and `segment_reader` with what the catalog knows; both for either suite.
Sealing in suite 2: `suite2.sealer`, with a `suite2.lineage.Lineage`.
"""

from .header import MAGIC, MAX_HEADER, SEGMENT_SIZE, OpenedHeader, SealKeys, new_header, stated_id
from .identity import Identity
from .index import TAIL, Index, IndexEntry, Trailer, seal_index
from .names import ObjectId, ObjectKind, kind_prefix, parse_name
from .reader import OpenedObject, Read, fetch_index, open_object, open_whole, read_stretch, seal_object, segment_reader
from .segment import Stream, seal_segment, sealed_bound, segment_span, segments_of
from .suites import Opener, open_header, open_segment, read_index, suite_of

__all__ = [
    "MAGIC",
    "MAX_HEADER",
    "SEGMENT_SIZE",
    "TAIL",
    "Identity",
    "Index",
    "IndexEntry",
    "ObjectId",
    "ObjectKind",
    "OpenedHeader",
    "OpenedObject",
    "Opener",
    "Read",
    "SealKeys",
    "Stream",
    "Trailer",
    "fetch_index",
    "kind_prefix",
    "new_header",
    "open_header",
    "open_object",
    "open_segment",
    "open_whole",
    "parse_name",
    "read_index",
    "read_stretch",
    "seal_index",
    "seal_object",
    "seal_segment",
    "sealed_bound",
    "segment_reader",
    "segment_span",
    "segments_of",
    "stated_id",
    "suite_of",
]
