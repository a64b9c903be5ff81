"""What every engine needs for one job: its catalog, its target and its key, each opened when first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..catalog import Catalog
from ..catalog.database import Store
from ..container.keys import KdfBudget, Keyring
from ..errors import CatalogError, KeyFileError, TargetError, WrongKeyError
from ..planning.seal import secret_path
from ..spec import Job
from ..targets.base import Target
from ..targets.opening import open_target
from .keyfile import load_key, refuse_guessable

_KDF_UNITS = 64
"""Runs of scrypt that one command pays for: a lineage takes one, and a bucket may hold many of a job's key."""


@dataclass
class Session:
    """One job at work. `warn` gets sentences for the person who runs it."""

    job: Job
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    warn: Callable[[str], None] = lambda _: None
    _target: Target | None = None
    _catalog: Catalog | None = None
    _keyring: Keyring | None = field(default=None, repr=False)
    _stretching: threading.Thread | None = field(default=None, repr=False)

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = open_target(self.job.target)
        return self._target

    @property
    def keyring(self) -> Keyring:
        """Reads the key when first used: planning does without. Raises KeyFileError."""
        if self._stretching is not None:
            self._stretching.join()
            self._stretching = None
        if self._keyring is None:
            key, warnings = load_key(self.job.encryption, self.env)
            for warning in warnings:
                self.warn(warning)
            self._keyring = Keyring(key, budget=KdfBudget(units=_KDF_UNITS))
        return self._keyring

    def stretch_ahead(self) -> None:
        """Run scrypt on a thread, for an apply that will need it after planning. Raises KeyFileError, WrongKeyError."""
        store, keyring = self.store(), self.keyring
        if store is not None:
            self.check_key(store)
        salt = store.salt if store is not None else self.new_salt
        self._stretching = threading.Thread(target=keyring.stretch, args=(salt,), daemon=True)
        self._stretching.start()

    @cached_property
    def new_salt(self) -> bytes:
        """The salt of the store that this session makes, if there is none yet. Raises KeyFileError."""
        refuse_guessable(self.keyring.crypto_key)
        return self.keyring.new_salt()

    def catalog(self, *, create: bool = False) -> Catalog | None:
        """The catalog; None if there is none and it is not to be made."""
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
            key_id = self.keyring.crypto_key.key_id
        except KeyFileError:
            # Planning does without a key; apply will tell whether it fits.
            return found
        # A job that is new here shares what its own key sealed: one target may serve several keys.
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

    def check_place(self, store: Store) -> None:
        """Raises TargetError if the place of the objects is gone as a whole, though this store put something there."""
        absence = self.target.absence if store.serial else ""
        if absence:
            raise TargetError(
                f"{absence}, but the catalog has objects there",
                hint="is its disk mounted? if it is lost, `plan JOB` shows what an apply can upload again",
            )

    def check_key(self, store: Store) -> Keyring:
        """The keyring, if it is the one this store is sealed with. Raises WrongKeyError."""
        keyring = self.keyring
        if keyring.crypto_key.key_id != store.key_id:
            raise WrongKeyError(
                f'this is not the key that job "{self.job.name}" is sealed with '
                f"(key id {keyring.crypto_key.key_id}, expected {store.key_id})",
                hint="set `encryption` to the right key; nothing was changed",
            )
        return keyring

    def own_files(self) -> list[bytes]:
        """Absolute paths that are ours and are left out of every scan."""
        job = self.job
        paths = [
            job.catalog.path + suffix for suffix in ("", "-wal", "-shm", "-journal", ".lock", ".seen", ".seen.tmp")
        ]
        paths.append(job.work_directory)
        paths.append(secret_path())
        path = getattr(job.target, "path", None)
        if path:
            paths.append(path)
        return [os.fsencode(path) for path in paths]

    def close(self) -> None:
        if self._stretching is not None:
            # A process that ends while scrypt still runs on a thread tears OpenSSL down below it, and crashes.
            self._stretching.join()
            self._stretching = None
        if self._target is not None:
            self._target.close()
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None
