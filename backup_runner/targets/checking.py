"""`target check`: tests every operation that a job may need, on probe objects that are then deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from typing import NamedTuple

from ..errors import AccessDenied, BackupRunnerError, ObjectProtected, TransientError
from .base import Put, Target

_DATA = b"backup-runner target check\n"
_MD5 = md5(_DATA, usedforsecurity=False).digest()
BEYOND_WRITING = frozenset({"GetObject", "ReplaceObject", "DeleteObject"})
"""Operations that the write-only policy of docs/oci-setup.md does not allow."""


class Check(NamedTuple):
    """One operation: whether it works, the policy statement that allows it ("" if none is known), the error message.

    `held`: it is allowed, but a retention rule of the bucket prevents it for now. `denied`: this caller has no
    permission."""

    operation: str
    ok: bool
    policy: str
    message: str
    held: bool = False
    denied: bool = False

    @property
    def allowed(self) -> bool:
        """Whether its permissions are complete."""
        return self.ok or self.held


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """Which operations work at `target`.

    `write_only`: the host should not be able to read, replace or delete anything. That it is able to is an error with
    `strict`, and only worth a warning otherwise."""

    target: str
    checks: list[Check]
    write_only: bool = False
    strict: bool = False

    def intended(self, check: Check) -> bool:
        """Whether an operation fails because it should."""
        return self.write_only and check.denied and check.operation in BEYOND_WRITING

    @property
    def missing(self) -> list[Check]:
        """What fails and should not."""
        return [check for check in self.checks if not check.allowed and not self.intended(check)]

    @property
    def excessive(self) -> list[Check]:
        """What works on a write-only host and should not."""
        return [check for check in self.checks if self.write_only and check.ok and check.operation in BEYOND_WRITING]

    @property
    def ok(self) -> bool:
        return not self.missing and not (self.strict and self.excessive)


def check_permissions(target: Target) -> list[Check]:
    """Test each operation in turn. Probe objects are deleted at the end, if allowed.

    Raises TargetError if nothing works at all: then the cause is not a missing permission."""
    probe = _Probe(target)
    steps: list[tuple[str, Callable[[], object]]] = [
        ("ListObjects", lambda: next(target.list("target-check/"), None)),
        ("PutObject", probe.put),
        ("HeadObject", probe.head),
        ("GetObject", probe.get),
        ("ReplaceObject", probe.replace),
        ("DeleteObject", lambda: target.delete(probe.name)),
    ]
    checks: list[Check] = []
    first: BackupRunnerError | None = None
    for operation, act in steps:
        check, error = _attempt(operation, act, target)
        if isinstance(error, TransientError) and not checks:
            raise error
        first = first or error
        checks.append(check)
    if probe.put_there and not checks[-1].ok:
        # Reported by name: an unknown probe would stay forever.
        checks[-1] = checks[-1]._replace(message=f"{checks[-1].message}; the probe {probe.name} was not deleted")
    if first is not None and not any(check.ok for check in checks):
        raise first
    return checks


class _Probe:
    """The probe objects. Hosts that may only read are tested on an existing object."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.name = f"target-check/{secrets.token_hex(8)}"
        self._etag = ""

    @property
    def put_there(self) -> bool:
        return bool(self._etag)

    def put(self) -> None:
        self._etag = self._target.put(self.name, _DATA, md5=_MD5).etag

    def _readable(self) -> str:
        there = None if self._etag else next(iter(self._target.list()), None)
        if not self._etag and there is None:
            raise BackupRunnerError(
                "not tested: no object could be uploaded, and there is none to read", hint="fix PutObject first"
            )
        return there.name if there else self.name

    def head(self) -> None:
        self._target.stat(self._readable())

    def get(self) -> None:
        name = self._readable()
        if self._target.get(name, 0, len(_DATA)) != _DATA and name == self.name:
            hint = "something between here and the target alters data; do not back up to it"
            raise BackupRunnerError(f"{self.name} does not read back as uploaded", hint=hint)

    def replace(self) -> None:
        self._target.put(self.name, _DATA, md5=_MD5, condition=Put.REPLACE, etag=self._etag)


def _attempt(operation: str, act: Callable[[], object], target: Target) -> tuple[Check, BackupRunnerError | None]:
    try:
        act()
    except BackupRunnerError as error:
        held = isinstance(error, ObjectProtected)
        policy = "" if held else target.grant(operation)
        denied = isinstance(error, AccessDenied) and not held
        return Check(operation, ok=False, policy=policy, message=error.message, held=held, denied=denied), error
    return Check(operation, ok=True, policy="", message=""), None
