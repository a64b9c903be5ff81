"""Everything needed for sealing; a host that cannot decrypt has the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ...errors import NotEntitledError
from .envelope import Envelope
from .signing import SigningKey, is_signed

ENROLMENT_LENGTH = 64
NO_ENROLMENT = bytes(ENROLMENT_LENGTH)


class Rights(IntEnum):
    """What a signer is; the numbers are stored in trailers."""

    OWNER = 0
    WRITER = 1
    HOST = 2


@dataclass(frozen=True, slots=True)
class Writer:
    """Who signs: an owner, or a key that an owner enrolled."""

    key: SigningKey
    rights: Rights = Rights.OWNER
    enrolment: bytes = NO_ENROLMENT


@dataclass(frozen=True, slots=True)
class Lineage:
    """The newest known envelope, and who signs. Pickles, for worker processes."""

    envelope: Envelope
    writer: Writer

    def __post_init__(self) -> None:
        check_entitled(self.envelope.lineage, self.envelope.owners, self.signer)

    @property
    def id(self) -> bytes:
        """The lineage's id."""
        return self.envelope.lineage

    @property
    def signer(self) -> Signer:
        """The writer as in trailers."""
        return Signer(self.writer.key.public, self.writer.rights, self.writer.enrolment)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed an object, in public terms."""

    public: bytes
    rights: Rights
    enrolment: bytes = NO_ENROLMENT


def enrol(owner: SigningKey, lineage: bytes, writer: bytes, rights: Rights) -> bytes:
    """An owner's signature by which another key may sign objects."""
    return owner.sign(b"writer", lineage + bytes([rights]) + writer)


def check_entitled(lineage: bytes, owners: tuple[bytes, ...], signer: Signer) -> None:
    """Raises NotEntitledError unless the signer is an owner, or one of the owners enrolled it with these rights."""
    if signer.rights is Rights.OWNER:
        if signer.public not in owners or signer.enrolment != NO_ENROLMENT:
            raise NotEntitledError("signed as an owner, but not by an owner")
        return
    enrolled = lineage + bytes([signer.rights]) + signer.public
    if not any(is_signed(owner, signer.enrolment, b"writer", enrolled) for owner in owners):
        raise NotEntitledError("signed by a writer that no owner enrolled")
