"""Hosts that can encrypt but not decrypt: a signing key of their own, and a lineage that only others can open.

The host generates the lineage's key and a key that signs its first envelope, uses both once and keeps neither. It keeps
only its own signing key, which the first envelope allows to add objects. The recipients write all later envelopes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import replace

from ..container import Identity
from ..container.suite2.chain import Chain
from ..container.suite2.editing import Members, found
from ..container.suite2.founding import enrolled_by
from ..container.suite2.lineage import Lineage, Rights, Writer
from ..container.suite2.roster import EnrolledWriter, Recipient, Roster
from ..container.suite2.seeds import Secret, SecretKind, read_host
from ..container.suite2.signing import SigningKey
from ..errors import KeyFileError
from ..foreign import describe
from ..targets.base import Target
from .lineage import KeyChain, put_keys

_MOST = 1 << 12
_SEED = 32


def host_path(catalog_path: str) -> str:
    """The file of a host's signing key, which decrypts nothing."""
    return f"{catalog_path}.host-key"


def load_host(catalog_path: str, *, make: bool) -> Secret:
    """This host's signing key, created when first needed. Raises KeyFileError."""
    path = host_path(catalog_path)
    try:
        with open(path, "rb") as file:
            return read_host(file.read(_MOST))
    except FileNotFoundError:
        if not make:
            # Nothing was ever signed here, and planning writes nothing.
            return Secret(SecretKind.HOST, bytes(_SEED))
    except KeyFileError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from None
    except OSError as error:
        raise KeyFileError(f"cannot read the host's signing key {path}: {describe(error)}") from None
    secret = Secret.generate(SecretKind.HOST)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret.text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return load_host(catalog_path, make=False)
    except OSError as error:
        raise KeyFileError(f"cannot write the host's signing key {path}: {describe(error)}") from None
    return secret


def found_blind(target: Target, host: Identity, salt: bytes, recipients: Sequence[Recipient]) -> KeyChain:
    """Create a lineage for these recipients and put its first envelope into the bucket. Raises KeyFileError,
    TargetError."""
    owners = [one.owner for one in recipients if one.owner]
    if not owners:
        raise KeyFileError("no recipient can be an owner", hint="list at least one public key in `recipients`")
    founder = SigningKey.from_seed(os.urandom(_SEED))
    key = host.signing_key(salt)
    # A reader accepts up to eight owners, the founder among them.
    envelope = found(Members([one.public for one in recipients], [founder.public, *owners[:7]]), founder, salt)
    proof = enrolled_by(founder, envelope, key, Rights.HOST)
    me = EnrolledWriter(socket.gethostname()[:64], key.public, Rights.HOST, proof, 0)
    kept = [one if number < 7 else one._replace(owner=None) for number, one in enumerate(recipients)]
    chain = KeyChain(Chain((envelope,)), Roster(kept, [me]))
    put_keys(target, Lineage(envelope, Writer(founder)), Roster(kept, [me]))
    return replace(chain, stored=True)
