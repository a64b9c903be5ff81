"""Results of `target check`: which operations work, and how to grant the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..targets.checking import BEYOND_WRITING
from . import escape, units

if TYPE_CHECKING:
    from ..targets.checking import Check, TargetCheck
    from .look import Look

_VERBS = {"GetObject": "read", "ReplaceObject": "replace", "DeleteObject": "delete"}
Fields = dict[str, Any]


def check_fields(found: TargetCheck) -> Fields:
    """`target check --json`."""
    names = ("operation", "ok", "policy", "message", "held")
    return {
        "target": found.target,
        "ok": found.ok,
        "write_only": found.write_only,
        "checks": [{name: getattr(check, name) for name in names} for check in found.checks],
    }


def check_lines(found: TargetCheck, look: Look) -> Iterator[str]:
    """The same for people: a line an operation, then each policy line that is missing, once."""
    yield f"target {escape.one_line(found.target)}"
    width = max(len(check.operation) for check in found.checks)
    for check in found.checks:
        if check.ok:
            yield f"  {look.paint('ok     ', 'green')} {check.operation}"
        else:
            yield f"  {_mark(found, check, look)} {check.operation.ljust(width)}  {escape.one_line(check.message)}"
    if any(check.held for check in found.checks):
        yield "A retention rule protects objects; no permission is missing. Prune can delete them when it ends."
    if found.excessive:
        yield from _excessive(found, look)
    missing = found.missing
    if not missing:
        if not found.excessive:
            text = "all as intended on a write-only host: backups work" if found.write_only else "all operations work"
            yield look.paint(text, "green", "bold")
        return
    yield look.paint(f"{units.count(len(missing), 'operation')} missing", "red", "bold")
    policies = list(dict.fromkeys(check.policy for check in missing if check.policy))
    if policies and all(check.denied and check.operation in BEYOND_WRITING for check in missing):
        yield "Only these are missing, as on a write-only host: backups work; restore and prune elsewhere."
        yield "If that is intended, add --write-only."
    if policies:
        yield "Policy statements that grant them (see docs/oci-setup.md; DeleteObject only for hosts that may delete):"
        yield from (f"  {line}" for line in policies)


def _mark(found: TargetCheck, check: Check, look: Look) -> str:
    if found.intended(check):
        return look.paint("denied ", "green")
    return look.paint("held   ", "yellow") if check.held else look.paint("MISSING", "red", "bold")


def _excessive(found: TargetCheck, look: Look) -> Iterator[str]:
    """A warning, or the error of a strict check."""
    verbs = ", ".join(_VERBS[check.operation] for check in found.excessive)
    mark = look.paint("too many permissions", "red", "bold") if found.strict else look.paint("warning", "yellow")
    yield f"{mark}: this host should only add objects, but it can also {verbs}; so can whoever takes it over."
    yield "Give it the write-only policy of docs/oci-setup.md, limited to its prefix."
