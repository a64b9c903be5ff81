"""Backs up a real folder into a real bucket and catalog, the short way: for tests of restore and verify alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from backup_runner.catalog import Catalog
from backup_runner.catalog.database import Store
from backup_runner.catalog.history import find_content
from backup_runner.catalog.recording import Meta, NewVersion, Recorder
from backup_runner.catalog.storing import add_object, put_content
from backup_runner.container import Identity, IndexEntry, ObjectId, ObjectKind, open_object, seal_object
from backup_runner.container.keys import Cost, CryptoKey, Keyring
from backup_runner.container.lengths import pack_lengths
from backup_runner.progress import RestoreOutcome, Silent
from backup_runner.records import Digests, Entry, Extent, Flag, Kind, NewObject
from backup_runner.repository.session import Session
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.source.tree import Tree
from backup_runner.source.walk import (
    ScanOptions,
    ScanSource,
    ScanTotals,
    read_xattrs,
    scan,
)
from backup_runner.source.xattrs import encode_xattrs
from backup_runner.spec import CatalogSpec, EncryptionSpec, Job, Source, Symlinks
from backup_runner.targets.base import Target
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from backup_runner.targets.directory.target import DirectoryTarget
from tests.support.users import USER, as_user, give_away

KEYRING = Keyring(CryptoKey(b"0123456789abcdef0123456789abcdef"))
OTHER_KEYRING = Keyring(CryptoKey(b"fedcba9876543210fedcba9876543210"))
SALT = b"salt" * 8
CHEAP = Cost(log2_n=1)


@dataclass
class World:
    """A job over `base`, its bucket and its catalog, all below one folder."""

    root: str
    segment_size: int = 4096
    pack_size: int = 1 << 20
    object_size: int = 1 << 30
    tier: str = "Standard"
    serial: int = 0
    target: Target = field(init=False)
    catalog: Catalog = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        os.makedirs(self.base, exist_ok=True)
        self.target = DirectoryTarget(f"{self.root}/bucket")
        self.catalog = Catalog(f"{self.root}/catalog.db", create=True)
        key_id = KEYRING.crypto_key.key_id
        self.store = self.catalog.add_store(
            target=self.target.identity, key_id=key_id, lineage=os.urandom(16).hex(), salt=SALT
        )
        self.job_id = self.catalog.add_job(self.store.id, "work")

    @property
    def base(self) -> bytes:
        return os.fsencode(self.root) + b"/base"

    def write(self, key: bytes, data: bytes = b"text", *, mtime_ns: int = 1_600_000_000_123_456_789) -> bytes:
        """A file below the base; returns its path."""
        path = self.base + b"/" + key
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        return path

    @property
    def out(self) -> bytes:
        return os.fsencode(self.root) + b"/out"

    def restore(self, *paths: bytes, **options: object) -> RestoreOutcome:
        """Restore to `out`, or where the options say."""
        options.setdefault("to", self.out)
        return restore(self.session(), RestoreOptions(paths=paths, **options), Silent())  # type: ignore[arg-type]

    def restore_by_user(
        self, *paths: bytes, groups: Sequence[int] = (), listen: Callable[[str, bytes, int], None] | None = None,
        **options: object,
    ) -> RestoreOutcome:  # fmt: skip
        """A restore by an ordinary user, whose the bucket and the catalog are from now on. Root only."""
        for one in ("bucket", "catalog.db", "catalog.db-wal", "catalog.db-shm"):
            if os.path.exists(f"{self.root}/{one}"):
                give_away(f"{self.root}/{one}")
        os.chown(self.root, USER, USER)

        def act() -> tuple[RestoreOutcome, list[tuple[str, bytes, int]]]:
            told: list[tuple[str, bytes, int]] = []
            self.catalog = Catalog(f"{self.root}/catalog.db", create=False)
            outcome = self.restore(*paths, listen=lambda *what: told.append(what), **options)
            return outcome, told

        outcome, told = as_user(act, groups=groups)
        for what in told if listen else ():
            listen(*what)
        return outcome

    def session(self, *, keyring: Keyring = KEYRING) -> Session:
        job = Job(
            file="job.yaml",
            name="work",
            base=self.base,
            sources=(Source(self.base, b""),),
            target=DirectoryTargetSpec(f"{self.root}/bucket"),
            encryption=EncryptionSpec(key_env="KEY"),
            catalog=CatalogSpec(self.catalog.path),
            work_directory=f"{self.root}/work",
        )
        session = Session(job, {}, _target=self.target, _catalog=self.catalog)
        session.key._identity = Identity.of_keyring(keyring)
        return session

    def back_up(self, *, status: str = "complete", scanned_ns: int = 1_000, flags: int = 0) -> int:
        """A snapshot of what is below `base` now."""
        with self.catalog.transaction():
            snapshot = self.catalog.open_snapshot(
                self.job_id, scanned_ns=scanned_ns, started_ns=scanned_ns, plan_id=os.urandom(4).hex(), scope="[]"
            )
            _BackUp(self, Recorder(self.catalog, self.store.id, self.job_id, snapshot), flags).run()
            self.catalog.finish_snapshot(snapshot, status=status, finished_ns=scanned_ns + 1, totals="{}")
        return snapshot

    def forget(self, *keys: bytes) -> None:
        """Take versions of these paths out of the catalog, as if they had never been scanned."""
        with self.catalog.transaction():
            for key in keys:
                (path,) = self.catalog.conn.execute("SELECT id FROM path WHERE key = ?", (key,)).fetchone()
                self.catalog.conn.execute("DELETE FROM version WHERE path_id = ?", (path,))

    def object_names(self) -> list[str]:
        return [one.name for one in self.target.list(f"{self.store.lineage}/data/")]

    def object_path(self, name: str) -> str:
        return f"{self.root}/bucket/{name}"


class _BackUp:
    def __init__(self, world: World, recorder: Recorder, flags: int) -> None:
        self.world, self.recorder, self.flags = world, recorder, flags
        self.pack: list[tuple[Digests, bytes]] = []
        self.waiting: list[tuple[Entry, Digests, bytes | None, int]] = []
        self.leaders: dict[tuple[int, int], bytes] = {}

    def run(self) -> None:
        old = {row[0] for row in self.world.catalog.conn.execute(
            "SELECT p.key FROM path p JOIN version v ON v.path_id = p.id AND v.until IS NULL"
        )}  # fmt: skip
        source = ScanSource(self.world.base, b"")
        for batch in scan([source], ScanOptions(Symlinks.STORE), totals=ScanTotals(), on_problem=lambda problem: None):
            for entry in batch:
                old.discard(entry.key)
                self.take(entry)
        self.flush()
        for key in old:
            self.recorder.remove(key)

    def take(self, entry: Entry) -> None:
        path = self.world.base + b"/" + entry.key
        if entry.kind == Kind.SYMLINK:
            link = Tree([(b"", self.world.base)]).link(entry.key)
            self.recorder.put_versions([NewVersion(entry.key, _meta(entry, link=link), None)])
            return
        xattrs = encode_xattrs(read_xattrs(path)) if len(path) < 4000 else None
        if entry.kind == Kind.DIRECTORY:
            self.recorder.put_versions([NewVersion(entry.key, _meta(entry, xattrs=xattrs), None)])
            return
        data = read_entry(self.world.base, entry.key)
        digests = Digests(len(data), blake3(data).digest(), hashlib.md5(data).digest())
        if find_content(self.world.catalog, self.world.store.id, digests) is not None:
            pass
        elif len(data) > self.world.pack_size:
            self.large(digests, data)
        elif digests not in [known for known, _ in self.pack]:
            self.pack.append((digests, data))
        sparse = Flag.SPARSE if entry.blocks * 512 < entry.size else 0
        self.waiting.append((entry, digests, xattrs, sparse))
        if sum(len(data) for _, data in self.pack) >= self.world.pack_size:
            self.flush()

    def large(self, digests: Digests, data: bytes) -> None:
        size = self.world.object_size
        group = os.urandom(16)
        extents = []
        for at in range(0, len(data), size):
            part = data[at : at + size]
            entry = IndexEntry(digests.size, digests.md5, digests.blake3, 0, len(part), at, group)
            extents.append(Extent(self.put(part, [entry]), 0, len(part)))
        put_content(self.recorder.cat, self.recorder.store_id, digests, extents)

    def flush(self) -> None:
        entries, offset = [], 0
        for digests, data in self.pack:
            entries.append(IndexEntry(digests.size, digests.md5, digests.blake3, offset, len(data)))
            offset += len(data)
        if entries:
            object_id = self.put(b"".join(data for _, data in self.pack), entries)
            for (digests, data), entry in zip(self.pack, entries, strict=True):
                put_content(
                    self.recorder.cat, self.recorder.store_id, digests, [Extent(object_id, entry.offset, len(data))]
                )
        for entry, digests, xattrs, sparse in self.waiting:
            leader = None
            if entry.links > 1:
                leader = self.leaders.setdefault((entry.dev, entry.ino), entry.key)
            content_id = self.world.catalog.conn.execute(
                "SELECT id FROM content WHERE blake3 = ? AND size = ?", (digests.blake3, digests.size)
            ).fetchone()[0]
            meta = _meta(entry, xattrs=xattrs, flags=sparse | self.flags)
            self.recorder.put_versions([NewVersion(entry.key, meta, content_id, leader)])
        self.pack, self.waiting = [], []

    def put(self, payload: bytes, entries: list[IndexEntry]) -> int:
        world = self.world
        object_id = ObjectId.new(bytes.fromhex(world.store.lineage), ObjectKind.DATA, os.urandom)
        sealed = seal_object(
            object_id, KEYRING, SALT, payload, entries=entries, segment_size=world.segment_size, cost=CHEAP
        )
        opened = open_object(sealed, len(sealed), object_id, KEYRING)
        stored = world.target.put(object_id.name, sealed, md5=hashlib.md5(sealed).digest())
        new = NewObject(
            name=object_id.name,
            size=len(sealed),
            plain=len(payload),
            checksum=stored.checksum,
            etag=stored.etag,
            parts=None,
            header=sealed[: opened.keys.header_length],
            segments=pack_lengths(list(opened.lengths)),
            tier=world.tier,
            created_ns=0,
        )
        return add_object(self.recorder.cat, self.recorder.store_id, new)


def _meta(entry: Entry, *, link: bytes | None = None, xattrs: bytes | None = None, flags: int = 0) -> Meta:
    return Meta(
        kind=entry.kind, size=entry.size, mtime_ns=entry.mtime_ns, ctime_ns=entry.ctime_ns, mode=entry.mode,
        uid=entry.uid, gid=entry.gid, flags=flags, link=link, xattrs=xattrs,
    )  # fmt: skip


def read_entry(base: bytes, key: bytes) -> bytes:
    with open(Tree([(b"", base)]).open(key)[0], "rb") as file:
        return file.read()


def tree(base: bytes) -> dict[bytes, tuple[object, ...]]:
    """All that a restore must bring back, by key; hard links are told by the first key with that inode."""
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[int, bytes] = {}
    for batch in scan([ScanSource(base, b"")], ScanOptions(Symlinks.STORE), totals=ScanTotals(), on_problem=_raise):
        for entry in batch:
            common = (entry.kind, entry.mtime_ns, entry.uid, entry.gid)
            if entry.kind == Kind.SYMLINK:
                found[entry.key] = (*common, Tree([(b"", base)]).link(entry.key))
            elif entry.kind == Kind.DIRECTORY:
                found[entry.key] = (*common, entry.mode)
            else:
                path = base + b"/" + entry.key
                extra = read_xattrs(path) if len(path) < 4000 else {}
                data = read_entry(base, entry.key)
                found[entry.key] = (*common, entry.mode, data, first.setdefault(entry.ino, entry.key), extra)
    return found


def _raise(problem: object) -> None:
    raise AssertionError(problem)
