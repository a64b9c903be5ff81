"""A job with everything it needs in one folder, driven through the engines; and targets that fail on purpose."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from blake3 import blake3

from backup_runner.applying.run import apply_plan
from backup_runner.catalog import Catalog
from backup_runner.container import Identity
from backup_runner.container.keys import DEFAULT_COST, Cost, CryptoKey, Keyring
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.file import Header
from backup_runner.planning.making import make_plan
from backup_runner.policy import StoringPolicy
from backup_runner.progress import Outcome, RestoreOutcome, Silent, VerifyOutcome
from backup_runner.records import Action
from backup_runner.recovery import choose as recovery
from backup_runner.recovery.choose import Recovered
from backup_runner.repository.session import Session
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.spec import CatalogSpec, EncryptionSpec, Guards, Job, PruneGuards, Retention, Source, Symlinks
from backup_runner.targets.base import Target
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.verifying.run import VerifyOptions, verify
from backup_runner.workers.interrupt import Interrupt

NO_GUARDS = Guards(min_files=0, max_change_percent=100, max_delete_percent=100)
NO_PRUNE_GUARDS = PruneGuards(max_forget_percent=100, max_free_percent=100)


class CheapKeyring(Keyring):
    """A keyring without scrypt, so that thousands of catalogs can be made."""

    def stretch(self, salt: bytes, cost: Cost = DEFAULT_COST) -> bytes:
        return blake3(self.crypto_key.raw + salt).digest()


KEYRING = CheapKeyring(CryptoKey(b"0123456789abcdef0123456789abcdef"))


class Crash(BaseException):
    """Stands for the end of the process."""


class Fuse:
    """Burns down by one at every write, in all processes; at the end the process dies, before or after that write."""

    def __init__(self, steps: int) -> None:
        self._left = multiprocessing.get_context("fork").Value("q", steps)

    def burn(self) -> None:
        with self._left:
            self._left.value -= 1
            if self._left.value < 0:
                raise Crash

    @property
    def blown(self) -> bool:
        return self._left.value < 0


class Mortal:
    """A target that dies with its fuse: each write can be the last thing that happened, or just not happen."""

    def __init__(self, inner: Target, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in {"put", "delete"}:
            return method

        def write(*args: Any, **options: Any) -> Any:
            self._fuse.burn()
            answer = method(*args, **options)
            self._fuse.burn()
            return answer

        return write


class MortalConnection:
    """A catalog's connection that dies with its fuse, before or after a transaction is written."""

    def __init__(self, inner: sqlite3.Connection, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def execute(self, statement: str, *args: Any) -> Any:
        if statement != "COMMIT":
            return self._inner.execute(statement, *args)
        self._fuse.burn()
        answer = self._inner.execute(statement)
        self._fuse.burn()
        return answer


@dataclass
class Site:
    """One machine's job over `data`: catalog and work folder below `root`, the bucket wherever it is said to be."""

    root: str
    bucket: str = ""
    retention: Retention | None = None
    guards: Guards = NO_GUARDS
    keyring: Keyring = field(default_factory=lambda: KEYRING, repr=False)
    fuse: Fuse | None = None
    target: Target | None = None
    workers: int = 1
    machine: int = 0
    """Each machine has a catalog of its own."""
    job_changes: dict[str, Any] = field(default_factory=dict)
    policy: StoringPolicy = field(default_factory=StoringPolicy)

    def __post_init__(self) -> None:
        self.bucket = self.bucket or f"{self.root}/bucket"
        os.makedirs(self.data, exist_ok=True)

    @property
    def data(self) -> str:
        return f"{self.root}/data"

    @property
    def catalog_path(self) -> str:
        return f"{self.root}/state{self.machine}/catalog.db"

    def job(self) -> Job:
        base = os.fsencode(self.data)
        job = Job(
            file="",
            name="work",
            base=base,
            sources=(Source(base, b"", allow_empty=self.guards == NO_GUARDS, guards=self.guards),),
            target=DirectoryTargetSpec(self.bucket),
            encryption=EncryptionSpec(key_env="KEY"),
            catalog=CatalogSpec(self.catalog_path),
            work_directory=f"{self.root}/work",
            symlinks=Symlinks.STORE,
            retention=self.retention,
            guards=self.guards,
            prune_guards=NO_PRUNE_GUARDS if self.guards == NO_GUARDS else PruneGuards(),
        )
        return replace(job, **self.job_changes)

    def session(self) -> Session:
        target = self.target or DirectoryTarget(self.bucket)
        if self.fuse is not None:
            target = Mortal(target, self.fuse)  # type: ignore[assignment]
        session = Session(self.job(), {}, _target=target)
        session.key._identity = Identity.of_keyring(self.keyring)
        if self.fuse is not None:
            os.makedirs(os.path.dirname(self.catalog_path), exist_ok=True)
            cat = session.catalog(create=True)
            assert cat is not None
            cat.conn = MortalConnection(cat.conn, self.fuse)  # type: ignore[assignment]
        return session

    # -- what a person does

    def plan(self, **options: Any) -> Header:
        with closing(self.session()) as session:
            plan = make_plan(session, PlanOptions(**options), Silent())
            plan.close()
            return plan.header

    def actions(self, **options: Any) -> tuple[Header, list[Action]]:
        with closing(self.session()) as session:
            plan = make_plan(session, PlanOptions(**options), Silent())
            found = list(plan.actions())
            plan.close()
            return plan.header, found

    def apply(self, *, apply_options: ApplyOptions | None = None, **options: Any) -> tuple[Header, Outcome]:
        with closing(self.session()) as session:
            plan = make_plan(session, PlanOptions(**options), Silent())
            try:
                chosen = apply_options or ApplyOptions(
                    workers=self.workers, overrides=options.get("overrides", frozenset()), policy=self.policy
                )
                return plan.header, apply_plan(session, plan, chosen, Silent(), Interrupt())
            finally:
                plan.close()

    def prune(self) -> tuple[Header, Outcome]:
        return self.apply(pruning="only")

    def restore(self, to: str, *, at: int | None = None) -> RestoreOutcome:
        with closing(self.session()) as session:
            options = RestoreOptions(to=os.fsencode(to), at=None if at is None else str(at), workers=1)
            return restore(session, options, Silent())

    def verify(self, **options: Any) -> VerifyOutcome:
        with closing(self.session()) as session:
            return verify(session, VerifyOptions(**options), Silent())

    def pull(self, **options: Any) -> Recovered:
        with closing(self.session()) as session:
            return recovery.pull(session, Silent(), **options)

    def rebuild(self, **options: Any) -> Recovered:
        with closing(self.session()) as session:
            return recovery.rebuild(session, Silent(), **options)

    # -- what tests look at

    def catalog(self) -> Catalog:
        return Catalog(self.catalog_path, create=False)

    def names(self, kind: str = "data") -> list[str]:
        """Objects of one kind in the bucket, all lineages."""
        return [item.name for item in DirectoryTarget(self.bucket).list() if f"/{kind}/" in item.name]

    def lose_catalog(self) -> None:
        """The disk died: catalog and the note of seen serials are gone."""
        for suffix in ("", "-wal", "-shm", ".seen", ".lock"):
            if os.path.exists(self.catalog_path + suffix):
                os.unlink(self.catalog_path + suffix)

    def snapshots(self) -> dict[int, str]:
        """Status by id."""
        cat = self.catalog()
        try:
            return dict(cat.conn.execute("SELECT id, status FROM snapshot ORDER BY id").fetchall())
        finally:
            cat.close()

    def write(self, name: str, data: bytes) -> None:
        path = f"{self.data}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def bucket_state(folder: str) -> dict[str, bytes]:
    """Every file below a folder, byte for byte."""
    return {path: _read(path) for path in _files(folder)}


def _files(folder: str) -> Iterator[str]:
    for base, _, names in os.walk(folder):
        for name in sorted(names):
            yield os.path.join(base, name)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
