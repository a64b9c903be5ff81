"""The secrets of a lineage's epochs: from a stanza, or from a later epoch's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ...errors import DamagedError
from .envelope import Envelope, stanza_info
from .pairs import SECRET_LENGTH, epoch_pair, expand, open_secret, seal_secret
from .primitives import hkdf


def public_of(secret: bytes) -> bytes:
    """The public key of the epoch with this secret."""
    return expand(epoch_pair(secret))[1]


def open_epochs(envelope: Envelope, known: bytes | None, recipient: Callable[[], bytes]) -> list[bytes] | None:
    """The secrets of all epochs up to the envelope's; None if neither `known` nor the recipient's pair opens it.

    Raises DamagedError if what opens is not the epoch's secret.
    """
    secret = known if known is not None else _from_stanza(envelope, recipient())
    if secret is None:
        return None
    if public_of(secret) != envelope.public:
        raise DamagedError("the envelope's secret does not match its public key")
    return [*_older(envelope, secret), secret]


def seal_epoch(secret: bytes, lineage: bytes, epoch: int, recipients: Sequence[bytes]) -> tuple[bytes, ...]:
    """One stanza for each recipient's public key."""
    return tuple(seal_secret(secret, public, stanza_info(lineage, epoch)) for public in recipients)


def wrap_older(secret: bytes, older: Sequence[bytes]) -> bytes:
    """The secrets of all epochs before, under the newest; nothing in epoch 1."""
    return aes_key_wrap(hkdf(secret, b"older"), b"".join(older)) if older else b""


def _from_stanza(envelope: Envelope, pair: bytes) -> bytes | None:
    for stanza in envelope.stanzas:
        secret = open_secret(stanza, pair, envelope.stanza_info)
        if secret is not None:
            return secret
    return None


def _older(envelope: Envelope, secret: bytes) -> list[bytes]:
    if not envelope.older:
        return []
    try:
        joined = aes_key_unwrap(hkdf(secret, b"older"), envelope.older)
    except InvalidUnwrap as error:
        raise DamagedError("the secrets of older epochs are damaged") from error
    return [joined[at : at + SECRET_LENGTH] for at in range(0, len(joined), SECRET_LENGTH)]
