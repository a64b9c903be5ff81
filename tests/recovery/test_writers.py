"""Writers who are enrolled and removed, and the way back to before a machine was taken over."""

from __future__ import annotations

import secrets
import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest

from backup_runner.container import Identity
from backup_runner.container.suite2.recipients import Public
from backup_runner.container.suite2.roster import EnrolledWriter, Mark, Recipient, Roster
from backup_runner.errors import CatalogError, NotEntitledError
from backup_runner.progress import Silent
from backup_runner.recovery import choose as recovery
from backup_runner.repository.recipients import ChangeParts, KeyChange, change_keys, find_writer
from tests.history.site import Site
from tests.recovery.test_blind_host import OPS, Host, owner
from tests.recovery.test_blind_host import change as changes
from tests.recovery.test_recipients import PAIR, by, change, lives
from tests.recovery.test_strangers import restored, there


def roster(site: Site) -> Roster:
    with closing(site.session()) as session:
        found = session.know(session.need_store()[1].lineage)
        assert found is not None
        assert found.roster is not None
        return found.roster


def writer_called(names: Roster, name: str) -> EnrolledWriter:
    one = find_writer(names, name)
    assert one is not None
    return one


def enrol(site: Site) -> None:
    """`key add JOB theirs.pub --writer`."""

    def make(ground: ChangeParts) -> KeyChange:
        public = Public.of(Identity(PAIR), ground.found.newest.salt)
        new = Recipient("theirs", PAIR.kind, public.opening, None, 1)
        return KeyChange(adds=(new,), writers=(ground.enrolled(new.name, public.signing),))

    with closing(site.session()) as session:
        assert change_keys(session, make, lambda _: True) is not None


def void(site: Site, after: int, name: str = "theirs") -> None:
    """`key remove JOB WRITER --after SERIAL`."""

    def make(ground: ChangeParts) -> KeyChange:
        return KeyChange(voids=((writer_called(ground.roster, name).key, Mark(after, bytes(32))),))

    with closing(site.session()) as session:
        assert change_keys(session, make, lambda _: True) is not None


def test_a_recipient_who_is_enrolled_makes_backups(site: Site) -> None:
    lives(site, "before")
    enrol(site)
    theirs = by(site, PAIR, 3)
    theirs.pull()
    lives(theirs, "theirs")
    site.pull()
    assert restored(site) == there(site)
    # A writer changes nobody.
    with pytest.raises(NotEntitledError, match="only an owner"):
        change(theirs, rotate=True)
    # A new epoch leaves them what they are.
    change(site, rotate=True)
    lives(theirs, "later")
    site.pull()
    assert restored(site) == there(site)


def test_what_a_writer_wrote_after_a_serial_is_void_and_blocks_nothing(site: Site) -> None:
    lives(site, "before")
    enrol(site)
    theirs = by(site, PAIR, 3)
    theirs.pull()
    lives(theirs, "good")
    good = there(site)
    lives(theirs, "bad")
    site.pull()
    void(site, after=2)
    assert writer_called(roster(site), "theirs").void is not None
    # A catalog that ends there is not what others go on from.
    with pytest.raises(CatalogError, match="written by a removed writer"):
        site.apply()
    # This machine has seen record 3; it is no rollback that it counts no longer.
    assert site.pull().serial == 2
    site.lose_catalog()
    assert site.pull().serial == 2
    assert restored(site) == good
    lives(site, "after")
    with closing(theirs.session()) as session, pytest.raises(NotEntitledError):
        session.keys(session.need_store()[1])
    site.lose_catalog()
    site.pull()
    assert restored(site) == there(site)


def test_back_to_before_a_host_was_taken(tmp_path: Path) -> None:
    host = Host(str(tmp_path / "host"))
    kept = {}
    for number in range(1, 4):
        changes(host, number)
        _, outcome = host.apply()
        kept[outcome.serial] = there(host)
    # From now on somebody else has the host, and backs up what they like.
    shutil.rmtree(host.data)
    host.write("ransom", secrets.token_bytes(100))
    host.apply()
    host.apply()
    ops = owner(host)
    assert ops.pull().serial == 5
    found = ops.pull(until=3)
    assert found.serial == 3
    assert any("state of serial 3" in note for note in found.notes)
    assert restored(ops) == kept[3]
    assert ops.pull(until=2).serial == 2
    assert restored(ops) == kept[2]
    with pytest.raises(CatalogError):
        ops.plan()
    # What the host wrote after record 3 is void; the rest stays, and nobody is blocked.
    ops.pull()
    void(ops, after=3, name=socket.gethostname())
    ops.lose_catalog()
    assert ops.pull().serial == 3
    assert restored(ops) == kept[3]
    host.apply()
    assert ops.pull().serial == 3
    ops.write("mine", b"now the owner goes on")
    _, outcome = ops.apply()
    assert outcome.status == "complete"
    assert outcome.serial == 7
    ops.lose_catalog()
    ops.pull()
    assert restored(ops) == there(ops)
    assert roster(ops).recipients[0].public == Identity(OPS).public(bytes(32))


def test_a_damaged_list_of_writers_is_reported_where_nothing_else_is_known(site: Site) -> None:
    """Who may overwrite objects can damage the list that names them. See the threat model."""
    lives(site, "before")
    enrol(site)
    theirs = by(site, PAIR, 3)
    theirs.pull()
    lives(theirs, "bad")
    site.pull()
    void(site, after=1)
    with open(f"{site.bucket}/{max(site.names('keys'))}", "r+b") as file:
        file.seek(-100, 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    # A machine that knows the list keeps to it.
    assert site.pull().serial == 1
    site.lose_catalog()
    said: list[str] = []
    with closing(site.session()) as session:
        session.warn = said.append
        recovery.pull(session, Silent())
    assert any("cannot read who may write" in text for text in said)
