"""Keys as text, and every form in which a key file may hold a secret."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.container.identity import Identity
from backup_runner.container.suite2.recipients import Public, fingerprint, read_recipient
from backup_runner.container.suite2.seeds import Secret, SecretKind, read_secret, seal_pair
from backup_runner.errors import DamagedError, KeyFileError, WrongKeyError
from backup_runner.keytext import RECIPIENT, KeyTextError, decode_text, encode_text

from .lineages import SALT, pair

RAW = bytes(range(200, 232))
LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def test_the_encoding_is_bech32m() -> None:
    """Published examples of BIP 350."""
    assert encode_text("a", b"") == "a1lqfn3a"
    assert decode_text("A1LQFN3A") == ("a", b"")
    assert decode_text("?1v759aa") == ("?", b"")


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_round_trip(data: bytes) -> None:
    text = encode_text("bkr-key", data)
    assert decode_text(text) == ("bkr-key", data)
    assert decode_text(f"# note\n {text[:9]} {text[9:]}\n") == ("bkr-key", data)
    assert decode_text(text.upper()) == ("bkr-key", data)


def test_every_mistyped_missing_and_swapped_letter_is_named_as_such() -> None:
    text = Secret(SecretKind.TEXT, RAW).text
    assert text.startswith("bkr-key1")
    for at in range(len(text)):
        for letter in LETTERS if at >= 8 else "xz7":
            if letter != text[at]:
                with pytest.raises(KeyTextError) as caught:
                    read_secret((text[:at] + letter + text[at + 1 :]).encode())
                assert text[8:20] not in str(caught.value)
                if at >= 8:
                    assert f"character {at + 1}" in str(caught.value)
        with pytest.raises(KeyFileError):
            read_secret((text[:at] + text[at + 1 :]).encode())
        if at > 8 and text[at] != text[at - 1]:
            with pytest.raises(KeyTextError):
                read_secret((text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]).encode())


def test_a_letter_that_cannot_stand_there_is_named_by_its_place() -> None:
    text = Secret(SecretKind.TEXT, RAW).text
    with pytest.raises(KeyTextError, match="character 20 of the key text"):
        decode_text(text[:19] + "b" + text[20:])
    for letter in "1bio":
        with pytest.raises(KeyTextError, match="character 30 of the key text is not allowed"):
            decode_text(text[:29] + letter + text[30:])
    with pytest.raises(KeyTextError, match="mixes"):
        decode_text(text[:19] + text[19:].upper())


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_raw_key_stays_what_it_was(length: int, end: bytes) -> None:
    assert read_secret(RAW[:length] + end) == Secret(SecretKind.RAW, RAW[:length])
    # 16 bytes in hex, or 16 or 24 in base64, have the length of a raw key: they are taken for one, as ever.
    for ascii_key in (RAW[:16].hex().encode(), base64.b64encode(RAW[:16]), base64.b64encode(RAW[:24])):
        assert read_secret(ascii_key + end) == Secret(SecretKind.RAW, ascii_key)


@pytest.mark.parametrize(
    "text",
    [
        RAW.hex(),
        RAW.hex().upper() + "\n",
        base64.b64encode(RAW).decode() + "\n",
        Secret(SecretKind.RAW, RAW).text,
        "# the key of the NAS\n" + Secret(SecretKind.RAW, RAW).text.upper() + "\n",
    ],
)
def test_the_same_raw_key_as_text(text: str) -> None:
    secret = read_secret(text.encode())
    assert secret == Secret(SecretKind.RAW, RAW)
    assert secret.crypto_key
    assert secret.crypto_key.raw == RAW


def test_hex_of_24_bytes() -> None:
    assert read_secret(RAW[:24].hex().encode()) == Secret(SecretKind.RAW, RAW[:24])


@pytest.mark.parametrize("kind", [SecretKind.TEXT, SecretKind.PAIR])
def test_generated_secrets_read_back(kind: SecretKind) -> None:
    secret = Secret.generate(kind)
    assert read_secret(secret.text.encode()) == secret
    assert not secret.stretched
    assert secret.crypto_key is None
    assert secret.value.hex() not in repr(secret) + repr(Identity(secret))


def test_a_pair_under_a_passphrase() -> None:
    secret = pair("sealed")
    text = seal_pair(secret, "correct horse")
    assert read_secret(text.encode(), "correct horse") == secret
    with pytest.raises(WrongKeyError, match="passphrase"):
        read_secret(text.encode(), "wrong horse")
    with pytest.raises(KeyFileError, match="protected by a passphrase"):
        read_secret(text.encode())


@pytest.mark.parametrize("raw", [b"", b"\n", b"k" * 15, b"k" * 33, b"\xff" * 100, b"hello bkr", b"bkr-key1"])
def test_what_is_no_key(raw: bytes) -> None:
    with pytest.raises(KeyFileError):
        read_secret(raw)


def test_texts_of_other_kinds() -> None:
    recipient = Public.of(Identity(pair("a")), SALT).text
    with pytest.raises(KeyFileError, match="public key, which cannot decrypt anything"):
        read_secret(recipient.encode())
    with pytest.raises(KeyFileError, match="newer version"):
        read_secret(encode_text("bkr-other", RAW).encode())
    with pytest.raises(KeyFileError, match="newer version"):
        read_secret(encode_text("bkr-key", RAW[:31]).encode())
    for text in (Secret(SecretKind.PAIR, RAW).text, encode_text(RECIPIENT, bytes(100)), "nonsense"):
        with pytest.raises(KeyFileError):
            read_recipient(text)


@pytest.mark.parametrize("length", [0, 1025])
def test_passphrases_have_bounds(length: int) -> None:
    with pytest.raises(KeyFileError, match="1 to 1024 bytes"):
        Secret.of_passphrase("p" * length)


def test_recipients_as_text() -> None:
    public = Public.of(Identity(pair("ops")), SALT)
    assert read_recipient(f"# ops\n{public.text}\n") == public
    assert len(public.text) < 2020
    assert fingerprint(public.opening) == fingerprint(read_recipient(public.text).opening)
    mistyped = public.text[:-100] + ("q" if public.text[-100] != "q" else "p") + public.text[-99:]
    with pytest.raises(KeyTextError):
        read_recipient(mistyped)
    for broken in (bytes(1184) + bytes(32) + public.signing, public.opening + bytes(32)):
        with pytest.raises((KeyFileError, DamagedError)):
            read_recipient(encode_text(RECIPIENT, broken))
