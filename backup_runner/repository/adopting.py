"""Objects of this lineage that the catalog does not know: a killed run's packs. Their contents are taken over."""

from __future__ import annotations

import time

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..catalog.history import pack_lengths
from ..catalog.recording import NewObject, add_object, put_content
from ..container import MAX_HEADER, TAIL, Index, open_header, parse_name, read_index
from ..container.keys import Keyring
from ..contents.again import twice
from ..contents.sealed import Place, open_reader
from ..errors import AccessDenied, DamagedError, ObjectArchived, ObjectMissing, WrongKeyError
from ..moments import from_seconds
from ..records import Digests, Extent
from ..targets.base import Target


def adopt(cat: Catalog, store: Store, target: Target, keyring: Keyring, name: str) -> str:
    """Record an object and what it alone holds; "" or why that cannot be. Versions are never made of it."""
    if history.object_named(cat, store.id, name) is not None:
        # A killed run of the same plan did this already.
        return ""
    try:
        new, index = twice(lambda: examine(target, keyring, name))
        _open_all(target, keyring, new)
    except ObjectMissing:
        return "it is gone again"
    except AccessDenied:
        return "policy forbids reading it; it stays, and prune from another machine deletes it"
    except ObjectArchived:
        return "it is in the archive tier and cannot be opened; it stays, and prune deletes it"
    except WrongKeyError:
        return "it is sealed with another key"
    except DamagedError as error:
        # Known from now on, so that no plan offers it again and pruning can delete it.
        listed = target.stat(name)
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
        with cat.transaction():
            object_id = add_object(cat, store.id, broken)
            cat.conn.execute("UPDATE object SET state = 'damaged' WHERE id = ?", (object_id,))
        return f"it is damaged: {error.message}"
    with cat.transaction():
        object_id = add_object(cat, store.id, new)
        for entry in index.entries:
            if entry.blake3 is None or entry.md5 is None or entry.at or entry.length != entry.size:
                continue
            digests = Digests(entry.size, entry.blake3, entry.md5)
            if history.find_content(cat, store.id, digests) is None:
                put_content(cat, store.id, digests, [Extent(object_id, entry.offset, entry.length)])
    return ""


def _open_all(target: Target, keyring: Keyring, new: NewObject) -> None:
    """Raises DamagedError unless every byte can be had: files would be linked to its contents without being read, and
    that nobody recorded the object may well be because it arrived damaged."""
    place = Place(new.name, new.header, new.segments, "container")
    spans = [(0, new.plain)] if new.plain else []
    reader = open_reader(place, spans, target, keyring)
    for _ in reader.stretch(0, new.plain):
        pass


def examine(target: Target, keyring: Keyring, name: str) -> tuple[NewObject, Index]:
    """What an object says of itself, from its header and its tail. Raises ContainerError, TargetError."""
    object_id = parse_name(name)
    if object_id is None:
        raise DamagedError(f"{name} is no name of ours")
    listed = target.stat(name)
    start = target.get(name, 0, min(4096, listed.size))
    try:
        opened = open_header(start, object_id, keyring)
    except DamagedError:
        start = target.get(name, 0, min(MAX_HEADER, listed.size))
        opened = open_header(start, object_id, keyring)
    tail, size = target.get_tail(name, TAIL)
    found = read_index(opened.keys, tail, size)
    if isinstance(found, int):
        tail, size = target.get_tail(name, found)
        found = read_index(opened.keys, tail, size)
        if isinstance(found, int):
            raise DamagedError(f"{name}: index cut short")
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
