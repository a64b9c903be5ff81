"""Changes of keys that are killed, that race with others, and that follow upon suite 1."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from backup_runner.container import Identity
from backup_runner.container.suite2.recipients import Public
from backup_runner.container.suite2.roster import Recipient
from backup_runner.container.suites import suite_of
from backup_runner.repository import recipients as changing
from backup_runner.repository.recipients import KeyChange
from tests.catalog.test_frozen1 import pull as pull_home
from tests.catalog.test_frozen1 import unpack
from tests.history.site import Crash, Fuse, Site
from tests.recovery.test_recipients import PAIR, TEXT, WORDS, by, change, lives, public
from tests.recovery.test_strangers import restored, there


@pytest.mark.parametrize("removing", [False, True])
def test_a_kill_at_any_point_of_a_rotation_leaves_what_every_one_decrypts(site: Site, removing: bool) -> None:
    lives(site, "before")
    change(site, add=(("pair", PAIR), ("text", TEXT), ("words", WORDS)))
    steps, done = 0, False
    while not done:
        gone = (public(site, PAIR),) if removing else ()
        site.fuse = Fuse(steps)
        try:
            change(site, rotate=True, removes=gone)
            done = True
        except Crash:
            pass
        site.fuse = None
        # Whether the put came to pass or not, the next apply and every remaining recipient go on.
        lives(site, f"after{steps}")
        for machine, secret in enumerate((TEXT, WORDS) if removing else (PAIR, TEXT), 3):
            alone = by(site, secret, machine)
            alone.lose_catalog()
            alone.pull()
            assert restored(alone) == there(site), (steps, secret.kind)
        if removing and not done:
            with closing(site.session()) as session:
                found = session.know(session.need_store()[1].lineage)
                assert found is not None
                assert found.roster is not None
                listed = {one.public for one in found.roster.recipients}
            done = gone[0] not in listed
        steps += 1
    assert steps >= 2


def test_one_adds_and_one_removes_at_the_same_time(site: Site) -> None:
    """Both stand on the same envelope; whoever comes second makes the change on what the first one did."""
    lives(site, "before")
    change(site, add=(("pair", PAIR), ("words", WORDS)))
    other = Site(site.root, site.bucket, machine=2)
    other.pull()
    for order in (False, True):
        with closing(site.session()) as first, closing(other.session()) as second:
            for session in (first, second):
                session.keys(session.need_store()[1])
            salt = first.need_store()[1].salt
            new = Recipient("text", TEXT.kind, Public.of(Identity(TEXT), salt).opening, None, 1)
            changes = [KeyChange(adds=(new,)), KeyChange(removes=(Identity(PAIR).public(salt),))]
            for session, one in zip((first, second), changes[::-1] if order else changes, strict=True):
                found = session.know(session.need_store()[1].lineage)
                assert found is not None
                changing.carry_out(session.target, found, session.identity, one)
        with closing(site.session()) as session:
            found = session.know(session.need_store()[1].lineage)
            assert found is not None
            assert found.roster is not None
            names = {one.name for one in found.roster.recipients}
        assert names >= {"text", "words"}
        assert "pair" not in names
    lives(site, "after")
    for machine, secret in enumerate((TEXT, WORDS), 5):
        alone = by(site, secret, machine)
        alone.pull()
        assert restored(alone) == there(site)


def test_going_on_from_suite_1_puts_a_full_copy(tmp_path: Path) -> None:
    """Whoever is added later cannot decrypt records of suite 1, and starts from that copy."""
    home = unpack(tmp_path)
    before = set(Path(home.bucket).rglob("copies/*"))
    home.write("later", b"later")
    home.apply()
    (copy,) = set(Path(home.bucket).rglob("copies/*")) - before
    assert suite_of(copy.read_bytes()[:16]) == 2
    home.write("more", b"more")
    home.apply()
    (again,) = set(Path(home.bucket).rglob("copies/*")) - before
    assert again == copy
    with closing(home.session()) as session:
        store = session.need_store()[1]
        salt = store.salt
        assert json.loads(store.copies)[-1][0] > 0
    new = Recipient("pair", PAIR.kind, Public.of(Identity(PAIR), salt).opening, None, 1)
    with closing(home.session()) as session:
        assert changing.change_keys(session, lambda _: KeyChange(adds=(new,)), lambda _: True) is not None
    home.write("last", b"last")
    home.apply()
    (tmp_path / "catalog.db").unlink()
    with closing(home.session()) as session:
        session.key._identity = Identity(PAIR)
        from backup_runner.progress import Silent
        from backup_runner.recovery import choose as recovery

        found = recovery.pull(session, Silent())
    assert found.copies == 1
    assert found.missing == []
    assert pull_home(home).missing == []
