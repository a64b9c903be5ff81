"""Writes tests/container/vectors/: run by hand when the format gets a new version, never to make a test pass.

Each case is an object, the key and name to open it by, and the outcome. All randomness is fixed, but another zstd may
compress differently, so the files are compared with what they open to, not with what this script writes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from backup_runner.container import (
    Index,
    IndexEntry,
    ObjectId,
    ObjectKind,
    Stream,
    open_header,
    seal_index,
    seal_object,
)
from backup_runner.container.index import seal_stream
from backup_runner.container.keys import DEFAULT_COST, Cost, CryptoKey, Keyring, hkdf

HERE = Path(__file__).parent / "vectors"
LINEAGE = bytes.fromhex("00112233445566778899aabbccddeeff")
SALT = hashlib.sha256(b"salt").digest()
CHEAP = Cost(log2_n=4)
SEGMENT = 4096
KEYS = {length: hashlib.shake_256(b"key").digest(length) for length in (16, 24, 32)}


def fixed_random(seed: str) -> Callable[[int], bytes]:
    calls = iter(range(1 << 40))
    return lambda length: hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(length)


def noise(length: int) -> bytes:
    return hashlib.shake_256(b"noise").digest(length)


class Writer:
    """Collects cases and writes them out."""

    def __init__(self) -> None:
        self.cases: list[dict[str, Any]] = []

    def add(
        self,
        case: str,
        data: bytes,
        object_id: ObjectId,
        key: bytes,
        *,
        outcome: str = "whole",
        payload: bytes | None = None,
        contents: dict[bytes, bytes] | None = None,
        why: str = "",
    ) -> None:
        """`contents`: what both readers must give, no more; `outcome`: whole, damaged, refused, wrong key."""
        (HERE / f"{case}.bin").write_bytes(data)
        self.cases.append(
            {
                "file": f"{case}.bin",
                "name": object_id.name,
                "key": key.hex(),
                "outcome": outcome,
                "why": why,
                "payload_sha256": None if payload is None else hashlib.sha256(payload).hexdigest(),
                "contents": {p.hex(): hashlib.sha256(c).hexdigest() for p, c in (contents or {}).items()},
            }
        )

    def close(self) -> None:
        (HERE / "cases.json").write_text(json.dumps(self.cases, indent=1) + "\n")


def new_id(case: str, kind: ObjectKind = ObjectKind.DATA) -> ObjectId:
    return ObjectId(LINEAGE, kind, hashlib.md5(case.encode()).digest())


def entries_of(contents: dict[bytes, bytes]) -> list[IndexEntry]:
    entries, at = [], 0
    for path, content in contents.items():
        # BLAKE3 is not checked by either reader here: any 32 bytes do.
        digests = hashlib.md5(content).digest(), hashlib.sha256(content).digest()
        entries.append(IndexEntry(len(content), *digests, at, len(content), 0, None, path, 0o644, 1 << 60))
        at += len(content)
    return entries


def seal(
    case: str,
    payload: bytes,
    *,
    key: bytes = KEYS[32],
    object_id: ObjectId | None = None,
    entries: Sequence[IndexEntry] = (),
    segment_size: int = SEGMENT,
    cost: Cost = CHEAP,
) -> bytes:
    return seal_object(
        object_id or new_id(case),
        Keyring(CryptoKey(key)),
        SALT,
        payload,
        entries=entries,
        random=fixed_random(case),
        segment_size=segment_size,
        cost=cost,
    )


def sizes(out: Writer) -> None:
    for length, key in KEYS.items():
        for size in (0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1):
            case, content = f"aes{length * 8}-{size}", noise(size)
            data = seal(case, content, key=key, entries=entries_of({b"f": content}))
            out.add(case, data, new_id(case), key, payload=content, contents={b"f": content})
    case, content = "full-size", b"line of text\n" * 90000
    data = seal(case, content, segment_size=1 << 20, cost=DEFAULT_COST, entries=entries_of({b"f": content}))
    out.add(case, data, new_id(case), KEYS[32], payload=content, contents={b"f": content})


def kinds(out: Writer) -> None:
    ids = (
        ObjectId.record(LINEAGE, 42),
        new_id("copy", ObjectKind.COPIES),
        new_id("lease", ObjectKind.LEASE),
    )
    for object_id in ids:
        case = f"kind-{object_id.kind.label}"
        data = seal(case, b'{"a":1}\n' * 1000, object_id=object_id)
        out.add(case, data, object_id, KEYS[32], payload=b'{"a":1}\n' * 1000)


PACK = {b"a": noise(100), b"dir/b": noise(5000), b"\xff\n\xc3\xa4": b"c" * 3000, b"e": b"", b"z": noise(3000)}


def damages(out: Writer) -> None:
    case, key = "pack", KEYS[32]
    object_id, payload = new_id("pack"), b"".join(PACK.values())
    data = seal(case, payload, entries=entries_of(PACK))
    out.add(case, data, object_id, key, payload=payload, contents=PACK)
    first = 207 + 4096 + 80  # header, first segment
    middle = bytearray(data)
    middle[first + 100] ^= 1
    kept = {path: PACK[path] for path in (b"a", b"e")}
    out.add("pack-flip", bytes(middle), object_id, key, outcome="damaged", contents=kept, why="data segment 1")
    for name, mutated, contents, why in (
        ("pack-no-trailer", data[:-96], PACK, "trailer"),
        ("pack-half-trailer", data[:-50], PACK, "trailer"),
        ("pack-no-index", data[:-300], {}, "trailer"),
        ("pack-appended", data + b"\0", PACK, "trailer"),
        ("pack-twice", data + data, PACK, "was sealed with"),
    ):
        out.add(name, mutated, object_id, key, outcome="damaged", contents=contents, why=why)
    out.add("pack-cut-header", data[:200], object_id, key, outcome="refused", why="header")
    out.add("pack-empty", b"", object_id, key, outcome="refused", why="header")
    out.add("pack-renamed", data, new_id("other"), key, outcome="refused", why="under this name")
    out.add("pack-wrong-key", data, object_id, key[::-1], outcome="wrong key", why="another crypto key")
    full = {b"%d" % n: noise(4096 * 3)[n * 4096 :][:4096] for n in range(3)}
    case = "swapped"
    whole = seal(case, b"".join(full.values()), entries=entries_of(full))
    parts = [whole[207 + n * 4176 : 207 + (n + 1) * 4176] for n in range(3)]
    swapped = whole[:207] + parts[1] + parts[0] + parts[2] + whole[207 + 3 * 4176 :]
    kept = {b"2": full[b"2"]}
    out.add(case, swapped, new_id(case), key, outcome="damaged", contents=kept, why="another segment")


def headers(out: Writer) -> None:
    """Headers that this program does not write, but whoever reads the format must know what to do with."""
    payload = b"for two"
    data = seal("two-recipients", payload)
    ours = data[56 : 207 - 64]
    unknown = struct.pack(">HH", 99, 5) + b"later"
    other = Keyring(CryptoKey(KEYS[16])).wrap(bytes(32), SALT[::-1], CHEAP)
    foreign = struct.pack(">HH8sBBB32s40s", 1, 83, other.key_id, *CHEAP, other.salt, other.wrapped)
    cases = (
        ("two-recipients", unknown + foreign + ours, 3, "whole", ""),
        ("unknown-recipients", unknown, 1, "wrong key", "another crypto key"),
        ("cost-too-high", ours[:12] + b"\x15" + ours[13:], 1, "refused", "scrypt cost"),
        ("no-recipient", b"", 0, "refused", "number of stanzas"),
        ("stanza-overruns", ours[:-1], 1, "refused", "stanzas"),
    )
    for case, stanzas, count, outcome, why in cases:
        object_id = new_id(case)
        head = forge_header(data[:56], stanzas, count, object_id)
        rest = data[207:]
        if outcome == "whole":
            keys = open_header(head, object_id, Keyring(CryptoKey(KEYS[32]))).keys
            segments = seal_stream(keys, Stream.DATA, payload, random=fixed_random("segments"))
            index = Index(len(payload), [len(segment) for segment in segments])
            rest = b"".join(segments) + seal_index(keys, index, random=fixed_random("index"))
        given = payload if outcome == "whole" else None
        out.add(case, head + rest, object_id, KEYS[32], outcome=outcome, why=why, payload=given)


def altered_header(out: Writer) -> None:
    """The checksum has no key: who alters a header can make it right, and must meet the MAC."""
    case, content = "header-altered", b"content" * 10
    data = seal(case, content, entries=entries_of({b"f": content}))
    head = data[:50] + struct.pack(">I", 2 * SEGMENT) + data[54 : 207 - 64]
    forged = head + hashlib.sha256(head).digest() + data[207 - 32 :]
    out.add(case, forged, new_id(case), KEYS[32], outcome="refused", why="header was modified")


def forge_header(fixed: bytes, stanzas: bytes, count: int, object_id: ObjectId) -> bytes:
    """A header with right checksum and MAC around any stanzas."""
    length = 56 + len(stanzas) + 64
    head = fixed[:12] + struct.pack(">I", length) + fixed[16:33] + object_id.id
    head += fixed[49:54] + struct.pack(">H", count) + stanzas
    head += hashlib.sha256(head).digest()
    data_key = fixed_random("two-recipients")(32)
    return head + hmac.digest(hkdf(data_key, b"header", 32), head, "sha256")


def stretches(out: Writer) -> None:
    content, group = noise(10000), b"g" * 16
    md5 = hashlib.md5(content).digest()
    for number, (at, length) in enumerate([(0, 6000), (6000, 4000)]):
        case = f"stretch-{number}"
        hashes = (md5, hashlib.sha256(content).digest()) if number else (None, None)
        entry = IndexEntry(10000, *hashes, 0, length, at, group, b"large")
        part = content[at : at + length]
        # On its own it is a sound object, and its one entry is a stretch, not a content.
        out.add(case, seal(case, part, entries=[entry]), new_id(case), KEYS[32], payload=part)


def main() -> None:
    HERE.mkdir(exist_ok=True)
    out = Writer()
    for write in (sizes, kinds, damages, headers, altered_header, stretches):
        write(out)
    out.close()


if __name__ == "__main__":
    main()
