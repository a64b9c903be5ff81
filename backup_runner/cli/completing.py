"""What the shell offers when Tab is pressed: job files by path or by the job's name, snapshots, stored paths.

A completion that cannot be had is no error: the shell then offers nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..catalog import Catalog

Offers = list[tuple[str, str]]
"""(what to insert, what to say about it)"""

_LOOKED_INTO = 200
"""Files whose names are read for the job's, at most."""
_NAME = re.compile(r"^name:[ \t]*[\"']?([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)


class _Found(str):
    """A path found by the job's name: typer would drop it, since it does not start as what was typed."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        return True


def job_files(incomplete: str) -> Offers:
    """Folders, and YAML files that start so; also files whose job's name starts so."""
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
    """`latest` and the snapshots of the job that was named before, newest first."""
    with suppress(Exception), _catalog_of(ctx) as (catalog, job_id, _):
        found = [("latest", "the newest complete one")]
        found += [(str(one.id), f"{one.date_text}, {one.status}") for one in reversed(catalog.snapshots(job_id))]
        return found
    return []


def stored_paths(ctx: typer.Context, incomplete: str) -> Offers:
    """The next part of a stored path, as the catalog has it."""
    from ..catalog.browsing import names_below

    with suppress(Exception), _catalog_of(ctx) as (catalog, job_id, base):
        typed = os.fsencode(incomplete)
        above = base + b"/" if typed.startswith(base + b"/") else b""
        names = names_below(catalog, job_id, typed[len(above) :])
        offers = [(os.fsdecode(above + name), "folder" if name.endswith(b"/") else "file") for name in names]
        # Shells take one offer a line, and get no byte through that is not text.
        return [offer for offer in offers if offer[0].isprintable()]
    return []


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


@contextmanager
def _catalog_of(ctx: typer.Context) -> Iterator[tuple[Catalog, int, bytes]]:
    from ..errors import UsageError
    from ..jobfile import load
    from ..repository.session import Session
    from .settings import defaults

    named = ctx.params.get("job") or ctx.params.get("jobs")
    path = named[0] if isinstance(named, list | tuple) and named else named
    if not path:
        # An option without its value: the words were not told apart yet.
        path = next((word for word in ctx.args if os.path.isfile(os.path.expanduser(word))), None)
    if not path:
        raise UsageError("no job yet")
    session = Session(load([os.path.expanduser(path)], env=os.environ, defaults=defaults()).jobs[0])
    try:
        catalog, _, job_id = session.need_store()
        yield catalog, job_id, session.job.base
    finally:
        session.close()
