"""Which of a lineage's records count: those that our key can decrypt. Anybody who may write to the bucket can create
objects with such names and any number; such objects are noise: counted and reported, never trusted."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from ..container import Identity
from ..container.names import record_serial
from ..errors import WrongKeyError
from ..records import StoredObject
from ..repository.heads import is_ours, is_void, learn_salt, noise_notes
from ..targets.base import Target

_TRIES = 50
"""Number of objects to try from the highest number down, before searching upwards from what is known."""


class Records:
    """The objects below `<lineage>/records/`, by serial. Only serials and sizes are kept in memory.

    With `until`, records with a higher serial are left out, which gives the state at that serial."""

    def __init__(self, target: Target, identity: Identity, lineage: str, *, until: int = 0) -> None:
        self._target, self._identity, self._lineage = target, identity, lineage
        self._sizes: dict[int, int] = {}
        self._known: set[int] = set()
        self.noise: list[int] = []
        """Serials whose objects were tried and are not ours."""
        for item in target.list(f"{lineage}/records/"):
            serial = record_serial(item.name)
            if serial is not None and (not until or serial <= until):
                self._sizes[serial] = item.size
        self._order = sorted(self._sizes)

    def __contains__(self, serial: int) -> bool:
        return serial in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def item(self, serial: int) -> StoredObject:
        name = f"{self._lineage}/records/{serial:016d}"
        return StoredObject(name, self._sizes[serial], "", "", 0.0, "Standard", "")

    def between(self, after: int, upto: int) -> list[int]:
        """The existing serials with after < serial <= upto."""
        return self._order[bisect_right(self._order, after) : bisect_right(self._order, upto)]

    def bytes_between(self, after: int, upto: int) -> int:
        return sum(self._sizes[serial] for serial in self.between(after, upto))

    @cached_property
    def newest(self) -> int:
        """The highest serial that our key can decrypt, 0 without records. Raises WrongKeyError if it can decrypt
        none."""
        if self._order:
            learn_salt(self._target, self._identity, self.item(self._order[0]).name)
        for serial in reversed(self._order[-_TRIES:]):
            if self.ours(serial):
                return serial
        found = 0
        for serial in self._order[:-_TRIES]:
            # Ours are close together; a bucket full of noise must not be searched forever.
            if len(self.noise) > 2 * _TRIES and found:
                break
            if self.ours(serial):
                found = serial
        if not found and self._order:
            raise WrongKeyError(
                f"none of the {len(self._order)} records of lineage {self._lineage} can be decrypted: encrypted with "
                f"another key, or damaged",
                hint="set `encryption` to the key that the backups were made with",
            )
        return found

    def ours(self, serial: int) -> bool:
        if serial not in self._known and serial not in self.noise:
            if is_ours(self._target, self._identity, self.item(serial).name):
                self._known.add(serial)
            else:
                self.noise.append(serial)
        return serial in self._known

    def is_void(self, serial: int) -> bool:
        """Whether that record was signed by a writer who has since been removed. Raises AccessDenied,
        TransientError."""
        return serial in self._sizes and is_void(self._target, self._identity, self.item(serial).name)

    def notes(self) -> list[str]:
        """The note about the noise found."""
        return noise_notes([self.item(serial).name for serial in sorted(self.noise)], "records")
