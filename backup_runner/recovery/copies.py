"""The full copies of the catalog that a lineage has in the bucket."""

from __future__ import annotations

from ..container import Identity
from ..errors import ContainerError, ObjectMissing
from ..records import StoredObject
from ..repository.heads import head_of
from ..targets.base import Target

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
