"""What a restore would do, or is about to delete, before it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..planning.file import path_fields
from ..progress import Surplus
from . import escape, units
from .look import Look

_SHOWN = 200
_SIGNS = {"restored": "+", "symlinks": "+", "linked": "=", "kept": "!", "deleted": "-", "unchanged": ""}
Step = tuple[str, bytes, int]
"""(what is done, key, size in bytes)"""


def surplus_lines(found: Surplus, look: Look) -> Iterator[str]:
    """What is on disk and not in the snapshot."""
    folders = f" and {units.count(found.folders, 'folder')}" if found.folders else ""
    yield look.paint(
        f"- delete  {units.count(found.files, 'file')}{folders}, {units.size(found.size)}: not in the snapshot", "red"
    )
    for key in islice(found.keys, _SHOWN):
        yield f"  {look.paint('-', 'red')} {escape.name(key)}"
    if (more := found.files + found.folders - _SHOWN) > 0:
        yield f"    {look.mark('…')} and {units.count(more)} more; `--dry-run --json` lists all of them"


def surplus_documents(found: Surplus) -> Iterator[dict[str, Any]]:
    """The lines of `restore --delete --json` before anything else."""
    for key in found.keys:
        yield {"kind": "delete"} | path_fields(key)


def step_documents(steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
    """The lines of `restore --dry-run --json` for files."""
    for done, key, size in steps:
        if done in _SIGNS and done not in ("deleted", "kept"):
            yield {"kind": "file", "would_be": done, **path_fields(key), "size": size}


def step_lines(steps: Iterable[Step], look: Look) -> Iterator[str]:
    """What a dry run found to do, up to a limit; what is unchanged or a problem is only counted."""
    shown = [step for step in steps if _SIGNS.get(step[0]) in ("+", "=")]
    for done, key, size in sorted(shown, key=lambda step: step[1])[:_SHOWN]:
        bytes_text = f"  {units.size(size)}" if size else ""
        yield f"  {look.paint(_SIGNS[done], 'green')} {escape.name(key)}{bytes_text}"
    if (more := len(shown) - _SHOWN) > 0:
        yield f"    {look.mark('…')} and {units.count(more)} more; `--dry-run --json` lists all of them"
