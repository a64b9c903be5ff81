"""Who opens: a secret, what was made of it, and the epochs it has opened; for objects of both suites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import NoiseError, WrongKeyError
from .keys import DEFAULT_COST, KdfBudget, Keyring, scrypt
from .suite2.envelope import Envelope
from .suite2.epochs import open_epochs, public_of
from .suite2.pairs import expand, opening_secret
from .suite2.seeds import Secret, SecretKind
from .suite2.signing import SigningKey


@dataclass(slots=True)
class Identity:
    """One recipient's secret at work. Nothing is computed twice; pickles, with what it knows, for worker processes.

    `accepted`, by lineage: digests of the envelopes of its chain. Where it is set, objects under others are noise.
    """

    secret: Secret
    keyring: Keyring | None = None
    budget: KdfBudget | None = field(default=None, repr=False)
    accepted: dict[bytes, frozenset[bytes]] = field(default_factory=dict, repr=False)
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
        """The seed under a lineage's salt; scrypt at most once a salt. Raises DamagedError if the budget is spent."""
        seed = self._seeds.get(salt)
        if seed is None:
            seed = self._seeds[salt] = self.secret.seed(salt, self._stretch(salt) if self.secret.stretched else None)
        return seed

    def public(self, salt: bytes) -> bytes:
        """The public key that others seal to."""
        return expand(opening_secret(self.seed(salt)))[1]

    def signing_key(self, salt: bytes) -> SigningKey:
        """The key that makes its holder an owner, where an envelope lists it."""
        return SigningKey.from_seed(self.seed(salt))

    def accept(self, lineage: bytes, digests: Iterable[bytes]) -> None:
        """From now on, open objects of this lineage only under these envelopes."""
        self.accepted[lineage] = frozenset(digests)

    def check(self, envelope: Envelope) -> None:
        """Raises NoiseError if the envelope is known not to be of its lineage's chain."""
        accepted = self.accepted.get(envelope.lineage)
        if accepted is not None and envelope.digest not in accepted:
            raise NoiseError(f"envelope {envelope.number} is not known for this lineage")

    def epoch_secret(self, envelope: Envelope) -> bytes:
        """What opens all objects of the envelope's epoch. Raises WrongKeyError if nothing here does."""
        known = self._epochs.get(envelope.public)
        if known is None:
            known = self.epoch_secrets(envelope)[-1]
        return known

    def epoch_secrets(self, envelope: Envelope) -> list[bytes]:
        """The secrets of epoch 1 to the envelope's. Raises WrongKeyError, DamagedError."""
        secrets = open_epochs(
            envelope, self._epochs.get(envelope.public), lambda: opening_secret(self.seed(envelope.salt))
        )
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


def as_identity(opener: Keyring | Identity) -> Identity:
    """An identity, whichever of the two is given."""
    return opener if isinstance(opener, Identity) else Identity.of_keyring(opener)


def as_keyring(opener: Keyring | Identity) -> Keyring | None:
    """What opens suite 1; None for a recipient who has no raw crypto key."""
    return opener.keyring if isinstance(opener, Identity) else opener
