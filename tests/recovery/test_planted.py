"""Objects of suite 2 by people who may write to the bucket and know all that is public, but are no writers."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from backup_runner.catalog.envelopes import envelopes
from backup_runner.container import Identity, ObjectId, ObjectKind, seal_object
from backup_runner.container.suite2 import sealer
from backup_runner.container.suite2.editing import Members, Succession, amend, found
from backup_runner.container.suite2.envelope import Envelope
from backup_runner.container.suite2.lineage import NO_ENROLMENT, Lineage, Rights, Writer, enrol
from backup_runner.container.suite2.roster import EnrolledWriter, Mark, Roster, seal_keys
from backup_runner.container.suite2.signing import SigningKey
from backup_runner.errors import NoiseError
from backup_runner.options import Level
from backup_runner.repository.lineage import put_keys
from tests.history.site import KEYRING, Site
from tests.recovery.test_strangers import lineage_of, plant, record, restored, there

OUTSIDER = SigningKey.from_private(b"o" * 32)
HOST = SigningKey.from_private(b"h" * 32)


@pytest.fixture
def two(site: Site) -> Site:
    """A site with two records."""
    for number in range(2):
        site.write(f"f{number}", secrets.token_bytes(100))
        site.apply()
    return site


def newest(site: Site) -> Envelope:
    with closing(site.session()) as session:
        chain = session.know(lineage_of(site))
        assert chain is not None
        return chain.newest


def forged(envelope: Envelope, writer: Writer) -> Lineage:
    """What the program refuses to make: a lineage whose writer is none."""
    lineage = object.__new__(Lineage)
    object.__setattr__(lineage, "envelope", envelope)
    object.__setattr__(lineage, "writer", writer)
    return lineage


def outsiders(site: Site) -> list[Lineage]:
    envelope = newest(site)
    proof = enrol(OUTSIDER, envelope.lineage, OUTSIDER.public, Rights.WRITER)
    owner = SigningKey(OUTSIDER.private, envelope.owners[0])
    own = _own_envelope(envelope)
    return [
        forged(envelope, Writer(OUTSIDER)),
        forged(envelope, Writer(OUTSIDER, Rights.WRITER, proof)),
        forged(envelope, Writer(owner, Rights.OWNER, NO_ENROLMENT)),
        Lineage(own, Writer(OUTSIDER)),
    ]


def _own_envelope(envelope: Envelope) -> Envelope:
    """The next envelope by somebody who is no owner, and whom the true recipients can open."""
    secret = b"s" * 32
    recipients = [Identity.of_keyring(KEYRING).public(envelope.salt)]
    from backup_runner.container.suite2.editing import rotate

    return rotate(envelope, [secret], Members(recipients, [OUTSIDER.public]), OUTSIDER)


def head(site: Site, serial: int, kind: str = "record") -> bytes:
    names = site.names("records")
    digest = hashlib.sha256((Path(site.bucket) / names[-1]).read_bytes()).hexdigest()
    line = {kind: 2, "lineage": lineage_of(site), "serial": serial, "previous": digest, "salt": "00" * 32,
            "seed": "00" * 32, "jobs": ["work"], "created_ns": time.time_ns(), "nonce": "x"}  # fmt: skip
    return orjson.dumps(line) + b"\n"


@pytest.mark.parametrize("who", range(4))
def test_what_somebody_seals_who_is_no_writer_counts_for_nothing(two: Site, who: int) -> None:
    lineage = outsiders(two)[who]
    planted = []
    for serial in (3, 10**15, 10**16 - 1):
        object_id = ObjectId.record(lineage.id, serial)
        planted.append(plant(two, object_id.name, sealer.seal_object(lineage, object_id, head(two, serial))))
    copy = ObjectId(lineage.id, ObjectKind.COPIES, b"c" * 16)
    plant(two, copy.name, sealer.seal_object(lineage, copy, head(two, 2, "copy")))
    data = ObjectId(lineage.id, ObjectKind.DATA, b"d" * 16)
    plant(two, data.name, sealer.seal_object(lineage, data, b"planted"))
    lease = ObjectId(lineage.id, ObjectKind.LEASE, bytes(16))
    plant(two, lease.name, sealer.seal_object(lineage, lease, b'{"host": "theirs", "pid": 1}'))
    if lineage.envelope != newest(two):
        object_id, sealed = seal_keys(lineage, Roster([]))
        plant(two, object_id.name, sealed)
    before = [path.read_bytes() for path in planted]
    two.plan()
    two.write("more", b"more")
    assert two.apply()[1].status == "complete"
    for how in ("pull", "rebuild"):
        two.lose_catalog()
        found = getattr(two, how)()
        assert found.missing == []
        assert restored(two) == there(two)
    assert [path.read_bytes() for path in planted] == before
    found = two.verify(level=Level.DATA)
    assert found.damaged == []
    assert f"ignored {len(planted)} object(s)" in " ".join(found.notes)


def test_junk_under_the_names_of_keys_is_skipped(two: Site) -> None:
    """Junk as keys/2, a lawful keys/3, and a number that nobody counts up to."""
    envelope, lineage = newest(two), lineage_of(two)
    plant(two, f"{lineage}/keys/{2:016d}", b"junk")
    plant(two, f"{lineage}/keys/{10**16 - 1}", secrets.token_bytes(5000))
    me = Identity.of_keyring(KEYRING)
    members = Members([me.public(envelope.salt)], [me.signing_key(envelope.salt).public])
    third = amend(envelope, me.epoch_secrets(envelope), members, me.signing_key(envelope.salt), number=3)
    with closing(two.session()) as session:
        chain = session.know(lineage)
        assert chain is not None
        assert chain.roster is not None
        put_keys(session.target, Lineage(third, Writer(me.signing_key(envelope.salt))), chain.roster)
    two.write("more", b"more")
    two.apply()
    assert newest(two) == third
    with closing(two.session()) as session:
        (one, other) = envelopes(session.need_catalog(), session.need_store()[1].id)
        assert (one.number, other.number) == (1, 3)
    two.lose_catalog()
    two.pull()
    assert restored(two) == there(two)


def test_objects_of_suite_1_after_its_end_are_noise(two: Site) -> None:
    """The holder of the raw key could still make them; a lineage that began under suite 2 has none."""
    lineage = bytes.fromhex(lineage_of(two))
    for object_id in (ObjectId.record(lineage, 3), ObjectId(lineage, ObjectKind.DATA, b"d" * 16)):
        plant(two, object_id.name, seal_object(object_id, KEYRING, bytes(32), head(two, 3)))
    two.write("more", b"more")
    assert two.apply()[1].serial == 4
    two.lose_catalog()
    assert two.pull().serial == 4
    assert restored(two) == there(two)


def test_a_writer_who_was_removed_adds_nothing(two: Site) -> None:
    """Neither its next record nor objects that say nothing of when they were made."""
    envelope, me = newest(two), Identity.of_keyring(KEYRING)
    owner = me.signing_key(envelope.salt)
    proof = enrol(owner, envelope.lineage, HOST.public, Rights.WRITER)
    host = Lineage(envelope, Writer(HOST, Rights.WRITER, proof))
    with closing(two.session()) as session:
        chain = session.know(lineage_of(two))
        assert chain is not None
        assert chain.roster is not None
        removed = EnrolledWriter("host", HOST.public, Rights.WRITER, proof, 1, Mark(2, bytes(32)))
        members = Members([me.public(envelope.salt)], [owner.public])
        next_one = amend(envelope, me.epoch_secrets(envelope), members, owner)
        put_keys(session.target, Lineage(next_one, Writer(owner)), chain.roster._replace(writers=[removed]))
    record, data = ObjectId.record(host.id, 3), ObjectId(host.id, ObjectKind.DATA, b"d" * 16)
    plant(two, record.name, sealer.seal_object(host, record, head(two, 3)))
    plant(two, data.name, sealer.seal_object(host, data, b"backdated"))
    two.write("more", b"more")
    _, outcome = two.apply()
    assert outcome.serial == 4
    assert any("removed" in note for note in outcome.notes), outcome.notes
    two.lose_catalog()
    assert two.pull().serial == 4
    assert restored(two) == there(two)


def test_keys_that_were_seen_do_not_go_back(two: Site) -> None:
    """A bucket whose newer keys are gone is refused by a machine that saw them, also without its catalog."""
    envelope, me = newest(two), Identity.of_keyring(KEYRING)
    owner = me.signing_key(envelope.salt)
    second = amend(envelope, me.epoch_secrets(envelope), Members([me.public(envelope.salt)], [owner.public]), owner)
    with closing(two.session()) as session:
        chain = session.know(lineage_of(two))
        assert chain is not None
        assert chain.roster is not None
        put_keys(session.target, Lineage(second, Writer(owner)), chain.roster)
    two.write("more", b"more")
    two.apply()
    os.unlink(f"{two.bucket}/{ObjectId.keys(second.lineage, 2).name}")
    os.unlink(two.catalog_path)
    with pytest.raises(NoiseError, match="seen here before"):
        two.pull()


# -- a lineage of suite 1 that continues in suite 2


@pytest.fixture
def suite1(site: Site) -> Site:
    """A site whose catalog was pulled from a lineage that knows suite 1 alone."""
    lineage = "ab" * 16
    plant(site, f"{lineage}/records/{1:016d}", record(lineage, 1, KEYRING, ["job", 1, "work"]))
    site.pull()
    return site


def stranger_first(number: int, salt: bytes, last: bytes) -> tuple[str, bytes]:
    """What looks like the first envelope of the lineage, by somebody who knows all that is public."""
    members = Members([Identity.of_keyring(KEYRING).public(salt)], [OUTSIDER.public])
    after = Succession(b"\xab" * 16, last, number)
    object_id, data = seal_keys(Lineage(found(members, OUTSIDER, salt, after=after), Writer(OUTSIDER)), Roster([]))
    return object_id.name, data


def junk_keys(site: Site) -> dict[str, list[tuple[str, bytes]]]:
    last = hashlib.sha256((Path(site.bucket) / site.names("records")[0]).read_bytes()).digest()
    name = f"{'ab' * 16}/keys/{{:016d}}"
    return {
        "one byte": [(name.format(1), b"x")],
        "nothing": [(name.format(1), b"")],
        "too large": [(name.format(1), bytes(1 << 20))],
        "a stranger's envelope": [stranger_first(1, bytes(32), last)],
        "one after another record": [stranger_first(1, bytes(32), b"z" * 32)],
        "twelve of other salts": [stranger_first(number, os.urandom(32), last) for number in range(1, 13)],
        "a gap": [(name.format(1), b"x"), stranger_first(2, bytes(32), last), (name.format(10**16 - 1), b"x")],
    }


@pytest.mark.parametrize("what", range(7))
def test_junk_under_the_first_names_of_keys_keeps_nobody_from_suite_2(suite1: Site, what: int) -> None:
    planted = list(junk_keys(suite1).values())[what]
    for name, data in planted:
        plant(suite1, name, data)
    for known in (True, False):
        if not known:
            suite1.lose_catalog()
            suite1.pull()
        suite1.write(f"a{known}", b"a")
        assert suite1.apply()[1].status == "complete"
    for how in ("pull", "rebuild"):
        suite1.lose_catalog()
        assert getattr(suite1, how)().serial == 3
        assert restored(suite1) == there(suite1)
    first = next(
        number for number in range(1, 20) if f"keys/{number:016d}" not in " ".join(name for name, _ in planted)
    )
    with closing(suite1.session()) as session:
        chain = session.know("ab" * 16)
        assert chain is not None
        assert [one.number for one in chain.chain.envelopes] == [first]
    assert suite1.verify(level=Level.DATA).damaged == []


@pytest.mark.parametrize("what", range(7))
def test_nor_a_machine_that_knows_nothing_from_suite_1(suite1: Site, what: int) -> None:
    """Before anybody continued: what strangers say about keys counts for nothing."""
    for name, data in list(junk_keys(suite1).values())[what]:
        plant(suite1, name, data)
    suite1.lose_catalog()
    assert suite1.pull().serial == 1
    suite1.write("a", b"a")
    assert suite1.apply()[1].serial == 2
