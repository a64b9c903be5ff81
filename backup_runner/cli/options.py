"""Options and arguments that several commands share, and the values they take."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import Annotated

import typer

from .completing import GUARDS, guards_named, job_files

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Level(StrEnum):
    """The same values as `api.Level`, so that `--help` need not import the API; a test compares them."""

    LISTING = "listing"
    HEADERS = "headers"
    DATA = "data"


class Overwrite(StrEnum):
    """The same values as `api.Overwrite`, likewise."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


JobFile = Annotated[str, typer.Argument(metavar="JOB", help="A job file.", autocompletion=job_files)]
JobFiles = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="One or more job files.", autocompletion=job_files),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and text on standard error.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=256, help="Number of worker processes. Default: one per CPU core.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not access the bucket.")]
Checksum = Annotated[
    bool,
    typer.Option(
        "--checksum", help="Read every file and compare its content, even if its size and times are unchanged."
    ),
]
OverrideGuards = Annotated[
    list[str] | None,
    typer.Option(
        "--override-guard",
        metavar="NAME",
        help=f"Ignore this guard in this run: {', '.join(GUARDS)}. May be repeated.",
        autocompletion=guards_named,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", "-x", metavar="PATH", help="Exclude a file, folder or pattern. May be repeated."),
]
Wait = Annotated[
    str, typer.Option("--wait", metavar="TIME", help="Wait up to this long for another run to finish: 30s, 10m, 2h.")
]

ThawHours = Annotated[
    int,
    typer.Option(metavar="HOURS", min=1, max=240, help="How long they stay readable, at most 240 hours."),
]


def encoded(paths: list[str] | None) -> tuple[bytes, ...]:
    """Paths as the bytes that the system uses."""
    return tuple(os.fsencode(path) for path in paths or ())


def here() -> bytes | None:
    """The current folder; None if it was deleted."""
    try:
        return os.getcwdb()
    except OSError:
        return None


def seconds(text: str) -> float:
    """A duration in seconds, from text such as `90`, `30s`, `10m`, `2h`. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not found:
        raise typer.BadParameter(f'"{text}" is not a duration; write for example 30s, 10m or 2h')
    return float(found[1]) * _SECONDS[found[2]]


def share(text: str) -> float:
    """A percentage such as `5%` or `0.5%` as a fraction above 0, up to 1. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    value = float(found[1]) / 100 if found else 0.0
    if not 0 < value <= 1:
        raise typer.BadParameter(f'"{text}" is not a percentage above 0%; write for example 5%')
    return value


def guard_names(names: list[str] | None) -> frozenset[str]:
    """The guards to ignore. Raises BadParameter for an unknown name."""
    for name in names or ():
        if name not in GUARDS:
            raise typer.BadParameter(f'unknown guard "{name}"; the guards are {", ".join(GUARDS)}')
    return frozenset(names or ())
