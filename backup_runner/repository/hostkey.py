"""The file of a machine's own signing key, beside its catalog. It decrypts nothing.

A host that only encrypts has nothing else; machines that share a secret are told apart by it (`machines`).
"""

from __future__ import annotations

import errno
import os
from secrets import token_hex

from ..container.suite2.seeds import Secret, SecretKind, read_host
from ..container.suite2.signing import SigningKey
from ..errors import KeyFileError
from ..foreign import describe
from ..replacing import replacing

_MOST = 1 << 12


def host_path(catalog_path: str) -> str:
    """Where the key is."""
    return f"{catalog_path}.host-key"


def find_host(catalog_path: str) -> Secret | None:
    """This machine's signing key; None if it has none yet. Raises KeyFileError."""
    path = host_path(catalog_path)
    try:
        with open(path, "rb") as file:
            return read_host(file.read(_MOST))
    except FileNotFoundError:
        return None
    except KeyFileError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from None
    except OSError as error:
        raise KeyFileError(f"cannot read the host's signing key {path}: {describe(error)}") from None


def make_host(catalog_path: str) -> Secret:
    """The same, created if there is none. Raises KeyFileError."""
    if (found := find_host(catalog_path)) is not None:
        return found
    path = host_path(catalog_path)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _create(path, Secret.generate(SecretKind.HOST).text)
    except OSError as error:
        hint = "free space on its disk, then run the same command again" if error.errno == errno.ENOSPC else None
        raise KeyFileError(f"cannot write the host's signing key {path}: {describe(error)}", hint=hint) from None
    return make_host(catalog_path)


def _create(path: str, text: str) -> None:
    """Write the whole file or none, unless another process has just done so. Raises OSError."""
    new = f"{path}.{token_hex(8)}"
    with replacing(new) as file:
        file.write(f"{text}\n".encode("ascii"))
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    except OSError:
        # Not every file system has hard links.
        os.replace(new, path)
        return
    os.unlink(new)


def signing_key(secret: Secret) -> SigningKey:
    """What the machine signs with."""
    return SigningKey.from_seed(secret.value)
