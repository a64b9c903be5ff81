"""From a person's secret to the seed of their key pair (docs/format.md, Secrets)."""

from __future__ import annotations

import base64
import os
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ... import keytext
from ...errors import KeyFileError, WrongKeyError
from ..keys import DEFAULT_COST, KEY_LENGTHS, CryptoKey, KdfBudget, Random, scrypt
from .primitives import hkdf

SEED_LENGTH = 32
MAX_PASSPHRASE = 1024

_SHORTEST_TEXT = 36
_SEALED_LENGTH = 32 + SEED_LENGTH + 8
_TEXTS = {
    keytext.TEXT_KEY: (32,),
    keytext.RAW_KEY: KEY_LENGTHS,
    keytext.PAIR: (SEED_LENGTH,),
    keytext.SEALED_PAIR: (_SEALED_LENGTH,),
}


class SecretKind(StrEnum):
    """How a secret becomes a seed."""

    RAW = "raw"
    TEXT = "text"
    PASSPHRASE = "passphrase"  # noqa: S105
    PAIR = "pair"
    HOST = "host"
    """A host's signing key, to which nothing is encrypted."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One recipient's secret; `stretched`: whether it needs scrypt."""

    kind: SecretKind
    value: bytes = field(repr=False)

    @classmethod
    def of_passphrase(cls, text: str) -> Secret:
        """A passphrase, normalised so that it does not matter how accents were typed. Raises KeyFileError."""
        value = unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")
        if not 1 <= len(value) <= MAX_PASSPHRASE:
            raise KeyFileError(f"a passphrase has 1 to {MAX_PASSPHRASE} bytes, this one has {len(value)}")
        return cls(SecretKind.PASSPHRASE, value)

    @classmethod
    def generate(cls, kind: SecretKind = SecretKind.TEXT, *, random: Random = os.urandom) -> Secret:
        """A new random text key or key pair."""
        return cls(kind, random(32))

    @property
    def stretched(self) -> bool:
        """Whether its seed costs a run of scrypt for each salt."""
        return self.kind in (SecretKind.RAW, SecretKind.PASSPHRASE)

    @property
    def crypto_key(self) -> CryptoKey | None:
        """The key for suite 1, if it is one."""
        return CryptoKey(self.value) if self.kind is SecretKind.RAW else None

    @property
    def text(self) -> str:
        """Its text form. Raises KeyFileError for a passphrase, which is text already."""
        prefixes = {
            SecretKind.RAW: keytext.RAW_KEY,
            SecretKind.TEXT: keytext.TEXT_KEY,
            SecretKind.PAIR: keytext.PAIR,
            SecretKind.HOST: keytext.HOST,
        }
        if self.kind not in prefixes:
            raise KeyFileError("a passphrase has no text form")
        return keytext.encode_text(prefixes[self.kind], self.value)

    def seed(self, salt: bytes, stretched: bytes | None) -> bytes:
        """The seed under a lineage's salt; `stretched` is scrypt's result for kinds that take it."""
        if self.kind in (SecretKind.PAIR, SecretKind.HOST):
            return self.value
        if self.kind is SecretKind.TEXT:
            return hkdf(self.value, b"random-key", salt)
        if stretched is None:
            raise ValueError("this kind of secret is stretched first")
        return hkdf(stretched, b"stretched-key")


def read_secret(raw: bytes, passphrase: str | None = None, *, budget: KdfBudget | None = None) -> Secret:
    """A secret from the contents of a key file: bytes, or any of the text forms.

    Raises KeyFileError (KeyTextError for a mistyped letter); WrongKeyError if `passphrase` does not open a sealed pair.
    """
    bare = raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
    if len(bare) in KEY_LENGTHS:
        return Secret(SecretKind.RAW, bare)
    text = bare.decode("latin-1").strip()
    if (plain := _plain(text)) is not None:
        return Secret(SecretKind.RAW, plain)
    if not text.isascii() or len(text) <= _SHORTEST_TEXT:
        CryptoKey(bare)  # says what is wrong with its length
    prefix, data = keytext.decode_text(text)
    if prefix == keytext.RECIPIENT:
        raise KeyFileError(
            "this is a recipient's public key, which cannot decrypt anything", hint="use the file of the key pair"
        )
    if prefix == keytext.WRITER:
        raise KeyFileError(
            "this is a writer's public signing key, which cannot decrypt anything", hint="use the key of a recipient"
        )
    if prefix == keytext.HOST:
        raise KeyFileError(
            "this is the signing key of a host, which cannot decrypt anything", hint="use the key of a recipient"
        )
    if len(data) not in _TEXTS.get(prefix, ()):
        raise KeyFileError("unknown kind of key text, perhaps from a newer version")
    if prefix == keytext.SEALED_PAIR:
        return Secret(SecretKind.PAIR, _unseal(data, passphrase, budget))
    kind = {keytext.RAW_KEY: SecretKind.RAW, keytext.TEXT_KEY: SecretKind.TEXT, keytext.PAIR: SecretKind.PAIR}[prefix]
    return Secret(kind, data)


def read_host(raw: bytes) -> Secret:
    """A host's signing key from its text. Raises KeyFileError."""
    prefix, data = keytext.decode_text(raw.decode("latin-1"))
    if prefix != keytext.HOST or len(data) != SEED_LENGTH:
        raise KeyFileError("this is not the signing key of a host")
    return Secret(SecretKind.HOST, data)


def seal_pair(pair: Secret, passphrase: str, *, random: Random = os.urandom) -> str:
    """The text form of a key pair under a passphrase."""
    salt = random(32)
    stretched = scrypt(Secret.of_passphrase(passphrase).value, salt, DEFAULT_COST)
    return keytext.encode_text(keytext.SEALED_PAIR, salt + aes_key_wrap(hkdf(stretched, b"pair-file"), pair.value))


def _unseal(data: bytes, passphrase: str | None, budget: KdfBudget | None) -> bytes:
    if passphrase is None:
        raise KeyFileError("this key pair is protected by a passphrase", hint="set `passphrase_env` next to `key_file`")
    if budget:
        budget.spend(DEFAULT_COST)
    stretched = scrypt(Secret.of_passphrase(passphrase).value, data[:32], DEFAULT_COST)
    try:
        return aes_key_unwrap(hkdf(stretched, b"pair-file"), data[32:])
    except InvalidUnwrap as error:
        raise WrongKeyError("wrong passphrase for this key pair", hint="check the passphrase") from error


def _plain(text: str) -> bytes | None:
    """A raw key as hex or base64, if its length is unambiguous; shorter ones are raw keys by their length."""
    if re.fullmatch(r"[0-9a-fA-F]{48}|[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    if re.fullmatch(r"[0-9A-Za-z+/]{43}=", text):
        return base64.b64decode(text)
    return None
