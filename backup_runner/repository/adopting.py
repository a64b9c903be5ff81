"""Reuses objects of this lineage that are not in the catalog: a killed run's packs. Their contents are recorded."""

from __future__ import annotations

import time
from functools import partial

from ..catalog import Catalog, history
from ..catalog.states import set_states
from ..catalog.storing import add_object, has_pieces, put_composed, put_placed
from ..container import MAX_HEADER, Identity, Index, fetch_index, open_header, parse_name
from ..container.identity import check_signer
from ..container.lengths import pack_lengths
from ..contents.again import twice
from ..contents.sealed import Place, open_reader
from ..errors import AccessDenied, DamagedError, ObjectArchived, ObjectMissing, WrongKeyError
from ..moments import from_seconds
from ..records import Composed, NewObject, Piece, Placed, pack_pieces
from ..targets.base import Target


class Adopting:
    """Records one object after the other. An object with the list of pieces of a file may come before
    those that contain the pieces, so lists wait until all of these are recorded."""

    def __init__(self, cat: Catalog, store_id: int, target: Target, identity: Identity) -> None:
        self._cat = cat
        self._store_id = store_id
        self._target = target
        self._identity = identity
        self._waiting: list[tuple[Composed, int]] = []

    def adopt(self, name: str) -> str:
        """Record an object and the contents in it; returns "" or why that is impossible. Never creates versions."""
        if history.object_named(self._cat, self._store_id, name) is not None:
            # A killed run of the same plan already did this.
            return ""
        try:
            new, index = twice(lambda: examine(self._target, self._identity, name))
            _open_all(self._target, self._identity, new)
        except ObjectMissing:
            return "it was deleted in the meantime"
        except AccessDenied:
            return "policy forbids reading it; prune on another machine will delete it"
        except ObjectArchived:
            return "it is in the archive tier and cannot be read; prune will delete it"
        except WrongKeyError:
            return "it is encrypted with another key"
        except DamagedError as error:
            # Recorded anyway, so that plans do not offer it again and pruning can delete it.
            listed = self._target.stat(name)
            broken = NewObject(
                name,
                listed.size,
                0,
                listed.checksum,
                listed.etag,
                None,
                b"",
                b"",
                listed.tier or "Standard",
                time.time_ns(),
            )
            with self._cat.transaction():
                object_id = add_object(self._cat, self._store_id, broken)
                set_states(self._cat, {object_id: "damaged"})
            return f"it is damaged: {error.message}"
        with self._cat.transaction():
            self._record(new, index)
        return ""

    def _record(self, new: NewObject, index: Index) -> None:
        """Record the object with its complete contents. A content that is already readable elsewhere stays there."""
        object_id = add_object(self._cat, self._store_id, new)
        placed = [
            Placed(entry.offset, entry.size, entry.blake3, entry.md5)
            for entry in index.entries
            if entry.blake3 is not None and entry.pieces is None and not entry.at and entry.length == entry.size
        ]
        put_placed(self._cat, self._store_id, object_id, placed)
        for entry in index.entries:
            if entry.pieces is not None and entry.blake3 is not None:
                packed = pack_pieces(Piece(*piece) for piece in entry.pieces)
                self._waiting.append((Composed(entry.size, entry.blake3, entry.md5, packed), object_id))
        waiting, self._waiting = self._waiting, []
        for item, pack_id in waiting:
            if has_pieces(self._cat, self._store_id, item):
                put_composed(self._cat, self._store_id, [item], pack_id)
            else:
                self._waiting.append((item, pack_id))


def _open_all(target: Target, identity: Identity, new: NewObject) -> None:
    """Raises DamagedError unless every byte can be read: files would be linked to its contents without being read, and
    perhaps nobody recorded the object because it arrived damaged."""
    place = Place(new.name, new.header, new.segments, "container")
    spans = [(0, new.plain)] if new.plain else []
    reader = open_reader(place, spans, target, identity)
    for _ in reader.stretch(0, new.plain):
        pass


def examine(target: Target, identity: Identity, name: str) -> tuple[NewObject, Index]:
    """An object's header and index. Raises ContainerError, TargetError."""
    object_id = parse_name(name)
    if object_id is None:
        raise DamagedError(f"{name} is not an object name of backup-runner")
    listed = target.stat(name)
    start = target.get(name, 0, min(4096, listed.size))
    try:
        opened = open_header(start, object_id, identity)
    except DamagedError:
        start = target.get(name, 0, min(MAX_HEADER, listed.size))
        opened = open_header(start, object_id, identity)
    found, size = fetch_index(opened.keys, partial(target.get_tail, name))
    check_signer(identity, object_id, found.signer)
    header = start[: opened.length]
    new = NewObject(
        name,
        size,
        found.plaintext,
        listed.checksum,
        listed.etag,
        None,
        header,
        pack_lengths(list(found.segments)),
        listed.tier or "Standard",
        from_seconds(listed.created),
    )
    return new, found
