"""What the shell offers when Tab is pressed: job files by path or by the job's name, snapshots, stored paths.

If completions cannot be determined, that is not an error: the shell offers nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from .. import api
from ..errors import UsageError

if TYPE_CHECKING:
    from ..api import Browser

GUARDS = (
    "source_missing", "source_empty", "require_mount", "min_files", "max_change_percent", "max_delete_percent",
    "rolled_back", "max_cost_per_month", "max_forget_percent", "max_free_percent",
)  # fmt: skip
"""The names of guards, for --override-guard."""
Offers = list[tuple[str, str]]
"""(text to insert, description)"""

_LOOKED_INTO = 200
"""At most this many files are read to find the names of their jobs."""
_NAME = re.compile(r"^name:[ \t]*[\"']?([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)


class _Found(str):
    """A path found by the job's name. typer would drop it, because it does not start with what was typed."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        return True


def job_files(incomplete: str) -> Offers:
    """Folders and YAML files whose path starts with what was typed, and files whose job name does."""
    folder, _, start = incomplete.rpartition("/")
    offers: Offers = []
    for name, is_folder in _listed(folder, incomplete):
        path = os.path.join(folder, name) if folder or incomplete.startswith("/") else name
        path = f"/{name}" if incomplete.startswith("/") and not folder else path
        if is_folder and name.startswith(start):
            offers.append((f"{path}/", "folder"))
        elif name.endswith((".yaml", ".yml")):
            job = _name_in(path) if len(offers) < _LOOKED_INTO else ""
            if name.startswith(start) or (start and job.startswith(start)):
                offers.append((_Found(path), f"job {job}" if job else "YAML file"))
    return offers


def jobs_and_plans(incomplete: str) -> Offers:
    """What `apply` takes: job files and saved plans."""
    folder, _, start = incomplete.rpartition("/")
    offers = job_files(incomplete)
    for name, is_folder in _listed(folder, incomplete):
        if not is_folder and name.startswith(start) and ".plan" in name:
            offers.append((os.path.join(folder, name) if folder else name, "saved plan"))
    return offers


def snapshots(ctx: typer.Context) -> Offers:
    """`latest` and the snapshots of the job named earlier on the command line, newest first."""
    with suppress(Exception), _past_of(ctx) as past:
        found = [("latest", "the newest complete one")]
        found += [(str(one.id), f"{one.date_text}, {one.status}") for one in reversed(past.snapshots())]
        return found
    return []


def stored_paths(ctx: typer.Context, incomplete: str) -> Offers:
    """The next part of a stored path, from the catalog."""
    with suppress(Exception), _past_of(ctx) as past:
        typed, base = os.fsencode(incomplete), past.job.base
        above = base + b"/" if typed.startswith(base + b"/") else b""
        names = past.names_below(typed[len(above) :])
        offers = [(os.fsdecode(above + name), "folder" if name.endswith(b"/") else "file") for name in names]
        # Shells read one completion per line, and cannot pass bytes that are not text.
        return [offer for offer in offers if offer[0].isprintable()]
    return []


def snapshots_and_paths(ctx: typer.Context, incomplete: str) -> Offers:
    """Either: a newer snapshot, or paths to compare with the disk."""
    return [*(one for one in snapshots(ctx) if one[0].startswith(incomplete)), *stored_paths(ctx, incomplete)]


def guards_named(incomplete: str) -> list[str]:
    """Guards whose names start with what was typed."""
    return [name for name in GUARDS if name.startswith(incomplete)]


def _listed(folder: str, incomplete: str) -> Iterator[tuple[str, bool]]:
    top = os.path.expanduser(folder) or ("/" if incomplete.startswith("/") else ".")
    with suppress(Exception), os.scandir(top) as found:
        for item in sorted(found, key=lambda item: item.name):
            if not item.name.startswith("."):
                yield item.name, item.is_dir()


def _name_in(path: str) -> str:
    with suppress(Exception), open(os.path.expanduser(path), encoding="utf-8", errors="replace") as file:
        found = _NAME.search(file.read(4096))
        return found[1] if found else ""
    return ""


def _past_of(ctx: typer.Context) -> Browser:
    """The snapshots of the job named earlier on the command line, from the local catalog as it is."""
    named = ctx.params.get("job") or ctx.params.get("jobs")
    path = named[0] if isinstance(named, list | tuple) and named else named
    if not path:
        # An option without its value: the arguments are not parsed yet.
        path = next((word for word in ctx.args if os.path.isfile(os.path.expanduser(word))), None)
    if not path:
        raise UsageError("no job yet")
    return api.browse(api.load_job(os.path.expanduser(path)), as_cached=True)
