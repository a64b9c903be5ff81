"""A host with nothing but a public key: it backs up, forgets, is killed and goes on, and can decrypt nothing."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backup_runner import api
from backup_runner.container import Identity, open_object, parse_name
from backup_runner.container.suite2.recipients import Public
from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.errors import (
    AccessDenied,
    CatalogError,
    ContainerError,
    KeyFileError,
    ObjectExists,
    UsageError,
    WrongKeyError,
)
from backup_runner.foreign import WorkerFaultError
from backup_runner.records import ActionKind
from backup_runner.repository.session import Session
from backup_runner.spec import EncryptionSpec, Job, Retention
from backup_runner.spec.job import RecipientSpec
from backup_runner.targets.base import Put
from backup_runner.targets.directory.target import DirectoryTarget
from tests.history.site import Crash, Fuse, Mortal, Site
from tests.recovery.test_recipients import As, by
from tests.recovery.test_strangers import restored, there

OPS = Secret(SecretKind.PAIR, b"o" * 32)
TEXT = Public.of(Identity(OPS), bytes(32)).text


class CreateOnly:
    """The write-only policy of docs/oci-setup.md: objects can be created and listed, nothing else."""

    def __init__(self, inner: DirectoryTarget) -> None:
        self._inner = inner
        self.refused: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in {"get", "get_tail", "delete", "put_part", "commit_upload", "rename"}:

            def refused(*args: Any, **options: Any) -> Any:
                self.refused.append(f"{name} {args[0]}")
                raise AccessDenied(f"not allowed: {name}")

            return refused
        if name == "put":

            def put(key: str, data: Any, **options: Any) -> Any:
                if options.get("condition", Put.CREATE) is not Put.CREATE:
                    self.refused.append(f"overwrite {key}")
                    raise AccessDenied("not allowed: overwrite")
                return self._inner.put(key, data, **options)

            return put
        return getattr(self._inner, name)


class Host(Site):
    """A job whose file names public keys and no secret."""

    def job(self) -> Job:
        return replace(super().job(), encryption=EncryptionSpec(recipients=(RecipientSpec(text=TEXT),)))

    def session(self) -> Session:
        session = super().session()
        session.key._identity = None
        inner = CreateOnly(DirectoryTarget(self.bucket))
        session._target = Mortal(inner, self.fuse) if self.fuse else inner  # type: ignore[assignment, arg-type]
        return session


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path / "host"), retention=Retention(keep_last=3))


def owner(host: Host) -> As:
    """Whoever holds the key pair, on another machine: not even the job's data is there."""
    return by(host, OPS, machine=7)


def change(host: Host, number: int) -> None:
    host.write("same", b"always the same")
    host.write(f"f{number}", secrets.token_bytes(3000))
    host.write("changes", secrets.token_bytes(20_000))
    if number > 3:
        os.unlink(f"{host.data}/f{number - 3}")


def test_ten_snapshots_forgotten_killed_pruned_elsewhere_and_restored_exactly(host: Host, tmp_path: Path) -> None:
    kept: dict[int, dict[str, bytes]] = {}
    for number in range(1, 11):
        change(host, number)
        if number in (4, 7, 9):
            # Killed somewhere on the way; the next run goes on.
            host.fuse = Fuse(steps=number)
            with pytest.raises(Crash):
                host.apply(pruning="retention")
            host.fuse = None
        _, outcome = host.apply(pruning="retention")
        assert outcome.status == "complete", outcome.problems
        assert not outcome.problems
        assert outcome.snapshot_id is not None
        kept[outcome.snapshot_id] = there(host)
    assert sum(status == "complete" for status in host.snapshots().values()) == 3
    # Nothing was deleted by the host: its objects are marked, and lie there.
    before = host.names()
    ops = owner(host)
    ops.pull()
    _, outcome = ops.apply(pruning="only", overrides=frozenset({"max_free_percent"}))
    assert outcome.counts["delete"] > 0
    after = ops.names()
    assert len(after) == len(before) - outcome.counts["delete"]
    # No record of the owner's came between the host's.
    for number in (11, 12):
        change(host, number)
        _, outcome = host.apply(pruning="retention")
        assert outcome.status == "complete"
        assert not outcome.problems
        assert outcome.snapshot_id is not None
        kept[outcome.snapshot_id] = there(host)
    ops.pull()
    left = [number for number, status in ops.snapshots().items() if status == "complete"]
    assert len(left) == 3
    for number in left:
        back = str(tmp_path / f"back{number}")
        assert not ops.restore(back, at=number).problems
        got = {str(p.relative_to(back)): p.read_bytes() for p in Path(back).rglob("*") if p.is_file()}
        assert got == kept[number]
    checked = ops.verify(level="data")
    assert not checked.damaged, checked


def test_killed_at_any_step_it_goes_on(host: Host, tmp_path: Path) -> None:
    """Also between a record and the note that it is there, which the host cannot read back."""
    change(host, 1)
    host.apply()
    ops = owner(host)
    steps, survived = 0, False
    while not survived:
        change(host, 2 + steps)
        host.fuse = Fuse(steps)
        try:
            host.apply()
            survived = True
        except (Crash, WorkerFaultError):
            # In a worker process it ends that one, and so the run.
            assert host.fuse.blown
        host.fuse = None
        _, outcome = host.apply()
        assert outcome.status == "complete", (steps, outcome.problems)
        assert not outcome.problems, steps
        steps += 1
    assert steps > 10
    ops.pull()
    assert restored(ops) == there(host)


def test_nothing_in_the_bucket_opens_with_all_that_the_host_has(host: Host) -> None:
    for number in range(1, 4):
        change(host, number)
        host.apply()
    seeds = set(_secrets_of(host))
    assert len(seeds) > 500
    names = [item.name for item in DirectoryTarget(host.bucket).list()]
    kinds = {name.split("/")[1] for name in names}
    assert kinds >= {"data", "records", "keys"}
    tried = [Identity(Secret(kind, seed)) for seed in seeds for kind in (SecretKind.PAIR, SecretKind.TEXT)]
    with closing(host.session()) as session:
        tried.append(session.identity)
    for name in names:
        data = (Path(host.bucket) / name).read_bytes()
        object_id = parse_name(name)
        assert object_id is not None
        open_object(data, len(data), object_id, Identity(OPS))
        for identity in tried if name.split("/")[1] == "keys" else tried[-1:]:
            with pytest.raises(ContainerError):
                open_object(data, len(data), object_id, identity)


def _secrets_of(host: Host) -> list[bytes]:
    """Each 32 bytes that might be a key: in every file of the host's own, raw and as text."""
    found = []
    for path in Path(host.root).rglob("*"):
        inside = str(path).startswith((host.bucket, host.data))
        if inside or not path.is_file():
            continue
        data = path.read_bytes()
        found += [data[at : at + 32] for at in range(0, len(data) - 31, 32 if len(data) > 4096 else 1)]
        if path.name.endswith(".host-key"):
            from backup_runner.container.suite2.seeds import read_host

            found.append(read_host(data).value)
    return found


def test_what_needs_a_secret_says_whose(host: Host, tmp_path: Path) -> None:
    change(host, 1)
    host.apply()
    job = host.job()
    calls = {
        "a restore": lambda: api.restore(job, to=tmp_path / "back"),
        "verify beyond the listing": lambda: api.verify(job, api.VerifyOptions(level="data")),  # type: ignore[arg-type]
        "`catalog pull`": lambda: api.pull(job),
        "`catalog rebuild`": lambda: api.rebuild(job),
        "a change of keys": lambda: api.rotate_keys(job),
    }
    for what, call in calls.items():
        with pytest.raises(WrongKeyError) as caught:
            call()
        assert caught.value.message.startswith(what)
        assert "recipient " in (caught.value.hint or "")
    assert not (tmp_path / "back").exists()


def test_the_owner_does_not_write_between_the_hosts_records(host: Host) -> None:
    change(host, 1)
    host.apply()
    ops = owner(host)
    ops.pull()
    with pytest.raises(CatalogError, match="written by another host"):
        ops.apply()


def test_with_create_only_nothing_that_is_there_is_read_or_changed(host: Host) -> None:
    change(host, 1)
    host.apply()
    before = {p: p.read_bytes() for p in Path(host.bucket).rglob("*") if p.is_file()}
    change(host, 2)
    host.apply()
    assert {p: p.read_bytes() for p in before} == before
    target = CreateOnly(DirectoryTarget(host.bucket))
    name = host.names()[0]
    for act in (
        lambda: target.get(name, 0, 10),
        lambda: target.delete(name),
        lambda: target.put(name, b"x", md5=b"", condition=Put.REPLACE, etag="x"),
    ):
        with pytest.raises(AccessDenied):
            act()
    with pytest.raises(ObjectExists):
        import hashlib

        target.put(name, b"x", md5=hashlib.md5(b"x").digest())


def test_a_taken_host_cannot_change_who_decrypts(host: Host) -> None:
    """It is no owner: whoever founded the lineage left no key behind."""
    change(host, 1)
    host.apply()
    with closing(host.session()) as session:
        store = session.need_store()[1]
        found = session.know(store.lineage)
        assert found is not None
        key = session.identity.signing_key(store.salt).public
        assert key not in found.newest.owners
        assert Public.of(Identity(OPS), store.salt).signing in found.newest.owners
    ops = owner(host)
    ops.pull()
    from tests.recovery.test_recipients import change as change_keys

    change_keys(ops, rotate=True)
    change(host, 2)
    _, outcome = host.apply()
    assert outcome.status == "complete"
    ops.pull()
    assert restored(ops) == there(host)


def test_a_host_that_lost_its_catalog_begins_beside_what_is_there(host: Host) -> None:
    change(host, 1)
    host.apply()
    shutil.rmtree(os.path.dirname(host.catalog_path))
    with pytest.raises(CatalogError, match="cannot decrypt whose they are"):
        host.apply()


def test_a_host_needs_a_public_key_that_can_be_an_owner(host: Host) -> None:
    class Nobody(Host):
        def job(self) -> Job:
            return replace(super().job(), encryption=EncryptionSpec())

    with pytest.raises(KeyFileError):
        Nobody(host.root).apply()


def test_packs_that_it_cannot_read_stay_and_the_plan_says_so(host: Host) -> None:
    """Repacking and `forget --path` read what is stored; both work with a key, on the same folder."""
    for number in range(8):
        host.write(f"many{number}", secrets.token_bytes(3000))
    host.apply(pruning="retention")
    for number in range(7):
        os.unlink(f"{host.data}/many{number}")
    for _ in range(3):
        host.write("changes", secrets.token_bytes(500))
        host.apply(pruning="retention")
    header, actions = host.actions(pruning="only")
    assert ActionKind.REPACK not in {one.kind for one in actions}
    (said,) = [note for note in header.notes if "mostly unused pack" in note]
    assert said.startswith("1 mostly unused pack(s) stay, with 21000 bytes")
    assert "this host only encrypts" in said
    before = set(host.names())
    _, outcome = host.prune()
    assert outcome.status == "complete"
    assert not outcome.problems
    assert set(host.names()) == before
    with pytest.raises(UsageError, match="only encrypts, so it cannot rewrite"):
        host.plan(pruning="only", erase=(b"many1",))
    # Nor does whoever can read them write records in between.
    ops = owner(host)
    ops.pull()
    header, actions = ops.actions(pruning="only")
    assert {one.kind for one in actions} <= {ActionKind.DELETE}
    with pytest.raises(UsageError, match="only the host writes their records"):
        ops.plan(pruning="only", erase=(b"many1",))
    with_key = Site(f"{host.root}/with-key", retention=Retention(keep_last=3))
    for number in range(8):
        with_key.write(f"many{number}", secrets.token_bytes(3000))
    with_key.apply(pruning="retention")
    for number in range(7):
        os.unlink(f"{with_key.data}/many{number}")
    kinds = set()
    for _ in range(3):
        with_key.write("changes", secrets.token_bytes(500))
        kinds |= {one.kind for one in with_key.actions(pruning="retention")[1]}
        with_key.apply(pruning="retention")
    assert ActionKind.REPACK in kinds
