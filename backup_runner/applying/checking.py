"""Checks that a plan is still valid: finds or creates the store, takes the lease, refuses a stale plan."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ..catalog import Catalog
from ..catalog.database import Store
from ..errors import AccessDenied, CatalogError, ForkedError, GuardError, StalePlanError
from ..options import ApplyOptions
from ..planning.file import Header
from ..progress import Events, Outcome
from ..records import StoredObject
from ..repository import commits as committing
from ..repository.drift import Drift, look
from ..repository.heads import is_void
from ..repository.lease import Lease
from ..repository.machines import enrolled_keys
from ..repository.session import Session, new_store
from .firsts import first_note, make_way


def raise_guards(header: Header, options: ApplyOptions) -> None:
    """Raise GuardError for guards that stop the plan and are not overridden."""
    hits = [guard for guard in header.guards if guard["name"] not in options.overrides]
    if hits:
        names = " ".join(f"--override-guard {name}" for name in sorted({guard["name"] for guard in hits}))
        raise GuardError(
            "; ".join(guard["message"] for guard in hits),
            hint=f"nothing was changed. If this is intended, plan and apply with {names}",
        )


@dataclass
class Ground:
    """What an apply works with once its plan was checked."""

    cat: Catalog
    store: Store
    lease: Lease
    drift: Drift | None = None
    orphans: list[StoredObject] = field(default_factory=list)
    """What a killed run of this very plan left in the bucket."""
    continues: bool = False
    """Whether this plan was begun by another run, which was killed."""


class PlanCheck:
    """Compares a plan with job, catalog and bucket."""

    def __init__(
        self, session: Session, header: Header, options: ApplyOptions, events: Events, outcome: Outcome
    ) -> None:
        self._session = session
        self._header = header
        self._options = options
        self._events = events
        self._outcome = outcome

    def run(self) -> Ground:
        """Raises StalePlanError, ForkedError, CatalogError; if it returns, the lease is taken."""
        session, header = self._session, self._header
        cat = session.catalog(create=True) or session.need_catalog()
        if header.job_digest != session.job.digest():
            raise StalePlanError("the job file changed since the plan was made", hint="plan again")
        state = cat.plan_state(header.plan_id)
        if state == "finished":
            raise StalePlanError("this plan was already applied", hint="plan again")
        store = session.store()
        if store is not None:
            store = committing.resolve_pending(cat, store, session.target, session.unlock(store))
        here = (store.lineage, store.serial) if store else ("", 0)
        # A killed run may have created the store: its own plan may continue, and any plan if it did nothing else.
        fresh = store is not None and here[1] == 0 and (state == "started" or not cat.jobs(store.id))
        begun = header.lineage == "" and fresh
        if here != (header.lineage, header.serial) and not begun:
            raise StalePlanError("the catalog changed since the plan was made", hint="plan again")
        if store is None:
            store = self._new_store(cat)
            ground = Ground(cat, store, self._lease(store, first_note(session)))
            self._make_way(ground)
            return ground
        if header.pruning != "only" and (host := session.host_of(store)):
            raise CatalogError(
                f"the records of these backups are written by another host, {host}",
                hint="only restore and prune them here; to continue them on this machine, `key remove` that host",
            )
        if _ends_void(session, store):
            raise CatalogError(
                f"the last record of this catalog, {store.serial}, was written by a removed writer and is void",
                hint="get the state before it with `catalog pull JOB`, then apply again",
            )
        if store.state == "forked":
            raise ForkedError(
                "another machine continued this lineage; newer changes in this catalog are not recorded in the bucket",
                hint="fetch the newer state with `catalog pull JOB`",
            )
        ground = Ground(cat, store, self._lease(store), continues=state == "started")
        if header.listing:
            self._compare(ground, started=state == "started")
        return ground

    def _compare(self, ground: Ground, *, started: bool) -> None:
        """Compare the bucket's listing with the plan's. Releases the lease if that fails."""
        try:
            self._events.phase("listing the bucket")
            session = self._session
            found = look(
                ground.cat, ground.store, session.target, identity=lambda: session.identity, blind=session.is_blind
            )
            if started:
                ground.orphans = found.unknown
            elif found.digest != self._header.listing:
                raise StalePlanError("the bucket changed since the plan was made", hint="plan again")
        except BaseException:
            ground.lease.release()
            raise
        ground.drift = found

    def _make_way(self, ground: Ground) -> None:
        """Of two machines that begin at once, one continues. Releases the lease if it is the other one."""
        if self._options.new_lineage:
            return
        try:
            make_way(self._session, ground.cat, ground.store, ground.lease)
        except BaseException:
            ground.lease.release()
            raise

    def _lease(self, store: Store, more: dict[str, object] | None = None) -> Lease:
        session = self._session
        keys = enrolled_keys(session, store, self._outcome.notes)
        lease = Lease(store, session.target, keys, self._outcome.notes.append, more)
        try:
            lease.take(self._options.wait_seconds)
        except BaseException:
            lease.release()
            raise
        return lease

    def _new_store(self, cat: Catalog) -> Store:
        session = self._session
        if not self._options.new_lineage:
            # Only ever needed by a first apply.
            from ..recovery.choose import refuse_known_job

            refuse_known_job(session)
        return new_store(session, cat)


def _ends_void(session: Session, store: Store) -> bool:
    """Whether a writer who was removed wrote the record that this store ends at, as far as it can be read."""
    found = session.know(store.lineage)
    voids = [one.void.serial for one in found.roster.writers if one.void] if found and found.roster else []
    if not any(serial < store.serial for serial in voids):
        return False
    with suppress(AccessDenied):
        return is_void(session.target, session.identity, committing.record_name(store, store.serial))
    return False
