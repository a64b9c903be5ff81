"""Reads records and full copies of a lineage from the bucket and applies them to the catalog."""

from __future__ import annotations

from ..catalog import Catalog
from ..catalog.database import Store
from ..catalog.replaying import Replay
from ..errors import CatalogError, ContainerError, TargetError
from ..progress import Events
from ..records import StoredObject
from ..repository.heads import Head
from ..repository.session import Session
from .chain import Records
from .confine import confined
from .copies import Copy
from .outcome import Recovered, Rewritten
from .reading import format_of, rows_of


class Replayer:
    """Works within the caller's transaction; `result` receives what was read and what is missing."""

    def __init__(self, session: Session, cat: Catalog, records: Records, events: Events, result: Recovered) -> None:
        self._session = session
        self._cat = cat
        self._records = records
        self._events = events
        self._result = result

    def copy(self, store: Store, base: Copy, replay: Replay) -> tuple[Store, str]:
        """Replay a full copy. Returns the resulting store and the digest of the record that the copy follows."""
        head, _ = self._replay(store, base[1], replay)
        self._cat.set_store(store.id, serial=base[0], salt=bytes.fromhex(str(head["salt"])))
        self._result.copies, self._result.created_ns = 1, int(str(head["created_ns"]))
        return self._cat.store(store.id), str(head["previous"])

    def records(self, store: Store, previous: str, replay: Replay, *, exact: bool) -> Store:
        """Replay the records after the store's serial, which has the digest `previous`, up to the newest.

        Without `exact`, stops at a record that cannot be read; with it, raises CatalogError, ContainerError,
        TargetError."""
        serial, salt = store.serial, store.salt
        for number in self._records.between(serial, self._records.newest):
            if number != serial + 1 and not self._records.ours(number):
                continue
            try:
                head, digest = self._replay(store, self._records.item(number), replay, previous=previous)
            except (ContainerError, TargetError, CatalogError) as error:
                if isinstance(error, ContainerError) and not self._records.ours(number):
                    continue
                failed = (
                    gap(self._records, serial + 1) if isinstance(error, Rewritten) and number > serial + 1 else error
                )
                if exact:
                    raise failed from error
                self._result.missing.append(f"record {serial + 1} and all after it: {failed.message}")
                break
            serial, previous, salt = number, digest, bytes.fromhex(str(head["salt"]))
            self._result.records += 1
            self._result.created_ns = int(str(head["created_ns"]))
            self._events.advance(1, self._records.item(number).size)
        self._result.notes += self._records.notes()
        self._result.serial = serial
        self._cat.set_store(store.id, serial=serial, record_digest=previous, salt=salt)
        return self._cat.store(store.id)

    def _replay(
        self, store: Store, item: StoredObject, replay: Replay, *, previous: str | None = None
    ) -> tuple[Head, str]:
        """Replay a record or copy; returns its header and SHA-256."""
        with rows_of(self._session, item) as (head, rows, digest):
            if previous is not None and head["previous"] != previous:
                raise Rewritten(
                    f"record {head['serial']} does not follow its predecessor: the chain is broken",
                    hint="`catalog rebuild JOB` recovers what it can",
                )
            version = format_of(head)
            replay.record(confined(self._result.lineage, rows, version), version)
        if "seed" in head:
            self._cat.set_store(store.id, seed=bytes.fromhex(str(head["seed"])))
        return head, digest


def gap(records: Records, serial: int) -> CatalogError:
    """The error for a missing record."""
    return CatalogError(
        f"record {serial} of {records.newest} is missing from the bucket",
        hint="`catalog rebuild JOB` recovers what it can from the objects themselves",
    )
