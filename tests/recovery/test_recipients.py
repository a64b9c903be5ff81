"""Several recipients of one lineage: each alone opens all of it, until they are removed."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from backup_runner.container import Identity, open_object, parse_name
from backup_runner.container.suite2.recipients import Public
from backup_runner.container.suite2.roster import Recipient
from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.errors import KeyFileError, NotEntitledError, WrongKeyError
from backup_runner.repository import recipients as changing
from backup_runner.repository.recipients import ChangeParts, KeyChange, change_keys
from backup_runner.repository.session import Session
from tests.history.site import Site
from tests.recovery.test_strangers import restored, there


class As(Site):
    """The same job, by somebody with another secret and a catalog of their own."""

    identity: Identity

    def session(self) -> Session:
        session = super().session()
        session.key._identity = Identity(self.identity.secret)
        return session


def by(site: Site, secret: Secret, machine: int) -> As:
    found = As(site.root, site.bucket, machine=machine)
    found.identity = Identity(secret)
    return found


def change(site: Site, *, add: tuple[tuple[str, Secret], ...] = (), owner: bool = False, **more: object) -> None:
    def make(ground: ChangeParts) -> KeyChange:
        salt = ground.found.newest.salt
        new = []
        for name, secret in add:
            public = Public.of(Identity(secret), salt)
            new.append(Recipient(name, secret.kind, public.opening, public.signing if owner else None, 1))
        return KeyChange(adds=tuple(new), **more)  # type: ignore[arg-type]

    with closing(site.session()) as session:
        assert change_keys(session, make, lambda _: True) is not None


def public(site: Site, secret: Secret) -> bytes:
    with closing(site.session()) as session:
        found = session.know(session.need_store()[1].lineage)
        assert found is not None
        return Identity(secret).public(found.newest.salt)


PAIR = Secret(SecretKind.PAIR, b"p" * 32)
TEXT = Secret(SecretKind.TEXT, b"t" * 32)
WORDS = Secret.of_passphrase("correct horse battery staple")


def lives(site: Site, name: str) -> None:
    site.write(name, secrets.token_bytes(300))
    site.apply()


def test_three_recipients_of_three_kinds_each_alone(site: Site) -> None:
    lives(site, "before")
    change(site, add=(("pair", PAIR), ("text", TEXT), ("words", WORDS)))
    lives(site, "after")
    for machine, secret in enumerate((PAIR, TEXT, WORDS), 3):
        alone = by(site, secret, machine)
        assert alone.pull().serial == 2
        assert restored(alone) == there(site)
    rebuilding = by(site, PAIR, 9)
    rebuilding.rebuild()
    assert restored(rebuilding) == there(site)


def test_who_was_removed_opens_nothing_that_is_written_later(site: Site) -> None:
    lives(site, "before")
    change(site, add=(("pair", PAIR), ("text", TEXT)))
    lives(site, "between")
    old = {path for path in Path(site.bucket).rglob("*") if path.is_file()}
    change(site, removes=(public(site, PAIR),))
    lives(site, "later")
    gone, kept = Identity(PAIR), Identity(TEXT)
    new = [path for path in Path(site.bucket).rglob("*") if path.is_file() and path not in old]
    assert len(new) == 3
    for path in new:
        object_id = parse_name(str(path.relative_to(site.bucket)))
        assert object_id is not None
        data = path.read_bytes()
        with pytest.raises(WrongKeyError):
            open_object(data, len(data), object_id, gone)
        assert open_object(data, len(data), object_id, kept).payload()
    others = by(site, TEXT, 4)
    others.pull()
    assert restored(others) == there(site)


def test_a_reader_writes_nothing_and_changes_nobody(site: Site) -> None:
    lives(site, "before")
    change(site, add=(("pair", PAIR),))
    reader = by(site, PAIR, 3)
    reader.pull()
    reader.write("mine", b"mine")
    with pytest.raises(NotEntitledError, match="may read"):
        reader.apply()
    with pytest.raises(NotEntitledError, match="may read"):
        change(reader, rotate=True)


def test_the_last_owner_stays(site: Site) -> None:
    lives(site, "before")
    change(site, add=(("pair", PAIR),))
    with closing(site.session()) as session:
        me = session.identity.public(session.need_store()[1].salt)
    with pytest.raises(KeyFileError, match="last owner"):
        change(site, removes=(me,))


def test_two_machines_that_add_at_the_same_time_lose_nobody(site: Site) -> None:
    lives(site, "before")
    other = Site(site.root, site.bucket, machine=2)
    other.pull()
    with closing(site.session()) as first, closing(other.session()) as second:
        for session in (first, second):
            session.keys(session.need_store()[1])
        for session, name, secret in ((first, "pair", PAIR), (second, "text", TEXT)):
            store = session.need_store()[1]
            found = session.know(store.lineage)
            assert found is not None
            one = Public.of(Identity(secret), found.newest.salt)
            new = Recipient(name, secret.kind, one.opening, None, 1)
            changing.carry_out(session.target, found, session.identity, KeyChange(adds=(new,)))
    for machine, secret in enumerate((PAIR, TEXT), 5):
        lives(site, f"after{machine}")
        alone = by(site, secret, machine)
        alone.pull()
        assert restored(alone) == there(site)


def test_an_owner_who_was_added_applies_too(site: Site) -> None:
    lives(site, "before")
    change(site, add=(("pair", PAIR),), owner=True)
    colleague = by(site, PAIR, 3)
    colleague.pull()
    lives(colleague, "theirs")
    site.pull()
    assert restored(site) == there(site)
    change(colleague, rotate=True)
    lives(site, "ours")
    shutil.rmtree(os.path.dirname(colleague.catalog_path))
    colleague.pull()
    assert restored(colleague) == there(site)
