"""A lineage of suite 2 with its people: an owner with a raw key, and whoever a test adds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from backup_runner.container.identity import Identity
from backup_runner.container.names import ObjectId, ObjectKind
from backup_runner.container.suite2.editing import Members, amend, found, rotate
from backup_runner.container.suite2.envelope import Envelope
from backup_runner.container.suite2.lineage import Lineage, Rights, Writer, enrol
from backup_runner.container.suite2.sealer import seal_object
from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.container.suite2.signing import SigningKey

SALT = hashlib.sha256(b"salt").digest()
SEGMENT = 4096


def pair(name: str) -> Secret:
    """A key pair that is the same in every run; it takes no scrypt."""
    return Secret(SecretKind.PAIR, hashlib.sha256(name.encode()).digest())


@dataclass
class World:
    """Envelopes of one lineage, in order. Everybody is a key pair by default; `owner` signs."""

    owner: Identity = field(default_factory=lambda: Identity(pair("owner")))
    envelopes: list[Envelope] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.envelopes:
            key = self.owner.signing_key(SALT)
            self.envelopes = [found(Members([self.owner.public(SALT)], [key.public]), key, SALT)]

    @property
    def newest(self) -> Envelope:
        return self.envelopes[-1]

    @property
    def id(self) -> bytes:
        return self.newest.lineage

    def members(self, *people: Identity, owners: tuple[Identity, ...] = ()) -> Members:
        everybody = (self.owner, *people)
        signers = (self.owner, *owners)
        return Members([one.public(SALT) for one in everybody], [one.signing_key(SALT).public for one in signers])

    def amend(self, *people: Identity, owners: tuple[Identity, ...] = ()) -> Envelope:
        secrets = self.owner.epoch_secrets(self.newest)
        members = self.members(*people, owners=owners)
        self.envelopes.append(amend(self.newest, secrets, members, self.owner.signing_key(SALT)))
        return self.newest

    def rotate(self, *people: Identity) -> Envelope:
        secrets = self.owner.epoch_secrets(self.newest)
        self.envelopes.append(rotate(self.newest, secrets, self.members(*people), self.owner.signing_key(SALT)))
        return self.newest

    def lineage(self, envelope: Envelope | None = None) -> Lineage:
        """What the owner seals with."""
        return Lineage(envelope or self.newest, Writer(self.owner.signing_key(SALT)))

    def host(self, key: SigningKey, rights: Rights = Rights.HOST) -> Lineage:
        """What an enrolled host seals with: it has no secret that opens."""
        enrolment = enrol(self.owner.signing_key(SALT), self.id, key.public, rights)
        return Lineage(self.newest, Writer(key, rights, enrolment))

    def data(self, tag: str = "object") -> ObjectId:
        return ObjectId(self.id, ObjectKind.DATA, hashlib.md5(tag.encode()).digest())

    def seal(self, payload: bytes = b"hello " * 3000, tag: str = "object", lineage: Lineage | None = None) -> bytes:
        return seal_object(lineage or self.lineage(), self.data(tag), payload, segment_size=SEGMENT)
