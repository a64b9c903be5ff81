"""Public keys as text: what others need to encrypt to a recipient, or to let a machine write."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import DamagedError, KeyFileError
from ...keytext import RECIPIENT, WRITER, decode_text, encode_text
from ..identity import Identity
from .pairs import PUBLIC_LENGTH, check_public
from .primitives import LABEL, sha256
from .signing import KEY_LENGTH, check_point


class Public(NamedTuple):
    """Both public keys of one recipient; those of raw and text keys and of passphrases are valid for one lineage
    only."""

    opening: bytes
    signing: bytes

    @classmethod
    def of(cls, identity: Identity, salt: bytes) -> Public:
        """The public keys of an identity, for a lineage's salt (which key pairs do not depend on)."""
        return cls(identity.public(salt), identity.signing_key(salt).public)

    @property
    def text(self) -> str:
        """One line, `bkr1…`, of about 2,000 letters."""
        return encode_text(RECIPIENT, self.opening + self.signing)


def read_recipient(text: str) -> Public:
    """A recipient from its text. Raises KeyFileError (KeyTextError for a mistyped letter)."""
    prefix, data = decode_text(text)
    if prefix != RECIPIENT or len(data) != PUBLIC_LENGTH + KEY_LENGTH:
        raise KeyFileError(
            "this is not a recipient's public key", hint="`key recipient FILE` prints the public key of a key pair"
        )
    public = Public(data[:PUBLIC_LENGTH], data[PUBLIC_LENGTH:])
    try:
        check_public(public.opening)
        check_point(public.signing)
    except DamagedError as error:
        raise KeyFileError("this recipient's public key is invalid", hint="ask its owner for it again") from error
    return public


def is_public(text: str) -> bool:
    """Whether this looks like a public key rather than the name of a file that has one."""
    return text.startswith((f"{RECIPIENT}1", f"{WRITER}1"))


def writer_text(public: bytes) -> str:
    """A machine's public signing key as one line, `bkr-writer1…`."""
    return encode_text(WRITER, public)


def read_writer(text: str) -> bytes | None:
    """The signing key in such a text; None if the text has another prefix. Raises KeyFileError (KeyTextError for a
    mistyped letter)."""
    prefix, data = decode_text(text)
    if prefix != WRITER:
        return None
    try:
        check_point(data)
    except DamagedError as error:
        raise KeyFileError("this signing key is invalid", hint="`key writer JOB` prints it on its machine") from error
    return data


def fingerprint(public: bytes) -> str:
    """A short form for people to compare public keys: 16 hex digits in groups of four."""
    digits = sha256(LABEL, b"fingerprint", public).hex()[:16]
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))
