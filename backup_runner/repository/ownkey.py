"""A job's own secret, read when it is first needed. A host that only encrypts has a signing key instead."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property

from ..container import Identity
from ..container.keys import SALT_LENGTH, KdfBudget
from ..container.suite2.recipients import fingerprint
from ..container.suite2.seeds import SEED_LENGTH, Secret, SecretKind
from ..container.suite2.signing import SigningKey
from ..errors import WrongKeyError
from ..spec import Job
from .declared import declared
from .hostkey import find_host, make_host, signing_key
from .keyfile import load_secret, refuse_guessable

_KDF_UNITS = 64
"""Maximum runs of scrypt per command: each lineage takes one, and a bucket may contain many with the job's key."""


class OwnKey:
    """Close it after use, because a thread may be running."""

    def __init__(
        self, job: Job, env: Mapping[str, str], warn: Callable[[str], None], given: Identity | None = None
    ) -> None:
        self._job, self._env, self._warn = job, env, warn
        self._identity = given
        self._machine: SigningKey | None = None
        self._stretching: threading.Thread | None = None

    @property
    def identity(self) -> Identity:
        """Reads the key when first used; planning does not need it. Raises KeyFileError."""
        self.close()
        if self._identity is None:
            budget = KdfBudget(units=_KDF_UNITS)
            if self._job.encryption.is_blind:
                # If there is none, nothing was ever signed here, and planning writes nothing.
                found = find_host(self._job.catalog.path) or Secret(SecretKind.HOST, bytes(SEED_LENGTH))
                self._identity = Identity(found)
                return self._identity
            secret, warnings = load_secret(self._job.encryption, self._env, budget)
            for warning in warnings:
                self._warn(warning)
            self._identity = Identity(secret, budget=budget)
        return self._identity

    def need_secret(self, what: str) -> None:
        """Raises WrongKeyError, which says who has a secret, on a host that has none."""
        if not self._job.encryption.is_blind:
            return
        named = [f"{one.name} ({fingerprint(one.public)})" for one in declared(self._job, self._env, None, 0)]
        raise WrongKeyError(
            f"{what} needs a key that decrypts, and this host only encrypts",
            hint=f"do it on another machine, with the key of a recipient: {', '.join(named)}",
        )

    def stretch(self, salt: bytes) -> None:
        """Run scrypt on a thread; `identity` waits for it. Raises KeyFileError."""
        self._stretching = threading.Thread(target=self.identity.seed, args=(salt,), daemon=True)
        self._stretching.start()

    @cached_property
    def new_salt(self) -> bytes:
        """The salt of the store that this session creates, if there is none yet. Raises KeyFileError."""
        identity = self.identity
        if (key := identity.secret.crypto_key) is not None:
            refuse_guessable(key)
        return identity.keyring.new_salt() if identity.keyring else os.urandom(SALT_LENGTH)

    def enrol_host(self) -> None:
        """Create this host's signing key, if it has none. Raises KeyFileError."""
        self._identity = Identity(make_host(self._job.catalog.path))

    @property
    def machine(self) -> SigningKey | None:
        """The key with which this machine signs, besides the job's secret; None if it has none. Raises KeyFileError."""
        if self._machine is None and not self._job.encryption.is_blind:
            found = find_host(self._job.catalog.path)
            self._machine = signing_key(found) if found else None
        return self._machine

    def make_machine(self) -> SigningKey:
        """The same, created if there is none. Raises KeyFileError."""
        self._machine = signing_key(make_host(self._job.catalog.path))
        return self._machine

    def close(self) -> None:
        """Wait for scrypt: a process that ends while it runs would crash, because OpenSSL is torn down under it."""
        if self._stretching is not None:
            self._stretching.join()
            self._stretching = None
