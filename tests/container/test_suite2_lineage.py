"""Who can open and who can change that: envelopes, epochs, the chain, `keys` objects."""

from __future__ import annotations

import hashlib
import itertools
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.container import ObjectId, ObjectKind, open_object
from backup_runner.container.identity import Identity
from backup_runner.container.keys import KdfBudget
from backup_runner.container.suite2.chain import Chain
from backup_runner.container.suite2.editing import Members, Succession, amend, found, rotate
from backup_runner.container.suite2.envelope import (
    MAX_EPOCH,
    ZERO,
    Envelope,
    lineage_of,
    parse_envelope,
    unsigned,
)
from backup_runner.container.suite2.epochs import public_of, seal_epoch
from backup_runner.container.suite2.founding import enrolled_by, found_lineage, owned_lineage
from backup_runner.container.suite2.keysobject import open_keys, stated_envelope
from backup_runner.container.suite2.lineage import Lineage, Rights, Writer, enrol
from backup_runner.container.suite2.pairs import check_public, expand, seal_secret
from backup_runner.container.suite2.recipients import Public
from backup_runner.container.suite2.roster import EnrolledWriter, Mark, Recipient, Roster, decode_roster, seal_keys
from backup_runner.container.suite2.sealer import seal_object
from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.container.suite2.signing import SigningKey, check_point, is_signed
from backup_runner.errors import ContainerError, DamagedError, NoiseError, NotEntitledError, WrongKeyError

from .lineages import SALT, SEGMENT, World, pair

P = 2**255 - 19
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NON_CANONICAL = [(P + y).to_bytes(32, "little").hex() for y in (0, 1, 3, 18)] + ["ff" * 32]


@pytest.fixture
def world() -> World:
    return World()


def signed(world: World, body: bytes, lineage: bytes | None = None, signer: SigningKey | None = None) -> bytes:
    """An envelope around any body, by whoever: the body ends in the signer's public key."""
    key = signer or world.owner.signing_key(SALT)
    return body + key.sign(b"envelope", (lineage or world.id) + body)


def body_of(envelope: Envelope, **changes: object) -> bytes:
    one = replace(envelope, **changes)  # type: ignore[arg-type]
    heading = (one.number, one.epoch, one.salt, one.previous, one.public)
    return unsigned(heading, one.owners, one.stanzas, one.older, one.signer)


def test_every_kind_of_secret_opens_alone() -> None:
    secrets = [
        Secret(SecretKind.RAW, b"k" * 16),
        Secret(SecretKind.TEXT, b"k" * 32),
        Secret.of_passphrase("correct horse é"),
        pair("pair"),
    ]
    people = [Identity(secret) for secret in secrets]
    assert len({one.public(SALT) for one in people}) == len(people)
    world = World(people[0])
    world.amend(*people[1:])
    data = world.seal()
    for secret in [*secrets, Secret.of_passphrase("correct horse e\u0301")]:
        assert open_object(data, len(data), world.data(), Identity(secret)).payload()
    for secret in (
        Secret(SecretKind.RAW, b"r" * 24),
        Secret(SecretKind.PAIR, b"k" * 32),
    ):
        with pytest.raises(WrongKeyError):
            open_object(data, len(data), world.data(), Identity(secret))


def test_later_recipients_open_every_epoch_and_removed_ones_no_newer() -> None:
    world, early, late = World(), Identity(pair("early")), Identity(pair("late"))
    world.amend(early)
    first = world.seal(b"epoch 1", "first")
    world.rotate()
    second = world.seal(b"epoch 2", "second")
    world.rotate(late)
    third = world.seal(b"epoch 3", "third")
    stale = Identity(early.secret)
    assert open_object(first, len(first), world.data("first"), stale).payload() == b"epoch 1"
    for data, tag in ((second, "second"), (third, "third")):
        with pytest.raises(WrongKeyError):
            open_object(data, len(data), world.data(tag), stale)
    fresh = Identity(late.secret)
    with pytest.raises(WrongKeyError):
        open_object(first, len(first), world.data("first"), fresh)
    # One later envelope is enough:
    assert len(fresh.epoch_secrets(world.newest)) == 3
    for data, tag in ((first, "first"), (second, "second"), (third, "third")):
        assert open_object(data, len(data), world.data(tag), fresh).payload()


def test_sixty_four_epochs_and_no_more(world: World) -> None:
    while world.newest.epoch < MAX_EPOCH:
        world.rotate()
    with pytest.raises(ValueError, match="at most 64 epochs"):
        world.rotate()
    people = tuple(Identity(pair(str(number))) for number in range(15))
    world.amend(*people, owners=people[:7])
    data = world.seal()
    assert len(world.newest.raw) == 22_358
    assert open_object(data, len(data), world.data(), Identity(people[-1].secret)).payload()
    with pytest.raises(ValueError, match="1 to 16 recipients"):
        world.members(*people, Identity(pair("seventeenth")))
    with pytest.raises(ValueError, match="1 to 16 recipients"):
        Members([], [b"o" * 32])


@pytest.mark.parametrize("point", SMALL + NON_CANONICAL)
def test_weak_and_non_canonical_signing_keys_are_refused(world: World, point: str) -> None:
    public = bytes.fromhex(point)
    with pytest.raises(DamagedError):
        check_point(public)
    assert not is_signed(public, public + bytes(32), b"object", b"any message")
    envelope = world.newest
    for owners in ((public,), (*envelope.owners, public)):
        with pytest.raises(NoiseError):
            parse_envelope(signed(world, body_of(envelope, owners=owners)), world.id)
    with pytest.raises(NoiseError):
        parse_envelope(body_of(envelope, signer=public) + public + bytes(32), world.id)


def test_openssl_alone_would_take_a_small_point() -> None:
    """The reason for the list: with this key, one signature holds for many messages."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    identity = bytes.fromhex(SMALL[0])
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"any message")


def test_envelopes_out_of_bounds(world: World) -> None:
    envelope = world.newest
    stanza, owner = envelope.stanzas[0], envelope.owners[0]
    many = tuple(SigningKey.from_seed(bytes([number]) * 32).public for number in range(9))
    cases = [
        {"stanzas": ()},
        {"stanzas": (stanza,) * 17},
        {"owners": ()},
        {"owners": many},
        {"owners": (owner, owner)},
        {"number": 0},
        {"epoch": 0},
        {"epoch": MAX_EPOCH + 1},
        {"epoch": 2},
        {"epoch": 2, "older": bytes(39)},
        {"epoch": 2, "number": 2, "older": bytes(41)},
        {"older": bytes(40)},
        {"number": 2},
        {"owners": many[:1]},
        {"salt": bytes(32)},
        {"public": world.newest.public[::-1]},
    ]
    for changes in cases:
        with pytest.raises(NoiseError):
            parse_envelope(signed(world, body_of(envelope, **changes)), world.id)
    for raw in (envelope.raw[:-1], envelope.raw + b"\0", b"", envelope.raw[:1293], bytes(60_000)):
        with pytest.raises(NoiseError):
            parse_envelope(raw, world.id)


def test_every_flipped_byte_of_an_envelope(world: World) -> None:
    raw = world.amend(Identity(pair("second"))).raw
    for at in range(len(raw)):
        flipped = bytearray(raw)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(NoiseError):
            parse_envelope(bytes(flipped), world.id)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=5000))
def test_any_bytes_as_an_envelope(raw: bytes) -> None:
    with pytest.raises(NoiseError):
        parse_envelope(raw, bytes(16))


def test_another_lineages_envelope(world: World) -> None:
    other = World(Identity(pair("other")))
    with pytest.raises(NoiseError, match="another lineage"):
        parse_envelope(other.newest.raw, world.id)
    forged = signed(other, body_of(other.newest), world.id)
    with pytest.raises(NoiseError, match="starts another lineage"):
        parse_envelope(forged, world.id)


def test_stanzas_of_another_secret_lineage_epoch_or_stripped(world: World) -> None:
    envelope, owner = world.newest, world.owner
    public = owner.public(SALT)
    secret = owner.epoch_secret(envelope)
    other = os.urandom(32)
    cases = [
        (seal_epoch(other, world.id, 1, [public]), DamagedError),
        (seal_epoch(secret, bytes(16), 1, [public]), WrongKeyError),
        (seal_epoch(secret, world.id, 2, [public]), WrongKeyError),
    ]
    for stanzas, error in cases:
        world.envelopes.append(parse_envelope(signed(world, body_of(envelope, stanzas=stanzas)), world.id))
        data = world.seal()
        with pytest.raises(error):
            open_object(data, len(data), world.data(), Identity(owner.secret))
    two = world.amend(Identity(pair("second")))
    stripped = two.raw.replace(two.stanzas[1], b"").replace(b"\2" + two.stanzas[0], b"\1" + two.stanzas[0])
    with pytest.raises(NoiseError):
        parse_envelope(stripped, world.id)


def test_older_epochs_under_a_wrong_key(world: World) -> None:
    world.rotate()
    broken = body_of(world.newest, older=bytes(40))
    world.envelopes.append(parse_envelope(signed(world, broken), world.id))
    with pytest.raises(DamagedError, match="older epochs"):
        Identity(world.owner.secret).epoch_secrets(world.newest)


def test_the_chain(world: World) -> None:
    first, second, third = world.newest, world.amend(Identity(pair("b"))), world.rotate()
    chain, noise = Chain.start(first).continued([third, first, second])
    assert (chain.newest, noise) == (third, [])
    stranger = SigningKey.from_seed(b"x" * 32)
    cases = {
        "does not follow": {"previous": ZERO[:-1] + b"\1"},
        "changes the salt": {"salt": bytes(32)},
        "does not continue epoch": {"epoch": 4, "older": bytes(104)},
        "not signed by an owner": {"signer": stranger.public},
    }
    for said, changes in cases.items():
        given_ = {"number": 4, "previous": third.digest, **changes}
        signer = stranger if "signer" in changes else None
        after = parse_envelope(signed(world, body_of(third, **given_), signer=signer), world.id)
        with pytest.raises(NoiseError, match=said):
            chain.extended(after)
        assert chain.continued([after]) == (chain, [after])
    same_key = body_of(third, number=4, epoch=3, previous=third.digest, older=bytes(72))
    with pytest.raises(NoiseError, match="epoch"):
        chain.extended(parse_envelope(signed(world, same_key), world.id))
    with pytest.raises(NoiseError, match="not the first"):
        Chain.start(second)
    with pytest.raises(NoiseError, match="seen here before"):
        Chain.start(second, remembered=third.digest)
    assert Chain.start(second, remembered=second.digest).continued([first, third])[0].newest == third


def test_an_owner_who_was_dropped_signs_no_more(world: World) -> None:
    former = Identity(pair("former"))
    second = world.amend(former, owners=(former,))
    secrets = former.epoch_secrets(second)
    third = world.amend()
    key = former.signing_key(SALT)
    members = Members([former.public(SALT)], [key.public])
    after_drop = amend(third, secrets, members, key)
    fork = amend(second, secrets, members, key, number=4)
    chain, noise = Chain.start(world.envelopes[0]).continued([fork, after_drop, third, second])
    assert chain.newest == third
    assert {one.digest for one in noise} == {fork.digest, after_drop.digest}
    identity = Identity(world.owner.secret)
    identity.accept(world.id, chain.digests)
    for envelope in (fork, after_drop):
        data = seal_object(Lineage(envelope, Writer(key)), world.data(), b"mine")
        with pytest.raises(NoiseError):
            open_object(data, len(data), world.data(), identity)


def test_racing_changes_equal_some_order(world: World) -> None:
    """Both make envelope 2; one is there first, the other meets it and is made again on top."""
    key, secrets = world.owner.signing_key(SALT), world.owner.epoch_secrets(world.newest)
    a, b = (amend(world.newest, secrets, world.members(Identity(pair(name))), key) for name in "ab")
    for one, other in itertools.permutations((a, b)):
        chain, noise = Chain.start(world.newest).continued([one, other])
        assert chain.newest == one
        assert noise == [other]
        assert Chain.start(world.newest).extended(one) == chain


def test_a_lineage_that_began_under_suite_1() -> None:
    owner = Identity(Secret(SecretKind.RAW, b"k" * 32))
    key, last = owner.signing_key(SALT), hashlib.sha256(b"record").digest()
    members = Members([owner.public(SALT)], [key.public])
    first = found(members, key, SALT, after=Succession(b"L" * 16, last))
    assert (first.lineage, first.succeeds_suite1) == (b"L" * 16, True)
    assert Chain.start(first, suite1_end=last).newest == first
    for end in (None, bytes(32)):
        with pytest.raises(NoiseError, match="last record of suite 1"):
            Chain.start(first, suite1_end=end)


def test_the_id_of_a_lineage_is_of_its_founding_keys(world: World) -> None:
    first = world.newest
    assert world.id == lineage_of(SALT, first.public, first.owners, first.signer)
    assert public_of(world.owner.epoch_secret(first)) == first.public


def roster_of(world: World) -> Roster:
    owner = world.owner
    key = SigningKey.from_seed(b"h" * 32)
    enrolment = enrol(owner.signing_key(SALT), world.id, key.public, Rights.HOST)
    recipient = Recipient("me", SecretKind.PAIR, owner.public(SALT), owner.signing_key(SALT).public, 1)
    writers = [EnrolledWriter("host", key.public, Rights.HOST, enrolment, 3, Mark(7, b"d" * 32))]
    return Roster([recipient], writers, Mark(9, b"h" * 32), None)


def test_keys_objects(world: World) -> None:
    roster = roster_of(world)
    object_id, data = seal_keys(world.lineage(), roster)
    assert object_id.name == f"{world.id.hex()}/keys/0000000000000001"
    assert open_keys(data, object_id, world.owner) == (world.newest, roster)
    host = roster.writers[0]
    assert [roster.is_void(host.key, serial) for serial in (7, 8)] == [False, True]
    assert not roster.is_void(b"?" * 32, 8)
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(DamagedError):
            open_keys(bytes(flipped), object_id, world.owner)
    with pytest.raises(DamagedError, match="exceeds the size limit"):
        open_keys(data + bytes(1 << 20), object_id, world.owner)


def test_keys_objects_that_are_not_their_envelopes(world: World) -> None:
    second = Identity(pair("second"))
    world.amend(second, owners=(second,))
    lineage = Lineage(world.newest, Writer(second.signing_key(SALT)))
    with pytest.raises(ValueError, match="only the signer"):
        seal_keys(lineage, roster_of(world))
    by_another = seal_object(lineage, ObjectId.keys(world.id, 2), b"{}")
    squatted = seal_object(world.lineage(), ObjectId.keys(world.id, 9999), b"{}")
    for number, data in ((2, by_another), (9999, squatted), (2, os.urandom(5000)), (2, b"")):
        with pytest.raises(DamagedError):
            open_keys(data, ObjectId.keys(world.id, number), world.owner)


def test_junk_between_envelopes_is_passed_over(world: World) -> None:
    first = world.newest
    secrets, key = world.owner.epoch_secrets(first), world.owner.signing_key(SALT)
    third = amend(first, secrets, world.members(Identity(pair("b"))), key, number=3)
    objects = {
        2: os.urandom(9000),
        3: seal_keys(world.lineage(third), roster_of(world))[1],
        9999999999999999: b"junk",
        4: World(Identity(pair("other"))).seal(),
    }
    envelopes, junk = [], 0
    for number, data in objects.items():
        try:
            envelopes.append(stated_envelope(data, ObjectId.keys(world.id, number)))
        except ContainerError:
            junk += 1
    assert junk == 3
    assert Chain.start(first).continued(envelopes) == (Chain((first, third)), [])


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300) | st.sampled_from([b"{}", b"[]", b"null", b'{"keys":1}', b'{"keys":1,"recipients":[1]}'])
)
def test_any_bytes_as_a_roster(payload: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_roster(payload)


def hostile(stanzas: tuple[bytes, ...]) -> tuple[ObjectId, bytes]:
    """A sound lineage of a stranger's, with any stanzas: each is tried in vain."""
    mallory = SigningKey.from_seed(b"m" * 32)
    salt, public, owners = os.urandom(32), os.urandom(1216), (mallory.public,)
    lineage = lineage_of(salt, public, owners, mallory.public)
    body = unsigned((1, 1, salt, ZERO, public), owners, stanzas, b"", mallory.public)
    envelope = body + mallory.sign(b"envelope", lineage + body)
    fixed = b"BKRUNNER\0\1\0\2" + (1256 + len(envelope)).to_bytes(4, "big") + lineage + b"\1" + bytes(17)
    head = fixed + SEGMENT.to_bytes(4, "big") + len(envelope).to_bytes(2, "big") + envelope + os.urandom(1168)
    data = head + hashlib.sha256(head).digest() + os.urandom(65_536)
    return ObjectId(lineage, ObjectKind.DATA, bytes(16)), data


COSTS = """
import sys, time
from backup_runner.container import open_object, parse_name
from backup_runner.container.identity import Identity
from backup_runner.container.keys import KdfBudget
from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.errors import ContainerError
from tests.support.measured import forget_peak, peak
people = [Identity(Secret(kind, b"k" * 32), budget=KdfBudget(units=1)) for kind in (SecretKind.RAW, SecretKind.PAIR)]
files = [open(path, "rb").read() for path in sys.argv[2:]]
before, memory = time.process_time(), forget_peak()
for one in people:
    for data in files:
        try:
            open_object(data, len(data), parse_name(sys.argv[1]), one)
        except ContainerError as error:
            print(type(error).__name__)
print(time.process_time() - before, peak() - memory)
"""


def test_hostile_objects_cost_little(tmp_path: Path) -> None:
    object_id, data = hostile(tuple(os.urandom(1168) for _ in range(16)))
    noise = data[:56] + os.urandom(65_480)
    (tmp_path / "stanzas").write_bytes(data)
    (tmp_path / "noise").write_bytes(noise)
    names = [object_id.name, str(tmp_path / "stanzas"), str(tmp_path / "noise")]
    command = [sys.executable, "-c", COSTS, *names]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    *outcomes, last = done.stdout.splitlines()
    assert outcomes == ["WrongKeyError", "DamagedError"] * 2
    seconds, kibibytes = last.split()
    assert float(seconds) < 1
    assert int(kibibytes) < 100 << 10


def test_one_command_pays_for_so_many_salts_and_no_more() -> None:
    identity = Identity(Secret.of_passphrase("p"), budget=KdfBudget(units=1))
    seed = identity.seed(SALT)
    with pytest.raises(DamagedError, match="exceeds the limit"):
        identity.seed(bytes(32))
    assert identity.seed(SALT) == seed


def test_public_keys_that_are_none() -> None:
    for public in (bytes(1215), bytes(1217), b"\xff" * 1216, bytes(1184) + bytes(32)):
        with pytest.raises(DamagedError):
            check_public(public)
    with pytest.raises(DamagedError):
        seal_secret(bytes(32), Identity(pair("a")).public(SALT)[:1184] + bytes(32), b"stanza")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["add", "remove", "rotate"]), max_size=8), st.integers(0, 2**32))
def test_any_history_opens_for_those_who_should(steps: list[str], seed: int) -> None:
    """Who is a recipient of the newest envelope opens everything; who was left out by a rotation nothing newer."""
    choose = random.Random(seed)
    world = World()
    people = {str(number): Identity(pair(str(number))) for number in range(4)}
    present: set[str] = set()
    opens: dict[str, set[str]] = {}
    written: list[tuple[str, bytes]] = []
    knows: set[tuple[str, int]] = set()
    for number, step in enumerate(["", *steps]):
        if step == "add" and (absent := sorted(set(people) - present)):
            present.add(choose.choice(absent))
        if step != "add" and step and present:
            present.discard(choose.choice(sorted(present)))
        change = world.rotate if step == "rotate" else world.amend
        change(*(people[name] for name in sorted(present)))
        knows |= {(name, world.newest.epoch) for name in present}
        tag = str(number)
        written.append((tag, world.seal(b"x", tag)))
        opens[tag] = {name for name, epoch in knows if epoch == world.newest.epoch}
    for name, person in people.items():
        reader = Identity(person.secret)
        seen = [envelope for envelope in world.envelopes if _opens(reader, envelope)]
        assert bool(seen) == any(known == name for known, _ in knows)
        last = max((epoch for known, epoch in knows if known == name), default=0)
        for (tag, data), envelope in zip(written, world.envelopes[1:], strict=True):
            if envelope.epoch <= last:
                assert open_object(data, len(data), world.data(tag), reader).payload() == b"x"
            else:
                with pytest.raises(WrongKeyError):
                    open_object(data, len(data), world.data(tag), reader)


def _opens(reader: Identity, envelope: Envelope) -> bool:
    try:
        reader.epoch_secrets(envelope)
    except WrongKeyError:
        return False
    return True


def test_not_entitled_is_named(world: World) -> None:
    with pytest.raises(NotEntitledError):
        Lineage(world.newest, Writer(SigningKey.from_seed(b"x" * 32)))
    assert rotate(world.newest, world.owner.epoch_secrets(world.newest), world.members(), world.owner.signing_key(SALT))


def test_founding_with_nothing_but_a_raw_key() -> None:
    """Every machine with the key is the same owner; suite 1's salt goes on, so scrypt runs once for both suites."""
    first = Identity(Secret(SecretKind.RAW, b"k" * 16), budget=KdfBudget(units=1))
    assert first.keyring
    first.keyring.stretch(SALT)
    after = Succession(b"L" * 16, hashlib.sha256(b"record").digest())
    lineage = found_lineage(first, salt=SALT, after=after)
    assert lineage.id == b"L" * 16
    object_id = ObjectId(lineage.id, ObjectKind.DATA, bytes(16))
    data = seal_object(lineage, object_id, b"hello")
    second = Identity(Secret(SecretKind.RAW, b"k" * 16), first.keyring)
    assert open_object(data, len(data), object_id, second).payload() == b"hello"
    again = owned_lineage(second, lineage.envelope)
    assert again == lineage


def test_who_is_no_owner_seals_with_an_enrolled_key() -> None:
    owner, reader = Identity(pair("owner")), Identity(pair("reader"))
    lineage = found_lineage(owner, [Public.of(reader, bytes(32)).opening])
    assert owned_lineage(reader, lineage.envelope) is None
    key = SigningKey.from_seed(b"machine".ljust(32))
    proof = enrolled_by(owner.signing_key(lineage.envelope.salt), lineage.envelope, key, Rights.WRITER)
    own = Lineage(lineage.envelope, Writer(key, Rights.WRITER, proof))
    object_id = ObjectId(lineage.id, ObjectKind.DATA, bytes(16))
    data = seal_object(own, object_id, b"hello")
    assert open_object(data, len(data), object_id, reader).payload() == b"hello"
    assert found_lineage(owner).id != lineage.id


def test_key_pairs_are_those_of_x_wing() -> None:
    """The first published example of X-Wing (the KEM MLKEM768-X25519): start of the public key of this seed."""
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    assert expand(seed)[1].hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5b19cfc3d")


def test_identities_pickle_with_what_they_know(world: World) -> None:
    data = world.seal(b"hello")
    identity = Identity(world.owner.secret, budget=KdfBudget(units=0))
    assert open_object(data, len(data), world.data(), identity).payload() == b"hello"
    identity.accept(world.id, [world.newest.digest])
    copy = pickle.loads(pickle.dumps(identity))
    assert open_object(data, len(data), world.data(), copy).payload() == b"hello"
    copy.accept(world.id, [])
    with pytest.raises(NoiseError, match="does not belong to this lineage"):
        open_object(data, len(data), world.data(), copy)


def test_noise_is_refused_before_scrypt(world: World) -> None:
    """Where the chain is known, another envelope costs nothing: not even the seed under its salt."""
    identity = Identity(Secret(SecretKind.RAW, b"k" * 32), budget=KdfBudget(units=0))
    data = world.seal()
    identity.accept(world.id, [])
    with pytest.raises(NoiseError):
        open_object(data, len(data), world.data(), identity)
