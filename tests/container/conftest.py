"""What the container's tests share: cheap keys, one sealed pack, and docs/recover.py as a module."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from backup_runner.container import IndexEntry, ObjectId, ObjectKind, seal_object
from backup_runner.container.keys import Cost, CryptoKey, Keyring

ROOT = Path(__file__).parents[2]
CHEAP = Cost(log2_n=4)
LINEAGE = bytes(range(16))
SALT = b"s" * 32
SEGMENT = 4096


def stream_random(seed: str) -> Callable[[int], bytes]:
    """Random bytes that are the same in every run."""
    calls = iter(range(1 << 40))
    return lambda length: hashlib.shake_256(f"{seed}/{next(calls)}".encode()).digest(length)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(CryptoKey(b"k" * 32))


@pytest.fixture
def object_id() -> ObjectId:
    return ObjectId(LINEAGE, ObjectKind.DATA, b"i" * 16)


@pytest.fixture(scope="session")
def recover() -> ModuleType:
    """The stand-alone reader, for tests that open thousands of objects; others run it as a process."""
    spec = importlib.util.spec_from_file_location("recover", ROOT / "docs" / "recover.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries_of(contents: dict[bytes, bytes]) -> list[IndexEntry]:
    """Index entries of contents packed one after the other."""

    def each() -> Iterator[IndexEntry]:
        at = 0
        for path, content in contents.items():
            md5 = hashlib.md5(content).digest()
            yield IndexEntry(len(content), md5, bytes(32), at, len(content), path=path, mode=0o640, mtime_ns=-1)
            at += len(content)

    return list(each())


@pytest.fixture(scope="session")
def pack_contents() -> dict[bytes, bytes]:
    """Four contents; the second spans segments 0 and 1, the third lies in segment 1, the fourth in 2 and 3."""
    return {
        b"a": b"alpha" * 20,
        b"dir/b": b"beta " * 1200,
        b"\xff\n": b"gamma" * 10,
        b"empty": b"",
        b"d": b"delta" * 1500,
    }


@pytest.fixture
def pack(keyring: Keyring, object_id: ObjectId, pack_contents: dict[bytes, bytes]) -> bytes:
    return seal_object(
        object_id,
        keyring,
        SALT,
        b"".join(pack_contents.values()),
        entries=entries_of(pack_contents),
        random=stream_random("pack"),
        segment_size=SEGMENT,
        cost=CHEAP,
    )


Seal = Callable[..., bytes]


@pytest.fixture
def seal(keyring: Keyring) -> Seal:
    """Seal a payload cheaply: seal(object_id, payload, **options)."""

    def sealed(object_id: ObjectId, payload: bytes, **options: object) -> bytes:
        given = {"segment_size": SEGMENT, "cost": CHEAP, **options}
        return seal_object(object_id, keyring, SALT, payload, **given)  # type: ignore[arg-type]

    return sealed


@pytest.fixture
def pack_entries() -> Callable[[dict[bytes, bytes]], list[IndexEntry]]:
    return entries_of
