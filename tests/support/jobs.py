"""A job in a folder of its own: plan, apply and restore in this process, real files and a directory bucket."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from backup_runner.applying.run import apply_plan
from backup_runner.catalog import Catalog
from backup_runner.container import Identity, Index, open_header, parse_name, read_index
from backup_runner.container.keys import SALT_LENGTH, CryptoKey, Keyring
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.making import SpooledPlan, make_plan
from backup_runner.policy import PieceSizes, StoringPolicy
from backup_runner.progress import Events, Outcome, RestoreOutcome, Silent
from backup_runner.records import Action, Kind
from backup_runner.report.reasons import why
from backup_runner.repository.session import Session
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.spec import CatalogSpec, EncryptionSpec, Job, Source, Symlinks
from backup_runner.targets.base import Target
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from backup_runner.workers.interrupt import Interrupt


class QuickKeyring(Keyring):
    """One salt for all catalogs, so that scrypt runs once a test process."""

    def new_salt(self) -> bytes:
        return bytes(SALT_LENGTH)


KEYRING = QuickKeyring(CryptoKey(b"0123456789abcdef0123456789abcdef"))
OTHER_KEYRING = QuickKeyring(CryptoKey(b"fedcba9876543210"))
INTERRUPT = Interrupt()
"""Never requested."""


@dataclass
class Home:
    """A folder with sources (`data`), bucket, catalog, work directory; `settings` are fields of the job."""

    root: str
    keyring: Keyring = field(default_factory=lambda: KEYRING)
    settings: dict[str, Any] = field(default_factory=dict)
    target: Target | None = None
    workers: int = 2
    policy: StoringPolicy = field(default_factory=StoringPolicy)

    def __post_init__(self) -> None:
        os.makedirs(self.data, exist_ok=True)

    @property
    def data(self) -> str:
        return f"{self.root}/data"

    @property
    def bucket(self) -> str:
        return f"{self.root}/bucket"

    def path(self, key: str | bytes) -> bytes:
        return os.fsencode(self.data) + b"/" + os.fsencode(key)

    def other(self, **settings: Any) -> Home:
        """Another job in the same folder."""
        return Home(self.root, self.keyring, self.settings | settings, self.target, self.workers, self.policy)

    # -- files

    def write(self, key: str | bytes, data: bytes | str = b"text", *, mtime_ns: int | None = None) -> bytes:
        path = self.path(key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        if mtime_ns is not None:
            os.utime(path, ns=(mtime_ns, mtime_ns))
        return path

    def read(self, key: str | bytes) -> bytes:
        with open(self.path(key), "rb") as file:
            return file.read()

    # -- the four verbs

    def job(self) -> Job:
        base = os.fsencode(self.data)
        fields: dict[str, Any] = {
            "file": f"{self.root}/job.yaml",
            "name": "work",
            "base": base,
            "sources": (Source(base, b""),),
            "symlinks": Symlinks.STORE,
            "target": DirectoryTargetSpec(self.bucket),
            "encryption": EncryptionSpec(key_env="KEY"),
            "catalog": CatalogSpec(f"{self.root}/catalog.db"),
            "work_directory": f"{self.root}/work",
        }
        return Job(**(fields | self.settings))

    def session(self) -> Session:
        session = Session(self.job(), {}, _target=self.target)
        session.key._identity = Identity.of_keyring(self.keyring)
        return session

    def plan(self, **options: Any) -> SpooledPlan:
        session = self.session()
        try:
            return make_plan(session, PlanOptions(**options), Silent())
        finally:
            session.close()

    def apply(self, plan: SpooledPlan | None = None, *, interrupt: Interrupt = INTERRUPT, events: Events | None = None,
              new_lineage: bool = False, **options: Any) -> Outcome:  # fmt: skip
        """Carry out a plan, or one that is made now. Guards are overridden: tests change much."""
        session = self.session()
        options.setdefault("overrides", ALL_GUARDS)
        try:
            made = plan or make_plan(session, PlanOptions(**options), Silent())
            how = ApplyOptions(
                workers=self.workers, overrides=options["overrides"], new_lineage=new_lineage, policy=self.policy
            )
            outcome = apply_plan(session, made, how, events or Silent(), interrupt)
            if plan is None:
                made.close()
            return outcome
        finally:
            session.close()

    def restore(self, name: str = "back", *paths: bytes, **options: Any) -> RestoreOutcome:
        """Restore into a folder of that name, which is emptied first."""
        to = f"{self.root}/{name}"
        shutil.rmtree(to, ignore_errors=True)
        session = self.session()
        try:
            return restore(session, RestoreOptions(paths=paths, to=os.fsencode(to), **options), Silent())
        finally:
            session.close()

    # -- looking

    def said(self, **options: Any) -> list[str]:
        """A plan as short lines: kind, path and reason."""
        plan = self.plan(**options)
        try:
            return sorted(show(action) for action in plan.actions())
        finally:
            plan.close()

    def changes(self) -> int:
        plan = self.plan()
        plan.close()
        return plan.header.totals.changes

    def check(self, name: str = "back", **options: Any) -> None:
        """What comes back is what is there now."""
        outcome = self.restore(name, **options)
        assert outcome.problems == []
        assert_same(photograph(self.data), photograph(f"{self.root}/{name}"))

    def catalog(self) -> Catalog:
        return Catalog(self.job().catalog.path, create=False)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        cat = self.catalog()
        try:
            return cat.conn.execute(query, values).fetchall()
        finally:
            cat.close()

    def data_objects(self) -> list[str]:
        return sorted(path for path in files_below(self.bucket) if "/data/" in path)


TINY = StoringPolicy(
    pack_bytes=64 << 10, pack_contents=64, small=4096, batch_bytes=16 << 10, batch_files=10,
    pieces=PieceSizes(1024, 2048, 8192), window=32 << 10, hole=8192, skipped_zeros=1 << 20,
)  # fmt: skip
"""Small files are composed of many pieces in many packs."""
CUT = StoringPolicy(
    pack_bytes=3000, small=1000, pieces=PieceSizes(256, 600, 1500), window=4096, hole=4096, skipped_zeros=1 << 16
)
"""Files of a few kilobytes are composed of a few pieces."""
ALL_GUARDS = frozenset({"min_files", "max_change_percent", "max_delete_percent", "source_empty", "source_missing"})


def show(action: Action) -> str:
    name = action.key.decode("utf-8", "backslashreplace") or action.object_name or str(action.snapshot_id or "/")
    return f"{action.kind.value} {name}: {why(action)}"


def files_below(root: str) -> list[str]:
    """Paths of files relative to `root`."""
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.relpath(f"{folder}/{name}", root) for name in names]
    return sorted(found)


def bucket_digest(root: str) -> str:
    """Of all names and bytes below a folder."""
    digest = hashlib.sha256()
    for name in files_below(root):
        with open(f"{root}/{name}", "rb") as file:
            digest.update(os.fsencode(name) + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def catalog_digest(path: str) -> str:
    """Of all rows of all tables."""
    cat = Catalog(path, create=False)
    digest = hashlib.sha256()
    tables = cat.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        for row in sorted(cat.conn.execute(f"SELECT * FROM [{table}]"), key=repr):
            digest.update(f"{table} {row!r}\n".encode())
    cat.close()
    return digest.hexdigest()


def photograph(root: str | bytes) -> dict[bytes, tuple[object, ...]]:
    """A tree as a restore has to bring it back, read without any code of the program."""
    base = os.fsencode(root)
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[tuple[int, int], bytes] = {}
    for folder, folders, files in os.walk(base):
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            found[os.path.relpath(path, base)] = _look(path, os.path.relpath(path, base), first)
    found[b"."] = _look(base, b".", first)
    return found


def _look(path: bytes, key: bytes, first: dict[tuple[int, int], bytes]) -> tuple[object, ...]:
    status = os.lstat(path)
    common = (stat.S_IFMT(status.st_mode), status.st_mtime_ns, status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return (*common, os.readlink(path))
    extra = tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path)) if name.startswith("user."))
    common = (*common, stat.S_IMODE(status.st_mode), extra)
    if stat.S_ISDIR(status.st_mode):
        return common
    with open(path, "rb") as file:
        strong = hashlib.file_digest(file, "sha256").hexdigest()
    return (*common, status.st_size, strong, first.setdefault((status.st_dev, status.st_ino), key))


def assert_same(there: dict[bytes, tuple[object, ...]], back: dict[bytes, tuple[object, ...]]) -> None:
    assert there.keys() == back.keys()
    differing = {key: (there[key], back[key]) for key in there if there[key] != back[key]}
    assert differing == {}


def stored_contents(bucket: str, keyring: Keyring = KEYRING) -> list[tuple[str, Index]]:
    """Name and index of every data object in a bucket, as the objects themselves say."""
    found = []
    for name in files_below(bucket):
        if "/data/" not in name:
            continue
        object_id = parse_name(name)
        assert object_id is not None
        with open(f"{bucket}/{name}", "rb") as file:
            sealed = file.read()
        index = read_index(open_header(sealed, object_id, keyring).keys, sealed, len(sealed))
        assert isinstance(index, Index)
        found.append((name, index))
    return found


def stored_twice(found: Iterable[tuple[str, Index]]) -> list[tuple[int, str]]:
    """(size, BLAKE3) of whole contents and of pieces that lie in more than one place."""
    seen: set[tuple[int, bytes]] = set()
    twice = []
    for _, index in found:
        for entry in index.entries:
            if entry.blake3 is None or entry.length != entry.size or entry.pieces is not None:
                continue
            identity = (entry.size, entry.blake3)
            if identity in seen:
                twice.append((entry.size, entry.blake3.hex()))
            seen.add(identity)
    return twice


def folder(home: Home, **changes: Any) -> Source:
    """The source of a home's data with other settings."""
    return replace(Source(os.fsencode(home.data), b""), **changes)


KINDS = {"file": Kind.FILE, "directory": Kind.DIRECTORY, "symlink": Kind.SYMLINK}
