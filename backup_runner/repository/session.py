"""What every engine needs for one job: its catalog, its target and its key, each opened when first asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import InitVar, dataclass, field

from ..catalog import Catalog
from ..catalog.database import Store
from ..container import Identity
from ..errors import AccessDenied, CatalogError, DamagedError, KeyFileError, TargetError, WrongKeyError
from ..spec import Job
from ..targets.base import Target
from ..targets.opening import key_warnings, open_target
from .blind import found_blind
from .declared import declared
from .lineage import KeyChain, Keys, check_memory, founded, keep_chain, kept_chain, put_newest, read_chain, succeeded
from .ownkey import OwnKey
from .seen import remember_keys, seen_keys


@dataclass
class Session:
    """The open parts of one job. `warn` gets warnings for the user."""

    job: Job
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    warn: Callable[[str], None] = lambda _: None
    _target: Target | None = None
    _catalog: Catalog | None = None
    _identity: InitVar[Identity | None] = None
    """In place of the one that the job's secret gives."""
    _chains: dict[str, KeyChain] = field(default_factory=dict, repr=False)
    """By lineage, as the bucket had them when this command first read them."""

    def __post_init__(self, _identity: Identity | None) -> None:
        self.key = OwnKey(self.job, self.env, self.warn, _identity)

    @property
    def identity(self) -> Identity:
        """Reads the key when first used; planning does not need it. Raises KeyFileError."""
        return self.key.identity

    @property
    def is_blind(self) -> bool:
        """Whether this host has no secret: it encrypts to its recipients, and decrypts nothing."""
        return self.job.encryption.is_blind

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = open_target(self.job.target)
            for warning in key_warnings(self.job.target):
                self.warn(warning)
        return self._target

    def stretch_ahead(self) -> None:
        """Run scrypt on a thread, for an apply that will need it after planning. Raises KeyFileError, WrongKeyError."""
        store = self.store()
        if store is not None:
            self.check_key(store)
        self.key.stretch(store.salt if store is not None else self.key.new_salt)

    def catalog(self, *, create: bool = False) -> Catalog | None:
        """The catalog; None if there is none and `create` is false."""
        if self._catalog is None and (create or os.path.exists(self.job.catalog.path)):
            self._catalog = Catalog(self.job.catalog.path, create=create)
        return self._catalog

    def need_catalog(self) -> Catalog:
        """The catalog. Raises CatalogError if nothing was ever applied here."""
        found = self.catalog()
        if found is None:
            raise CatalogError(
                f"there is no catalog at {self.job.catalog.path}",
                hint="apply the job first, or fetch the catalog from the bucket with `catalog pull JOB`",
            )
        return found

    def store(self) -> Store | None:
        """The catalog's store for this job's target, if it has one."""
        cat, job = self.catalog(), self.job
        found = cat.store_for_job(self.target.identity, job.name) if cat else None
        if cat is None or (found is not None and cat.job_id(found.id, job.name) is not None):
            return found
        stores = cat.stores(self.target.identity)
        if not stores:
            return None
        try:
            key_id = self.identity.key_id
        except KeyFileError:
            # Planning works without a key; apply checks it.
            return found
        # A new job shares a store with the same key: one target may have several keys.
        return next((one for one in stores if one.key_id == key_id), None)

    def need_store(self) -> tuple[Catalog, Store, int]:
        """Catalog, store and job id of a job that was applied before. Raises CatalogError."""
        cat = self.need_catalog()
        store = self.store()
        job_id = cat.job_id(store.id, self.job.name) if store else None
        if store is None or job_id is None:
            raise CatalogError(
                f'the catalog {cat.path} has no job "{self.job.name}" at {self.target.identity}',
                hint="apply the job first; `catalog info JOB` lists what the catalog has",
            )
        return cat, store, job_id

    def host_of(self, store: Store) -> str:
        """The host that writes this store's records, if this is not it and it is no more than that; else ""."""
        found = None if self.is_blind else self._chains.get(store.lineage) or kept_chain(self.need_catalog(), store)
        return found.host if found else ""

    def check_key(self, store: Store) -> Identity:
        """The identity, if it can decrypt this store. Raises WrongKeyError."""
        identity = self.identity
        if identity.key_id != store.key_id and not self._opens(store):
            raise WrongKeyError(
                f'this is not the key that job "{self.job.name}" is encrypted with '
                f"(key id {identity.key_id}, expected {store.key_id})",
                hint="set `encryption` to the right key; nothing was changed",
            )
        return identity

    def _opens(self, store: Store) -> bool:
        """Whether a secret other than the last one is also a recipient."""
        kept = kept_chain(self.need_catalog(), store)
        if kept is None:
            return False
        try:
            self.identity.epoch_secrets(kept.newest)
        except WrongKeyError:
            return False
        return True

    def unlock(self, store: Store) -> Identity:
        """The identity with the envelopes that are in the bucket now.

        Raises WrongKeyError, NoiseError, TargetError."""
        identity = self.check_key(store)
        self.know(store.lineage)
        # Worker processes inherit the results; otherwise, each would run scrypt itself.
        identity.seed(store.salt)
        return identity

    def know(self, lineage: str) -> KeyChain | None:
        """The envelopes of a lineage, read once per command; from then on, only objects under these count. None for
        a lineage of suite 1. Raises NoiseError if envelopes seen here before are missing, TargetError."""
        if lineage not in self._chains:
            cat = self.catalog()
            store = next((one for one in cat.stores() if one.lineage == lineage), None) if cat else None
            kept = kept_chain(cat, store) if cat and store else None
            raw = bytes.fromhex(lineage)
            try:
                found = read_chain(self.target, raw, self.identity, kept=kept, salt=store.salt if store else None)
            except AccessDenied:
                # A host that may not read them is warned where it matters.
                found = kept
            else:
                check_memory(found, seen_keys(self.job.catalog.path).get(lineage))
            if found is not None:
                self.use_chain(found)
            elif store is not None and store.serial:
                # A lineage of suite 1, unless somebody with its key upgraded it.
                self.identity.accept(raw, ())
        return self._chains.get(lineage)

    def use_chain(self, found: KeyChain) -> None:
        """From now on, only objects under these envelopes count."""
        for note in found.notes:
            self.warn(note)
        found.accept(self.identity)
        # Objects under older envelopes, from before this recipient was added, are decrypted with secrets of the newest.
        with suppress(WrongKeyError, DamagedError):
            self.identity.epoch_secrets(found.newest)
        self._chains[found.newest.lineage.hex()] = found

    def keys(self, store: Store) -> Keys:
        """Identity and encryption for a store. A store of suite 1 is upgraded to suite 2 here. Callers hold the
        catalog's lock.

        Raises WrongKeyError, NotEntitledError, CatalogError, TargetError."""
        identity = self.unlock(store)
        found = self.know(store.lineage)
        if found is None:
            found = succeeded(self.target, store, identity, self.key.machine)
        elif not found.stored:
            found = put_newest(self.target, found, identity)
        if found is not self.know(store.lineage):
            self.use_chain(found)
        self.keep(store, found)
        return Keys(identity, found.sealing(identity, self.key.machine))

    def keep(self, store: Store, found: KeyChain) -> None:
        """Store envelopes in the catalog and beside it. Callers hold the catalog's lock."""
        keep_chain(self.need_catalog(), store.id, found)
        remember_keys(self.job.catalog.path, store.lineage, found.newest.number, found.newest.digest.hex())

    def close(self) -> None:
        self.key.close()
        if self._target is not None:
            self._target.close()
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None


def check_place(target: Target, store: Store) -> None:
    """Raises TargetError if the place of the objects is missing as a whole, although this store has objects
    there."""
    absence = target.absence if store.serial else ""
    if absence:
        raise TargetError(
            f"{absence}, but the catalog lists objects there",
            hint="is its disk mounted? If it is lost, `plan JOB` shows what an apply can upload again",
        )


def new_store(session: Session, cat: Catalog) -> Store:
    """Create a new lineage in the catalog. Its keys are uploaded before anything else (`Session.keys`)."""
    if session.is_blind:
        session.key.enrol_host()
    identity, salt = session.identity, session.key.new_salt
    others = declared(session.job, session.env, salt, 0)
    if session.is_blind:
        # A host keeps nothing that could make the first envelope again, so that goes into the bucket at once.
        found = found_blind(session.target, identity, salt, others)
    else:
        # The cache of a remote catalog may be gone by the next run, and the key with it.
        machine = None if session.job.catalog.remote else session.key.make_machine()
        found = founded(identity, salt, others, machine=machine)
    with cat.transaction():
        store = cat.add_store(
            target=session.target.identity, key_id=identity.key_id, lineage=found.newest.lineage.hex(), salt=salt
        )
        keep_chain(cat, store.id, found)
    session.use_chain(found)
    return store
