"""Results of `target check`: which operations work, and how to grant the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import escape, units

if TYPE_CHECKING:
    from ..targets.checking import Check
    from .look import Look

_WRITE_ONLY = {"GetObject", "ReplaceObject", "DeleteObject"}
"""Permissions not in the write-only policies of docs/oci-setup.md."""
Fields = dict[str, Any]


def check_fields(identity: str, checks: Sequence[Check]) -> Fields:
    """`target check --json`."""
    return {
        "target": identity,
        "ok": all(check.allowed for check in checks),
        "checks": [check._asdict() for check in checks],
    }


def check_lines(fields: Fields, look: Look) -> Iterator[str]:
    """The same for people: a line an operation, then each policy line that is missing, once."""
    yield f"target {escape.one_line(fields['target'])}"
    checks: list[Fields] = fields["checks"]
    width = max(len(check["operation"]) for check in checks)
    for check in checks:
        if check["ok"]:
            yield f"  {look.paint('ok     ', 'green')} {check['operation']}"
        else:
            said = escape.one_line(check["message"])
            mark = look.paint("held   ", "yellow") if check["held"] else look.paint("MISSING", "red", "bold")
            yield f"  {mark} {check['operation'].ljust(width)}  {said}"
    failed = [check for check in checks if not check["ok"] and not check["held"]]
    if any(check["held"] for check in checks):
        yield "A retention rule protects objects; no permission is missing. Prune can delete them when it ends."
    if not failed:
        yield look.paint("all operations work", "green", "bold")
        return
    yield look.paint(f"{units.count(len(failed), 'operation')} missing", "red", "bold")
    if {check["operation"] for check in failed} <= _WRITE_ONLY:
        yield "Only these are missing, as on a write-only host: backups work; restore and prune elsewhere."
    policies = list(dict.fromkeys(check["policy"] for check in failed if check["policy"]))
    if policies:
        yield "Policy statements that grant them (see docs/oci-setup.md; DeleteObject only for hosts that may delete):"
        yield from (f"  {line}" for line in policies)
