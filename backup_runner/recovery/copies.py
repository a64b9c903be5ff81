"""The full copies of the catalog that a lineage has in the bucket."""

from __future__ import annotations

from ..container import Identity, parse_name
from ..errors import ContainerError, ObjectMissing, RemovedWriterError
from ..records import StoredObject
from ..repository.heads import digest_of, head_of, open_record
from ..targets.base import Target
from .chain import Records

Copy = tuple[int, StoredObject]
"""A full copy and its serial."""

_MOST_COPIES = 200
"""At most this many objects that are not our copies are tried; there are two or three copies."""
_NAMED = 3


def full_copies(
    target: Target, identity: Identity, lineage: str, known: list[list[object]], notes: list[str]
) -> list[Copy]:
    """The copies that can be opened, by serial. Those in `known` ([serial, name]) are not opened again; `notes`
    receives what is wrong with others. Raises TargetError."""
    serials = {str(name): int(str(serial)) for serial, name in known}
    found: list[Copy] = []
    refused: list[str] = []
    for item in target.list(f"{lineage}/copies/"):
        serial = serials.get(item.name)
        if serial is None and len(refused) < _MOST_COPIES:
            try:
                serial = int(str(head_of(target, identity, item)["serial"]))
            except (ContainerError, ObjectMissing) as error:
                refused.append(f"the full copy {item.name} cannot be read: {error.message}")
        if serial is not None:
            found.append((serial, item))
    notes += refused[:_NAMED]
    if len(refused) > _NAMED:
        notes.append(f"at least {len(refused) - _NAMED} more full copies cannot be read")
    return sorted(found, key=lambda pair: pair[0])


def copies_of_removed(target: Target, identity: Identity, lineage: str, records: Records) -> list[Copy]:
    """Full copies by removed writers that state a record from before their removal, by serial.

    For a lineage that nothing else gives: older records may be gone, and the copies be theirs alone. A removed writer
    could make such a copy later, with other contents, so callers say that it was used. Raises TargetError."""
    found: list[Copy] = []
    void = identity.accepted[bytes.fromhex(lineage)].void if bytes.fromhex(lineage) in identity.accepted else {}
    for item in target.list(f"{lineage}/copies/"):
        object_id = parse_name(item.name)
        if object_id is None or not void:
            continue
        try:
            open_record(target, identity, item)
        except RemovedWriterError:
            pass
        except (ContainerError, ObjectMissing):
            continue
        identity.trusted.add(object_id)
        try:
            opened, head = open_record(target, identity, item), head_of(target, identity, item)
        except (ContainerError, ObjectMissing):
            continue
        serial, signer = int(str(head["serial"])), opened.index.signer if opened.index else None
        if signer is not None and serial <= void.get(signer.public, -1) and serial in records:
            record = records.item(serial)
            if digest_of(target, record.name, record.size) == head["previous"]:
                found.append((serial, item))
                continue
        identity.trusted.discard(object_id)
    return sorted(found, key=lambda pair: pair[0])
