"""Writes tests/container/vectors2/: run by hand when suite 2 gets a new version, never to make a test pass.

Each case is an object, a secret and a name to open it by, and the outcome. HPKE draws its own randomness, so what this
writes differs each time: the files are frozen, not this script's output.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3

from backup_runner.container import Index, IndexEntry, ObjectId, ObjectKind, Stream
from backup_runner.container.identity import Identity
from backup_runner.container.index import encode_index
from backup_runner.container.suite2.editing import Members, Succession, amend, found, rotate
from backup_runner.container.suite2.envelope import ZERO, Envelope, lineage_of, unsigned
from backup_runner.container.suite2.epochs import seal_epoch, wrap_older
from backup_runner.container.suite2.header import ObjectKeys, new_header, read_header
from backup_runner.container.suite2.index import seal_stream, seal_tail
from backup_runner.container.suite2.lineage import NO_ENROLMENT, Lineage, Rights, Writer, enrol
from backup_runner.container.suite2.padding import padded
from backup_runner.container.suite2.primitives import encrypt_blocks, keyed, keystream, sha256
from backup_runner.container.suite2.roster import EnrolledWriter, Mark, Recipient, Roster, seal_keys
from backup_runner.container.suite2.sealer import seal_object
from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.container.suite2.segment import HEAD
from backup_runner.container.suite2.signing import SigningKey
from backup_runner.container.suite2.trailer import TRAILER_LENGTH, Lengths, seal_trailer

HERE = Path(__file__).parent / "vectors2"
SALT = hashlib.sha256(b"salt").digest()
SEGMENT = 4096
RAW = hashlib.shake_256(b"key").digest(32)


def pair(name: str) -> Secret:
    return Secret(SecretKind.PAIR, hashlib.sha256(name.encode()).digest())


OWNER, READER, LATE, STRANGER = (Identity(pair(name)) for name in ("owner", "reader", "late", "stranger"))
KEYS = {id(one): one.signing_key(SALT) for one in (OWNER, READER, LATE, STRANGER)}
HOST = SigningKey.from_seed(hashlib.sha256(b"host").digest())


def key_of(one: Identity) -> SigningKey:
    return KEYS[id(one)]


def members(*people: Identity, owners: Sequence[Identity] = (OWNER,)) -> Members:
    return Members([one.public(SALT) for one in people], [key_of(one).public for one in owners])


FIRST = found(members(OWNER), key_of(OWNER), SALT)
SECRETS = OWNER.epoch_secrets(FIRST)
SECOND = amend(FIRST, SECRETS, members(OWNER, READER, owners=(OWNER, READER)), key_of(OWNER))
THIRD = rotate(SECOND, SECRETS, members(OWNER, LATE), key_of(OWNER))
ID = FIRST.lineage


def forged(envelope: Envelope, key: SigningKey, rights: Rights = Rights.OWNER, proof: bytes = NO_ENROLMENT) -> Lineage:
    """What an attacker's own program would seal with: nothing is checked."""
    lineage = object.__new__(Lineage)
    object.__setattr__(lineage, "envelope", envelope)
    object.__setattr__(lineage, "writer", Writer(key, rights, proof))
    return lineage


def sealing(envelope: Envelope = SECOND) -> Lineage:
    return forged(envelope, key_of(OWNER))


def new_id(case: str, kind: ObjectKind = ObjectKind.DATA, lineage: bytes = ID) -> ObjectId:
    return ObjectId(lineage, kind, hashlib.md5(case.encode()).digest())


def noise(length: int) -> bytes:
    return hashlib.shake_256(b"noise").digest(length)


def entries_of(contents: dict[bytes, bytes]) -> list[IndexEntry]:
    found_, at = [], 0
    for path, content in contents.items():
        digests = hashlib.md5(content).digest(), bytes(blake3(content).digest())
        found_.append(IndexEntry(len(content), *digests, at, len(content), 0, None, path, 0o644, 1 << 60))
        at += len(content)
    return found_


class Vectors:
    """Collects cases and writes them out."""

    def __init__(self) -> None:
        self.cases: list[dict[str, Any]] = []

    def add(
        self,
        case: str,
        data: bytes,
        *,
        object_id: ObjectId | None = None,
        secret: Secret = OWNER.secret,
        outcome: str = "whole",
        payload: bytes | None = None,
        why: str = "",
    ) -> None:
        """`outcome`: whole, damaged, noise, wrong key or not entitled."""
        (HERE / f"{case}.bin").write_bytes(data)
        text = secret.value.decode() if secret.kind is SecretKind.PASSPHRASE else secret.text
        self.cases.append(
            {
                "file": f"{case}.bin",
                "name": (object_id or new_id(case)).name,
                "kind": secret.kind,
                "secret": text,
                "outcome": outcome,
                "why": why,
                "payload_sha256": None if payload is None else hashlib.sha256(payload).hexdigest(),
            }
        )

    def bad(self, case: str, data: bytes, outcome: str, why: str, **more: Any) -> None:
        self.add(case, data, outcome=outcome, why=why, **more)

    def close(self) -> None:
        (HERE / "cases.json").write_text(json.dumps(self.cases, indent=1) + "\n")


def sizes(out: Vectors) -> None:
    for size in (0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT):
        case, content = f"size-{size}", noise(size)
        lines = entries_of({b"f": content})
        out.add(
            case, seal_object(sealing(), new_id(case), content, entries=lines, segment_size=SEGMENT), payload=content
        )
    text = b"line of text\n" * 90000
    out.add(
        "full-size", seal_object(sealing(), new_id("full-size"), text, entries=entries_of({b"f": text})), payload=text
    )


def secrets(out: Vectors) -> None:
    people = {
        "raw16": Secret(SecretKind.RAW, RAW[:16]),
        "raw32": Secret(SecretKind.RAW, RAW),
        "text": Secret(SecretKind.TEXT, RAW),
        "passphrase": Secret.of_passphrase("Zwölf Boxkämpfer"),
        "pair": pair("pair"),
    }
    for name, secret in people.items():
        one = Identity(secret)
        key = one.signing_key(SALT)
        envelope = found(Members([READER.public(SALT), one.public(SALT)], [key.public]), key, SALT)
        object_id = new_id(name, lineage=envelope.lineage)
        data = seal_object(Lineage(envelope, Writer(key)), object_id, b"hello")
        out.add(f"secret-{name}", data, object_id=object_id, secret=secret, payload=b"hello")
    after = Succession(b"suite-1-lineage!", sha256(b"a record"))
    envelope = found(members(OWNER), key_of(OWNER), SALT, after=after)
    object_id = new_id("succession", lineage=envelope.lineage)
    out.add("succession", seal_object(sealing(envelope), object_id, b"x"), object_id=object_id, payload=b"x")


def kinds(out: Vectors) -> None:
    ids = (ObjectId.record(ID, 42), new_id("copy", ObjectKind.COPIES), new_id("lease", ObjectKind.LEASE))
    for object_id in ids:
        data = seal_object(sealing(), object_id, b'{"a":1}\n' * 1000, segment_size=SEGMENT)
        out.add(f"kind-{object_id.kind.label}", data, object_id=object_id, payload=b'{"a":1}\n' * 1000)
    writer = EnrolledWriter("host", HOST.public, Rights.HOST, enrol(key_of(OWNER), ID, HOST.public, Rights.HOST), 3)
    mark = Mark(7, sha256(b"record"))
    person = Recipient("owner", SecretKind.PAIR, OWNER.public(SALT), key_of(OWNER).public, 1)
    roster = Roster([person], [writer._replace(void=mark)], mark, None)
    object_id, data = seal_keys(sealing(), roster)
    out.add("kind-keys", data, object_id=object_id)


def people(out: Vectors) -> None:
    for envelope, who, opens in (
        (SECOND, READER, True),
        (THIRD, LATE, True),
        (THIRD, READER, False),
        (SECOND, LATE, False),
        (SECOND, STRANGER, False),
    ):
        name = next(name for name, one in globals().items() if one is who).lower()
        case = f"envelope-{envelope.number}-for-{name}"
        data = seal_object(sealing(envelope), new_id(case), b"x")
        payload = b"x" if opens else None
        out.add(case, data, secret=who.secret, payload=payload, outcome="whole" if opens else "wrong key")
    proof = enrol(key_of(OWNER), ID, HOST.public, Rights.HOST)
    other = enrol(key_of(OWNER), bytes(16), HOST.public, Rights.HOST)
    by_none = enrol(key_of(STRANGER), ID, HOST.public, Rights.HOST)
    for case, lineage, outcome in (
        ("host", forged(SECOND, HOST, Rights.HOST, proof), "whole"),
        ("host-as-writer", forged(SECOND, HOST, Rights.WRITER, proof), "not entitled"),
        ("host-as-owner", forged(SECOND, HOST), "not entitled"),
        ("host-of-another-lineage", forged(SECOND, HOST, Rights.HOST, other), "not entitled"),
        ("host-by-no-owner", forged(SECOND, HOST, Rights.HOST, by_none), "not entitled"),
        ("enrolment-of-another-key", forged(SECOND, key_of(LATE), Rights.HOST, proof), "not entitled"),
        ("outsider", forged(SECOND, key_of(STRANGER)), "not entitled"),
        ("reader-as-owner", forged(FIRST, key_of(READER)), "not entitled"),
        ("owner-with-enrolment", forged(SECOND, key_of(OWNER), Rights.OWNER, proof), "not entitled"),
    ):
        data = seal_object(lineage, new_id(case), b"x")
        out.add(case, data, outcome=outcome, payload=b"x" if outcome == "whole" else None)


def repaired(data: bytes) -> bytes:
    end = struct.unpack_from(">I", data, 12)[0] - 32
    return data[:end] + hashlib.sha256(data[:end]).digest() + data[end + 32 :]


def damages(out: Vectors) -> None:
    object_id, payload = new_id("pack"), noise(3 * SEGMENT)
    data = seal_object(sealing(), object_id, payload, entries=entries_of({b"f": payload}), segment_size=SEGMENT)
    out.add("pack", data, payload=payload)
    start, step = struct.unpack_from(">I", data, 12)[0], SEGMENT + 80
    one, two, rest = data[start : start + step], data[start + step : start + 2 * step], data[start + 2 * step :]
    other = seal_object(sealing(), new_id("twin"), payload, entries=entries_of({b"f": payload}), segment_size=SEGMENT)
    cases = {
        "flip-segment": data[: start + 99] + bytes([data[start + 99] ^ 1]) + data[start + 100 :],
        "flip-padding": data[:-305] + bytes([data[-305] ^ 1]) + data[-304:],
        "flip-trailer": data[:-99] + bytes([data[-99] ^ 1]) + data[-98:],
        "flip-header": data[:20] + bytes([data[20] ^ 1]) + data[21:],
        "cut-trailer": data[:-304],
        "cut-header": data[:1000],
        "empty": b"",
        "appended": data + b"\0",
        "swapped": data[:start] + two + one + rest,
        "trailer-of-another": data[:-304] + other[-304:],
        "segment-of-another": data[:start] + other[start : start + step] + two + rest,
        "suite-1": repaired(data[:11] + b"\1" + data[12:]),
        "suite-3": repaired(data[:11] + b"\3" + data[12:]),
        "reserved": repaired(data[:49] + b"\1" + data[50:]),
        "segment-size-odd": repaired(data[:50] + struct.pack(">I", 4097) + data[54:]),
        "envelope-longer": repaired(data[:54] + struct.pack(">H", len(SECOND.raw) + 1) + data[56:]),
        "data-key-flipped": repaired(data[: start - 40] + bytes([data[start - 40] ^ 1]) + data[start - 39 :]),
        "another-size-same-key": repaired(data[:50] + struct.pack(">I", 8192) + data[54:]),
    }
    for case, changed in cases.items():
        out.bad(case, changed, "damaged", "", object_id=object_id)
    out.bad("renamed", data, "damaged", "under this name", object_id=new_id("other"))
    out.bad("another-kind", data, "damaged", "under this name", object_id=new_id("pack", ObjectKind.COPIES))
    out.bad("another-lineage", data, "damaged", "under this name", object_id=new_id("pack", lineage=bytes(16)))


def with_envelope(case: str, raw: bytes, lineage: bytes = ID) -> tuple[ObjectId, bytes]:
    object_id = new_id(case, lineage=lineage)
    envelope = replace(SECOND, lineage=lineage, raw=raw)
    return object_id, new_header(forged(envelope, key_of(OWNER)), object_id)[0] + bytes(4096)


def signed(body: bytes, lineage: bytes = ID, key: SigningKey | None = None) -> bytes:
    return body + (key or key_of(OWNER)).sign(b"envelope", lineage + body)


def body_of(envelope: Envelope, **changes: Any) -> bytes:
    one = replace(envelope, **changes)
    return unsigned(
        (one.number, one.epoch, one.salt, one.previous, one.public), one.owners, one.stanzas, one.older, one.signer
    )


def envelopes(out: Vectors) -> None:
    owner, stanza = SECOND.owners[0], SECOND.stanzas[0]
    small = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    large = (2**255 - 19 + 3).to_bytes(32, "little")
    nine = tuple(SigningKey.from_seed(bytes([n]) * 32).public for n in range(9))
    noise_cases: dict[str, dict[str, Any]] = {
        "stanzas-0": {"stanzas": ()},
        "stanzas-17": {"stanzas": (stanza,) * 17},
        "owners-0": {"owners": ()},
        "owners-9": {"owners": nine},
        "owners-twice": {"owners": (owner, owner)},
        "owner-small-order": {"owners": (owner, small)},
        "owner-non-canonical": {"owners": (owner, large)},
        "epoch-0": {"epoch": 0},
        "epoch-65": {"epoch": 65, "older": bytes(2056)},
        "number-0": {"number": 0},
        "older-too-long": {"epoch": 2, "older": bytes(72)},
        "older-in-epoch-1": {"older": bytes(40)},
        "later-without-previous": {"previous": ZERO},
        "false-founder": {"number": 1, "previous": ZERO},
    }
    for case, changes in noise_cases.items():
        object_id, data = with_envelope(case, signed(body_of(SECOND, **changes)))
        out.bad(case, data, "noise", "", object_id=object_id)
    signer = body_of(SECOND, signer=small) + small + bytes(32)
    raws = {"signer-small-order": signer, "stripped": SECOND.raw.replace(b"\2" + stanza, b"\1", 1)}
    raws["cut-envelope"], raws["long-envelope"] = SECOND.raw[:-1], SECOND.raw + b"\0"
    raws["salt-changed"] = SECOND.raw[:12] + bytes(32) + SECOND.raw[44:]
    for case, raw in raws.items():
        object_id, data = with_envelope(case, raw)
        out.bad(case, data, "noise", "", object_id=object_id)
    other = found(members(STRANGER, owners=(STRANGER,)), key_of(STRANGER), SALT)
    object_id, data = with_envelope("envelope-of-another-lineage", other.raw)
    out.bad("envelope-of-another-lineage", data, "noise", "another lineage", object_id=object_id)
    public, secret = OWNER.public(SALT), SECRETS[0]
    later = {"number": 3, "previous": SECOND.digest}
    for case, stanzas, outcome in (
        ("stanza-of-another-secret", seal_epoch(os.urandom(32), ID, 1, [public]), "damaged"),
        ("stanza-of-another-lineage", seal_epoch(secret, bytes(16), 1, [public]), "wrong key"),
        ("stanza-of-another-epoch", seal_epoch(secret, ID, 2, [public]), "wrong key"),
    ):
        object_id, data = with_envelope(case, signed(body_of(SECOND, stanzas=stanzas, **later)))
        out.bad(case, data, outcome, "", object_id=object_id)
    for case, older in (("older-of-another-key", wrap_older(os.urandom(32), SECRETS)), ("older-altered", bytes(40))):
        object_id, data = with_envelope(case, signed(body_of(THIRD, older=older)))
        out.bad(case, data, "damaged", "", object_id=object_id)
    mallory, owners = key_of(STRANGER), (key_of(STRANGER).public,)
    random_public, stanzas = os.urandom(1216), tuple(os.urandom(1168) for _ in range(16))
    lineage = lineage_of(SALT, random_public, owners, mallory.public)
    raw = signed(unsigned((1, 1, SALT, ZERO, random_public), owners, stanzas, b"", mallory.public), lineage, mallory)
    object_id = new_id("stanzas-random", lineage=lineage)
    fixed = struct.pack(
        ">8sHHI16sB16sBIH", b"BKRUNNER", 1, 2, 1256 + len(raw), lineage, 1, object_id.id, 0, 4096, len(raw)
    )
    head = fixed + raw + os.urandom(1168)
    out.bad("stanzas-random", head + sha256(head) + os.urandom(40_000), "wrong key", "", object_id=object_id)


def tail(keys: ObjectKeys, data: list[bytes], plain: bytes, size: int = 0, **changes: Any) -> bytes:
    """The end of an object whose signer may write, and lies."""
    segments = changes.pop("segments", None) or seal_stream(keys, Stream.INDEX, plain)
    sealed, index = sum(map(len, data)), sum(map(len, segments))
    bare = keys.header_length + sealed + index + TRAILER_LENGTH
    lengths = Lengths(size, sealed, len(data), len(segments), len(plain), index, padded(bare) - bare, padded(bare))
    digest = changes.pop("digest", sha256(*(segment[-32:] for segment in segments)))
    more = changes.pop("more", 0)
    lengths = lengths._replace(**{"padding": lengths.padding + more, "total": lengths.total + more, **changes})
    stream = keystream(keys.padding_key, keys.header_digest, lengths.padding)
    return b"".join((*segments, stream, seal_trailer(keys, sealing(), lengths, digest)))


def insiders(out: Vectors) -> None:
    """Who can open an object has its keys; who may write may be faulty."""
    payload = noise(2 * SEGMENT)
    for case, count, change in (
        ("macs-too-few", 1, {}),
        ("macs-too-many", 3, {}),
        ("index-digest", 2, {"digest": bytes(32)}),
        ("index-length", 2, {"index_length": 1}),
        ("data-length", 2, {"data_length": 1}),
        ("padding-longer", 2, {"more": 4096}),
    ):
        header, keys = new_header(sealing(), new_id(case), segment_size=SEGMENT)
        data = seal_stream(keys, Stream.DATA, payload)
        macs = b"".join(segment[-32:] for segment in (*data, data[0])[:count])
        plain = encode_index(keys, Index(len(payload), [len(segment) for segment in data], (), macs))
        out.bad(case, header + b"".join(data) + tail(keys, data, plain, len(payload), **change), "damaged", "")
    case = "segment-by-a-reader"
    header, keys = new_header(sealing(), new_id(case), segment_size=SEGMENT)
    data, mine = (seal_stream(keys, Stream.DATA, content) for content in (payload, payload[::-1]))
    index = Index(len(payload), [len(segment) for segment in data], (), b"".join(segment[-32:] for segment in data))
    out.bad(
        case, header + b"".join(mine) + seal_tail(keys, sealing(), index).data, "damaged", "not the one that was signed"
    )
    frame = zstandard.compress(bytes(100))
    for case, head in (
        ("head-another-stream", (2, 1, 0, 0, 0, 20, 20)),
        ("head-not-last", (1, 0, 0, 0, 0, 20, 20)),
        ("head-another-number", (1, 1, 0, 0, 1, 20, 20)),
        ("head-reserved", (1, 1, 0, 1, 0, 20, 20)),
        ("head-codec", (1, 1, 2, 0, 0, 20, 20)),
        ("head-longer", (1, 1, 0, 0, 0, 21, 20)),
        ("frame-longer-than-its-head", (1, 1, 1, 0, 0, 10, len(frame))),
    ):
        header, keys = new_header(sealing(), new_id(case), segment_size=SEGMENT)
        block = HEAD.pack(*head) + (frame if case.startswith("frame") else bytes(20))
        count = 16 - len(block) % 16
        covered = bytes(16) + encrypt_blocks(keys.cipher_key, bytes(16), block + bytes([count]) * count)
        segment = covered + keyed(keys.mac_key, keys.header_digest, covered)
        plain = encode_index(keys, Index(head[5], [len(segment)], (), segment[-32:]))
        out.bad(case, header + segment + tail(keys, [segment], plain, head[5]), "damaged", "data segment 0")


def chains(out: Vectors) -> None:
    """Envelopes by themselves, for the rules of the chain: `chain.json` says which follows."""
    former = amend(SECOND, SECRETS, members(READER, owners=(READER,)), key_of(READER), number=4)
    after = amend(THIRD, OWNER.epoch_secrets(THIRD), members(OWNER), key_of(OWNER), number=5)
    given = {
        "first": FIRST.raw,
        "second": SECOND.raw,
        "third": THIRD.raw,
        "fork-by-a-dropped-owner": former.raw,
        "after-a-gap": after.raw,
        "salt": signed(body_of(THIRD, number=4, previous=THIRD.digest, salt=bytes(32))),
        "signed-by-the-dropped": signed(
            body_of(THIRD, number=4, previous=THIRD.digest, signer=key_of(READER).public), key=key_of(READER)
        ),
    }
    follows = ["first", "second", "third", "after-a-gap"]
    texts = {name: base64.b64encode(raw).decode() for name, raw in given.items()}
    (HERE / "chain.json").write_text(
        json.dumps({"lineage": ID.hex(), "chain": follows, "envelopes": texts}, indent=1) + "\n"
    )


def main() -> None:
    HERE.mkdir(exist_ok=True)
    out = Vectors()
    for write in (sizes, secrets, kinds, people, damages, envelopes, insiders, chains):
        write(out)
    out.close()
    assert read_header((HERE / "pack.bin").read_bytes(), new_id("pack"))


if __name__ == "__main__":
    main()
