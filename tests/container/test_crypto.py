"""The crypto key and the wrapping of data keys."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_runner.container import ObjectId, new_header, open_header
from backup_runner.container.keys import Cost, CryptoKey, KdfBudget, Keyring, hkdf
from backup_runner.errors import DamagedError, KeyFileError, WrongKeyError

CHEAP = Cost(log2_n=4)
SALT = b"s" * 32


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n"])
def test_one_newline_is_not_part_of_a_key(length: int, newline: bytes) -> None:
    assert CryptoKey.from_bytes(b"k" * length + newline).raw == b"k" * length


@pytest.mark.parametrize("raw", [b"", b"\n", b"k" * 15 + b"\n", b"k" * 16 + b"\n\n", b"k" * 17, b"k" * 33])
def test_other_lengths_are_refused_and_the_key_is_not_shown(raw: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"16, 24 or 32 bytes, this one has \d+") as caught:
        CryptoKey.from_bytes(raw)
    assert "kk" not in str(caught.value)


@given(st.sampled_from([16, 24, 32]), st.sampled_from([b"", b"\n", b"\r\n"]), st.integers(0, 255))
def test_a_generated_key_reads_back_with_and_without_newline(length: int, newline: bytes, end: int) -> None:
    endings = iter([end, 65])
    key = CryptoKey.generate(length, random=lambda count: bytes(count - 1) + bytes([next(endings)]))
    assert CryptoKey.from_bytes(key.raw + newline) == key


def test_repr_hides_all_secrets() -> None:
    ring = Keyring(CryptoKey(b"secretsecretsecr"))
    ring.wrap(b"d" * 32, SALT, CHEAP)
    assert "secret" not in repr(ring) + repr(ring.crypto_key)
    assert ring.stretch(SALT, CHEAP).hex()[:8] not in repr(ring)
    assert repr(ring) == "Keyring(crypto_key=CryptoKey())"


def test_derivations_are_frozen() -> None:
    ring = Keyring(CryptoKey(b"k" * 16))
    stanza = ring.wrap(b"d" * 32, SALT, CHEAP)
    stretched = hashlib.scrypt(b"k" * 16, salt=SALT, n=16, r=8, p=1, dklen=32)
    assert ring.stretch(SALT, CHEAP) == stretched
    assert stanza.key_id == hkdf(stretched, b"key-id", 8)
    assert (stanza.key_id.hex(), stanza.wrapped.hex()[:16], ring.crypto_key.key_id) == FROZEN


FROZEN = ("52786ca8170dca74", "5283e97e82e0c12a", "66a9db379f5b8d27")


def test_scrypt_runs_once_and_its_result_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Keyring(CryptoKey(b"k" * 32))
    stanza = ring.wrap(b"d" * 32, SALT, CHEAP)

    def refuse(*_: object, **__: object) -> bytes:
        raise AssertionError("scrypt ran again")

    monkeypatch.setattr(hashlib, "scrypt", refuse)
    assert ring.unwrap(stanza) == b"d" * 32
    assert pickle.loads(pickle.dumps(ring)).unwrap(stanza) == b"d" * 32


def test_a_wrong_key_is_told_from_a_damaged_wrap() -> None:
    stanza = Keyring(CryptoKey(b"k" * 32)).wrap(b"d" * 32, SALT, CHEAP)
    with pytest.raises(WrongKeyError):
        Keyring(CryptoKey(b"x" * 32)).unwrap(stanza)
    with pytest.raises(DamagedError):
        Keyring(CryptoKey(b"k" * 32)).unwrap(stanza._replace(wrapped=b"w" * 40))


@pytest.mark.parametrize("cost", [Cost(21), Cost(255), Cost(0), Cost(4, r=9), Cost(4, r=1), Cost(4, p=5), Cost(4, p=0)])
def test_costs_out_of_bounds_are_refused_before_scrypt(cost: Cost) -> None:
    with pytest.raises(DamagedError, match="refused scrypt cost"):
        Keyring(CryptoKey(b"k" * 32)).stretch(SALT, cost)


def test_the_default_cost_is_what_the_format_says() -> None:
    assert Cost() == (16, 8, 1)
    assert len(Keyring(CryptoKey(b"k" * 32)).new_salt()) == 32


def test_a_budget_counts_what_is_new_and_bounds_memory() -> None:
    ring = Keyring(CryptoKey(b"k" * 16), budget=KdfBudget(units=2, log2_n=16))
    stretched = ring.stretch(SALT, CHEAP)
    assert ring.knows(SALT, CHEAP)
    assert ring.stretch(SALT, CHEAP) == stretched
    with pytest.raises(DamagedError, match="exceeds the limit"):
        ring.stretch(SALT, Cost(log2_n=17))
    with pytest.raises(DamagedError, match="exceeds the limit"):
        ring.stretch(SALT, Cost(log2_n=16, p=2))
    ring.stretch(b"t" * 32, CHEAP)
    with pytest.raises(DamagedError, match="exceeds the limit"):
        ring.stretch(bytes(32), CHEAP)


def test_what_is_known_is_tried_before_what_costs(object_id: ObjectId) -> None:
    """Strangers' stanzas stand before ours in a header; with no budget left, ours opens all the same."""
    ring = Keyring(CryptoKey(b"k" * 16), budget=KdfBudget(units=1))
    header, _ = new_header(object_id, ring, SALT, cost=CHEAP)
    stanza = header[56:143]
    strange = stanza[:15] + bytes(32) + stanza[47:]
    head = header[:12] + (len(header) + 15 * len(stanza)).to_bytes(4, "big") + header[16:54] + b"\0\x10"
    head += 15 * strange + stanza
    head += hashlib.sha256(head).digest()
    with pytest.raises(DamagedError, match="header was modified"):
        open_header(head + bytes(32), object_id, ring)
