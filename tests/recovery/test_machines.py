"""Machines that share a secret sign with keys of their own, so that one can be removed and the others go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backup_runner.container import Identity, open_object, parse_name
from backup_runner.container.suite2.roster import EnrolledWriter, Mark
from backup_runner.errors import AccessDenied, KeyFileError, NotEntitledError, RemovedWriterError
from backup_runner.recovery import choose as recovery
from backup_runner.repository import commits as committing
from backup_runner.repository import lineage as lineages
from backup_runner.repository import machines
from backup_runner.repository.hostkey import find_host, host_path, make_host, signing_key
from backup_runner.repository.recipients import ChangeParts, KeyChange, change_keys, writers_of
from backup_runner.spec import CatalogSpec, Retention
from backup_runner.targets.directory.target import DirectoryTarget
from tests.history.site import KEYRING, Crash, Fuse, Site
from tests.recovery.test_recipients import PAIR, by, change, lives
from tests.recovery.test_strangers import restored, there
from tests.recovery.test_writers import roster


def machine(site: Site) -> bytes:
    """Its public signing key."""
    found = find_host(site.catalog_path)
    assert found is not None
    return signing_key(found).public


def enrolled(site: Site) -> dict[bytes, EnrolledWriter]:
    return {one.key: one for one in roster(site).writers}


def signers(site: Site, names: list[str]) -> set[bytes]:
    """Who signed these objects."""
    found = set()
    for name in names:
        data, object_id = (Path(site.bucket) / name).read_bytes(), parse_name(name)
        assert object_id is not None
        opened = open_object(data, len(data), object_id, Identity.of_keyring(KEYRING))
        assert opened.index is not None
        assert opened.index.signer is not None
        found.add(opened.index.signer.public)
    return found


def remove(site: Site, key: bytes, after: int) -> None:
    """`key remove JOB FINGERPRINT --after SERIAL`."""
    with closing(site.session()) as session:
        gone = KeyChange(voids=((key, Mark(after, bytes(32))),))
        assert change_keys(session, lambda _: gone, lambda _: True) is not None


def second(site: Site) -> Site:
    return Site(site.root, site.bucket, machine=2)


def test_a_first_apply_signs_with_the_machines_own_key(site: Site) -> None:
    lives(site, "first")
    assert os.stat(host_path(site.catalog_path)).st_mode & 0o777 == 0o600
    (one,) = roster(site).writers
    assert (one.key, one.since, one.void) == (machine(site), 0, None)
    owner = Identity.of_keyring(KEYRING).signing_key(newest_salt(site)).public
    assert one.of == owner
    assert signers(site, site.names("data") + site.names("records")) == {machine(site)}
    assert signers(site, site.names("keys")) == {owner}
    # It was in the first envelope: nothing else was put.
    assert len(site.names("keys")) == 1


def newest_salt(site: Site) -> bytes:
    with closing(site.session()) as session:
        return session.need_store()[1].salt


@pytest.mark.parametrize("how", ["pull", "apply"])
def test_a_second_machine_enrols_itself_when_an_owner_first_comes(
    site: Site, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(site, "first")
    other = second(site)
    if how == "apply":
        with monkeypatch.context() as patched:
            patched.setattr(recovery, "enrol_after_pull", lambda *_: None)
            other.pull()
        assert find_host(other.catalog_path) is None
    else:
        other.pull()
        assert set(enrolled(site)) == {machine(site), machine(other)}
    before = set(site.names("data"))
    lives(other, "second")
    assert signers(site, [name for name in site.names("data") if name not in before]) == {machine(other)}
    assert set(enrolled(site)) == {machine(site), machine(other)}
    # Once is enough.
    keys = site.names("keys")
    other.pull()
    site.pull()
    lives(site, "third")
    other.pull()
    lives(other, "fourth")
    assert site.names("keys") == keys
    site.pull()
    assert restored(site) == there(site)


def test_removing_one_machine_leaves_the_others(site: Site) -> None:
    lives(site, "first")
    other, third = second(site), Site(site.root, site.bucket, machine=3)
    other.pull()
    lives(other, "good")
    third.pull()
    good = there(site)
    lives(other, "bad")
    site.pull()
    remove(site, machine(other), after=2)
    assert site.pull().serial == 2
    assert restored(site) == good
    with closing(other.session()) as session, pytest.raises(NotEntitledError, match=r"this machine .* was removed"):
        session.keys(session.need_store()[1])
    # Both others go on, with the keys that they have.
    lives(site, "mine")
    third.pull()
    lives(third, "third")
    assert {machine(site), machine(third)} < set(enrolled(site))
    site.pull()
    assert restored(site) == there(site)
    # The machine is in good hands again: a new key, and the old one stays void.
    gone = machine(other)
    os.unlink(host_path(other.catalog_path))
    other.pull()
    lives(other, "again")
    assert machine(other) != gone
    void = enrolled(site)[gone].void
    assert void is not None
    assert void.serial == 2
    site.pull()
    assert restored(site) == there(site)


def test_a_lineage_from_before_machines_had_keys_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the first machine or another one comes first."""

    def older(identity: Identity, salt: bytes, *others: Any, machine: object = None, **more: Any) -> Any:
        return lineages.founded(identity, salt, *others, **more)

    with monkeypatch.context() as patched:
        patched.setattr("backup_runner.repository.session.founded", older)
        patched.setattr(machines, "enrol_machine", lambda *_: None)
        lives(site, "first")
        lives(site, "second")
    os.unlink(host_path(site.catalog_path))
    assert roster(site).writers == []
    other = second(site)
    other.pull()
    lives(other, "third")
    site.pull()
    lives(site, "fourth")
    assert set(enrolled(site)) == {machine(site), machine(other)}
    other.pull()
    assert restored(other) == there(site)


def test_killed_while_it_enrols_a_machine_goes_on(site: Site) -> None:
    lives(site, "first")
    steps, done = 0, False
    while not done:
        other = Site(site.root, site.bucket, machine=2 + steps)
        other.fuse = Fuse(steps)
        try:
            other.pull()
            done = True
        except Crash:
            pass
        other.fuse = None
        other.pull()
        lives(other, f"after{steps}")
        assert machine(other) in enrolled(other)
        steps += 1
    assert steps > 3
    site.pull()
    assert restored(site) == there(site)
    assert len({one.name for one in roster(site).writers}) == len(roster(site).writers)


def test_two_machines_that_enrol_at_the_same_time_are_both_in_the_list(site: Site) -> None:
    lives(site, "first")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(recovery, "enrol_after_pull", lambda *_: None)
        others = [Site(site.root, site.bucket, machine=number) for number in (2, 3)]
        for one in others:
            one.pull()
    with closing(others[0].session()) as first, closing(others[1].session()) as last:
        for session in (first, last):
            session.keys(session.need_store()[1])
        for session in (first, last):
            machines.enrol_machine(session, session.need_store()[1], [])
    assert {machine(one) for one in (site, *others)} == set(enrolled(site))
    for number, one in enumerate(others):
        one.pull()
        lives(one, f"by{number}")


class ReadOnly:
    """A user who may read the bucket, and no more."""

    def __init__(self, inner: DirectoryTarget) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name in {"put", "delete", "put_part", "commit_upload"}:

            def refused(*args: Any, **options: Any) -> Any:
                raise AccessDenied(f"not allowed: {name}")

            return refused
        return getattr(self._inner, name)


def test_who_may_only_read_pulls_all_the_same(site: Site) -> None:
    lives(site, "first")
    other = second(site)
    other.target = ReadOnly(DirectoryTarget(site.bucket))  # type: ignore[assignment]
    found = other.pull()
    assert found.notes == []
    other.target = None
    assert restored(other) == there(site)
    assert len(enrolled(site)) == 1


def test_containers_that_start_empty_do_not_add_envelopes_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    lives(site, "first")
    enrolling = machines.enrol_machine
    with monkeypatch.context() as patched:
        patched.setattr(machines, "enrol_machine", lambda *found: enrolling(*found, most=2))
        for number in range(2, 5):
            one = Site(site.root, site.bucket, machine=number)
            one.pull()
            lives(one, f"by{number}")
    assert len(enrolled(site)) == 2
    # Nor does the cache of a remote catalog, which may be gone by the next run.
    one = Site(site.root, site.bucket, machine=9)
    one.job_changes = {"catalog": CatalogSpec(one.catalog_path, remote=True)}
    one.pull()
    lives(one, "remote")
    assert find_host(one.catalog_path) is None
    site.pull()
    assert restored(site) == there(site)


def grant(site: Site, key: bytes, name: str = "web") -> None:
    """`key add JOB bkr-writer1… --writer`."""
    with closing(site.session()) as session:
        make: Callable[[ChangeParts], KeyChange] = lambda ground: KeyChange(writers=(ground.enrolled(name, key),))  # noqa: E731
        assert change_keys(session, make, lambda _: True) is not None


def test_a_bare_signing_key_lets_a_reader_write_from_one_machine(site: Site) -> None:
    lives(site, "first")
    change(site, add=(("pair", PAIR),))
    reader, elsewhere = by(site, PAIR, 3), by(site, PAIR, 4)
    reader.pull()
    with closing(reader.session()) as session, pytest.raises(NotEntitledError, match="no owner enrolled it"):
        session.keys(session.need_store()[1])
    key = signing_key(make_host(reader.catalog_path)).public
    grant(site, key)
    before = set(site.names("data"))
    reader.pull()
    lives(reader, "theirs")
    assert signers(site, [name for name in site.names("data") if name not in before]) == {key}
    # It is the machine's right, not that of whoever reads.
    elsewhere.pull()
    with closing(elsewhere.session()) as session, pytest.raises(NotEntitledError):
        session.keys(session.need_store()[1])
    with pytest.raises(NotEntitledError, match="only an owner"):
        change(reader, rotate=True)
    # It survives a new epoch, and is granted once.
    change(site, rotate=True)
    reader.pull()
    lives(reader, "later")
    with pytest.raises(KeyFileError, match="is a writer already"):
        grant(site, key)
    site.pull()
    assert restored(site) == there(site)
    remove(site, key, after=3)
    with pytest.raises(KeyFileError, match="its key stays void"):
        grant(site, key)


def test_an_owner_who_was_removed_writes_nothing_more(site: Site) -> None:
    """Neither with a key of a machine nor as the owner of older envelopes; who is added again needs a new key."""
    lives(site, "first")
    change(site, add=(("theirs", PAIR),), owner=True)
    theirs = by(site, PAIR, 3)
    theirs.pull()
    lives(theirs, "good")
    site.pull()
    person = next(one for one in roster(site).recipients if one.name == "theirs")
    assert {one.key for one in writers_of(roster(site), person)} == {machine(theirs), person.owner}
    with closing(theirs.session()) as session:
        old = session.know(session.need_store()[1].lineage)
        assert old is not None
    change(site, removes=(person.public,))
    for key in (machine(theirs), None):
        forged(theirs, old, key is None)
    lives(site, "after")
    site.lose_catalog()
    site.pull()
    assert restored(site) == there(site)
    with pytest.raises(NotEntitledError):
        lives(theirs, "bad")


def forged(site: Site, old: lineages.KeyChain, as_owner: bool) -> None:
    """A next record under the envelope that was the newest before; the program would not make it."""
    with closing(site.session()) as session:
        _, store, _ = session.need_store()
        identity = session.identity
        sealing = old.sealing(identity, None if as_owner else session.key.machine)
        object_id = parse_name(committing.record_name(store, store.serial + 1))
        assert object_id is not None
        session.target.delete(object_id.name)
        data = sealing.whole(object_id, b"{}")
        Path(site.bucket, object_id.name).write_bytes(data)
    with closing(Site(site.root, site.bucket).session()) as session, pytest.raises(RemovedWriterError):
        session.know(store.lineage)
        open_object(data, len(data), object_id, session.identity)
    os.unlink(Path(site.bucket, object_id.name))


def test_copies_of_a_removed_machine_are_the_last_resort(site: Site) -> None:
    """Its copies may be all that is left of older records: whoever starts empty is told, and the next apply copies."""
    site.retention = Retention(keep_last=10)
    lives(site, "first")
    other = second(site)
    other.pull()
    for number in range(4):
        lives(other, f"more{number}")
        copied(other)
    good = there(site)
    assert min(site.names("records")) > f"{site.names('records')[0].split('/')[0]}/records/0000000000000001"
    lives(other, "bad")
    site.pull()
    remove(site, machine(other), after=5)
    fresh = Site(site.root, site.bucket, machine=4)
    found = fresh.pull()
    assert found.serial == 5
    assert any("that a removed writer made" in note for note in found.notes), found.notes
    assert restored(fresh) == good
    assert site.pull().serial == 5
    before = site.names("copies")
    lives(site, "after")
    assert set(site.names("copies")) - set(before)
    empty = Site(site.root, site.bucket, machine=5)
    found = empty.pull()
    assert not any("that a removed writer made" in note for note in found.notes)
    assert restored(empty) == there(site)


def copied(site: Site) -> None:
    """A full copy, after which older records are deleted."""
    with closing(site.session()) as session:
        cat, store, _ = session.need_store()
        committing.write_copy(cat, store, session.target, session.keys(store))
        committing.trim(cat, cat.store(store.id), session.target, records=True)
