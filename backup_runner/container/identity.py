"""Who decrypts: a secret, what was derived from it, and the epochs it can open; for both suites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import NoiseError, RemovedWriterError, WrongKeyError
from .keys import DEFAULT_COST, KEY_ID_LENGTH, CryptoKey, KdfBudget, Keyring, hkdf, scrypt
from .names import ObjectId, ObjectKind
from .suite2.envelope import Envelope
from .suite2.epochs import open_epochs, public_of
from .suite2.lineage import Signer
from .suite2.pairs import expand, opening_secret
from .suite2.seeds import Secret, SecretKind
from .suite2.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Accepted:
    """What counts in a lineage: `digests` of the envelopes of its chain.

    `suite1_end`: serial of the last record of suite 1; 0 for a lineage that began under suite 2, None if not known.
    `void`: signing keys of removed writers, and the serial after which their objects are void.
    """

    digests: frozenset[bytes]
    suite1_end: int | None = None
    void: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(slots=True)
class Identity:
    """One recipient's secret in use. Nothing is computed twice; pickles with its results, for worker processes.

    `accepted`, by lineage: what counts in it. If set, objects under other envelopes are noise.
    """

    secret: Secret
    keyring: Keyring | None = None
    budget: KdfBudget | None = field(default=None, repr=False)
    accepted: dict[bytes, Accepted] = field(default_factory=dict, repr=False)
    trusted: set[ObjectId] = field(default_factory=set, repr=False)
    """Objects of removed writers that are read all the same."""
    _seeds: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    _epochs: dict[bytes, bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        key = self.secret.crypto_key
        if key is not None and self.keyring is None:
            self.keyring = Keyring(key, budget=self.budget)

    @classmethod
    def of_keyring(cls, keyring: Keyring) -> Identity:
        """The holder of a raw crypto key."""
        return cls(Secret(SecretKind.RAW, keyring.crypto_key.raw), keyring, keyring.budget)

    def seed(self, salt: bytes) -> bytes:
        """The seed for a lineage's salt; runs scrypt at most once per salt. Raises DamagedError if the budget is
        spent."""
        seed = self._seeds.get(salt)
        if seed is None:
            seed = self._seeds[salt] = self.secret.seed(salt, self._stretch(salt) if self.secret.stretched else None)
        return seed

    def public(self, salt: bytes) -> bytes:
        """The public key that others encrypt to."""
        return expand(opening_secret(self.seed(salt)))[1]

    def signing_key(self, salt: bytes) -> SigningKey:
        """The key that makes its holder an owner, if an envelope lists it."""
        return SigningKey.from_seed(self.seed(salt))

    @property
    def is_blind(self) -> bool:
        """Whether it can only sign, not decrypt."""
        return self.secret.kind is SecretKind.HOST

    @property
    def crypto_key(self) -> CryptoKey:
        """The raw key for backup-tool's format. Raises WrongKeyError for another secret."""
        key = self.secret.crypto_key
        if key is None:
            raise WrongKeyError(
                "backup-tool's format can only be decrypted with its raw key",
                hint="set `encryption` to the key file of backup-tool",
            )
        return key

    @property
    def key_id(self) -> str:
        """16 hex digits that distinguish secrets on this machine without scrypt. For the catalog only."""
        if self.secret.crypto_key is not None:
            return self.secret.crypto_key.key_id
        return hkdf(self.secret.value, b"local-key-id" + self.secret.kind.encode(), KEY_ID_LENGTH).hex()

    def accept(
        self,
        lineage: bytes,
        digests: Iterable[bytes],
        *,
        suite1_end: int | None = None,
        void: Mapping[bytes, int] | None = None,
    ) -> None:
        """From now on, open objects of this lineage only under these envelopes."""
        self.accepted[lineage] = Accepted(frozenset(digests), suite1_end, void or {})

    def check(self, envelope: Envelope) -> None:
        """Raises NoiseError if the envelope is known not to be in its lineage's chain."""
        accepted = self.accepted.get(envelope.lineage)
        if accepted is not None and envelope.digest not in accepted.digests:
            raise NoiseError(f"envelope {envelope.number} does not belong to this lineage")

    def check_suite1(self, object_id: ObjectId) -> None:
        """Raises NoiseError for an object of suite 1 if the lineage was upgraded to suite 2."""
        accepted = self.accepted.get(object_id.lineage)
        end = accepted.suite1_end if accepted else None
        if end is not None and (end == 0 or (object_id.kind is ObjectKind.RECORDS and object_id.serial > end)):
            raise NoiseError(f"{object_id.name}: format suite 1, although its lineage was upgraded to suite 2")

    def check_signer(self, object_id: ObjectId, signer: bytes) -> None:
        """Raises RemovedWriterError for an object signed by a removed writer. Objects in records are read by their
        metadata there, without this check; for others, the time of writing is unknown."""
        accepted = self.accepted.get(object_id.lineage)
        end = accepted.void.get(signer) if accepted else None
        if end is None or object_id in self.trusted:
            return
        if not (object_id.kind is ObjectKind.RECORDS and object_id.serial <= end):
            raise RemovedWriterError(f"{object_id.name}: signed by a writer who was removed")

    def epoch_secret(self, envelope: Envelope) -> bytes:
        """The secret for all objects of the envelope's epoch. Raises WrongKeyError if there is none."""
        known = self._epochs.get(envelope.public)
        if known is None:
            known = self.epoch_secrets(envelope)[-1]
        return known

    def epoch_secrets(self, envelope: Envelope) -> list[bytes]:
        """The secrets of epoch 1 to the envelope's. Raises WrongKeyError, DamagedError."""
        secrets = open_epochs(
            envelope, self._epochs.get(envelope.public), lambda: opening_secret(self.seed(envelope.salt))
        )
        if secrets is None and self.is_blind:
            raise WrongKeyError("this host only encrypts: it has no key that decrypts backups")
        if secrets is None:
            raise WrongKeyError("encrypted to other recipients")
        for secret in secrets:
            self._epochs[public_of(secret)] = secret
        return secrets

    def _stretch(self, salt: bytes) -> bytes:
        if self.keyring is not None:
            return self.keyring.stretch(salt, DEFAULT_COST)
        if self.budget:
            self.budget.spend(DEFAULT_COST)
        return scrypt(self.secret.value, salt, DEFAULT_COST)


def check_signer(opener: Keyring | Identity, object_id: ObjectId, signer: Signer | None) -> None:
    """Raises NotEntitledError if the signer of an object is known to have been removed."""
    if signer is not None and isinstance(opener, Identity):
        opener.check_signer(object_id, signer.public)


def as_identity(opener: Keyring | Identity) -> Identity:
    """An identity, from either."""
    return opener if isinstance(opener, Identity) else Identity.of_keyring(opener)


def as_keyring(opener: Keyring | Identity) -> Keyring | None:
    """The keyring for suite 1; None for a recipient without a raw crypto key."""
    return opener.keyring if isinstance(opener, Identity) else opener
