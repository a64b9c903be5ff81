"""Options and arguments that several commands share, and the values they take."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import Annotated

import typer

from .completing import job_files

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
GUARDS = (
    "source_missing", "source_empty", "require_mount", "min_files", "max_change_percent", "max_delete_percent",
    "rolled_back", "max_cost_per_month", "max_forget_percent", "max_free_percent",
)  # fmt: skip


class Level(StrEnum):
    """`api.Level`, without loading what that needs for `--help`; a test compares them."""

    LISTING = "listing"
    HEADERS = "headers"
    DATA = "data"


class Overwrite(StrEnum):
    """`api.Overwrite`, likewise."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


JobFile = Annotated[str, typer.Argument(metavar="JOB", help="A job file.", autocompletion=job_files)]
JobFiles = Annotated[
    list[str],
    typer.Argument(metavar="JOB", help="Job files; each is handled on its own.", autocompletion=job_files),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, text on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=256, help="Worker processes; by default one a core.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not look at the bucket.")]
Checksum = Annotated[bool, typer.Option("--checksum", help="Read every file and compare its content.")]
OverrideGuards = Annotated[
    list[str] | None,
    typer.Option("--override-guard", metavar="NAME", help="Let this guard pass, this once; may be repeated."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", "-x", metavar="PATH", help="Leave these out, named like PATH; may be repeated."),
]
Wait = Annotated[
    str, typer.Option("--wait", metavar="TIME", help="How long to wait for another run to end: 30s, 10m, 2h.")
]

ThawHours = Annotated[
    int,
    typer.Option(metavar="HOURS", min=1, max=240, help="How long they stay readable; the service takes up to 240."),
]


def encoded(paths: list[str] | None) -> tuple[bytes, ...]:
    """Paths as the system has them."""
    return tuple(os.fsencode(path) for path in paths or ())


def here() -> bytes | None:
    """The folder where the user stands; None if it is gone."""
    try:
        return os.getcwdb()
    except OSError:
        return None


def seconds(text: str) -> float:
    """A length of time such as `90`, `30s`, `10m`, `2h`. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not found:
        raise typer.BadParameter(f'"{text}" is not a length of time; write for example 30s, 10m or 2h')
    return float(found[1]) * _SECONDS[found[2]]


def share(text: str) -> float:
    """A percentage such as `5%` or `0.5%` as a fraction above 0, up to 1. Raises BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    value = float(found[1]) / 100 if found else 0.0
    if not 0 < value <= 1:
        raise typer.BadParameter(f'"{text}" is not a share; write a percentage above 0%, such as 5%')
    return value


def guard_names(names: list[str] | None) -> frozenset[str]:
    """The guards to let pass. Raises BadParameter for a name that no guard has."""
    for name in names or ():
        if name not in GUARDS:
            raise typer.BadParameter(f'there is no guard "{name}"; the guards are {", ".join(GUARDS)}')
    return frozenset(names or ())
