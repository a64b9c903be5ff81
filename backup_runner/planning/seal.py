"""Verifies who made a saved plan: by a MAC with a secret of the user who planned, or by a digest from the reviewer.

A plan decides which job file is loaded, and with it which programs run, so nothing that it names can authenticate it: a
secret beside the job or its catalog could come from the same attacker. The secret is in the user's own folder.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from ..errors import PlanFileError
from ..foreign import describe
from ..replacing import replacing
from ..repository.own import secret_path
from .file import END

if TYPE_CHECKING:
    from .spool import SpooledPlan

LENGTH = 32
_LABEL = b"backup-runner plan\0"


def own_secret(*, make: bool = False) -> bytes | None:
    """The secret; None if there is none and `make` is false. Raises PlanFileError if others may know it."""
    path = secret_path()
    folder = os.path.dirname(path)
    try:
        if make:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PlanFileError(f"cannot use {path}: {describe(error)}") from None
    try:
        if os.fstat(fd).st_uid != os.geteuid():
            raise PlanFileError(f"cannot use {path}: its folder belongs to another user")
        # Two plans made at the same time must use the same secret.
        fcntl.flock(fd, fcntl.LOCK_EX)
        if make and not os.path.lexists(path):
            with replacing(path) as file:
                file.write(secrets.token_bytes(LENGTH))
        return _read(path)
    except OSError as error:
        raise PlanFileError(f"cannot use {path}: {describe(error)}") from None
    finally:
        os.close(fd)


def _read(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(fd, "rb", buffering=0) as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise PlanFileError(f"cannot use {path}: not a regular file")
        if found.st_uid != os.geteuid() or found.st_nlink != 1 or found.st_mode & 0o077:
            raise PlanFileError(f"cannot use {path}: it must belong to you, have mode 0600 and no other hard link")
        secret = file.read(LENGTH + 1)
    if len(secret) != LENGTH:
        raise PlanFileError(f"cannot use {path}: it does not have {LENGTH} bytes", hint="delete it")
    return secret


def sealed(lines: Iterator[bytes], secret: bytes) -> Iterator[bytes]:
    """The lines of a plan with a MAC over all of them in the closing one."""
    for line in lines:
        if line.startswith(END):
            fields = orjson.loads(line)
            yield orjson.dumps(fields | {"mac": _mac(secret, fields["sha256"])}) + b"\n"
        else:
            yield line


def vouch(plan: SpooledPlan, *, digest: str | None = None) -> None:
    """Raises PlanFileError unless this user made the opened plan, or `digest` is that of its file."""
    assert plan.marks is not None
    if digest is not None:
        if not _equal(plan.marks.file, digest.lower()):
            raise PlanFileError(
                f"{plan.path} is not the plan that was reviewed: its SHA-256 digest is {plan.marks.file}, but "
                f"--plan-digest is {digest.lower()}",
                hint="nothing was run or changed; use the file that was reviewed, or review this one",
            )
        return
    why = "its signature is invalid" if plan.marks.mac else "it has no signature"
    try:
        secret = own_secret()
    except PlanFileError as error:
        secret, why = None, error.message
    if secret is None or not _equal(_mac(secret, plan.marks.body), plan.marks.mac):
        raise PlanFileError(
            f"cannot tell who made the plan {plan.path}: {why}; nothing was run or changed",
            hint="make the plan here, as this user: `plan JOB --out FILE`. If it was made elsewhere and reviewed, "
            "give the SHA-256 digest that `plan` printed there: --plan-digest HEX",
        )


def _equal(own: str, given: str) -> bool:
    """Compare in constant time; the given digest may be any text."""
    return hmac.compare_digest(own.encode(), given.encode("utf-8", "surrogateescape"))


def _mac(secret: bytes, body: str) -> str:
    """Over the digest of all lines before the closing one."""
    return hmac.digest(secret, _LABEL + bytes.fromhex(body), "sha256").hex()
