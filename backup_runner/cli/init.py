"""`init`: four questions, then a job file with comments and a key."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Annotated

import typer

from .. import api
from ..errors import Interrupted, UsageError
from .output import Output, output

_KEY = "~/.backup-runner/crypto-key"
_CATALOG = "~/.backup-runner/catalog.db"


def command(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The job file to write. It must not exist.")],
    *,
    source: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="What to back up: a folder or file. May be repeated.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="WHERE", help="A folder, or oci:BUCKET, or oci:BUCKET/PREFIX.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="PATH", help="The key file. It is created if it does not exist.")
    ] = None,
    keep: Annotated[str | None, typer.Option("--keep", help="How long: short, usual, long or all.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The job's name. Default: that of the file.")] = None,
) -> int:
    """Write a first job file and a key, from the answers to four questions. Never overwrites a file.

    Without a terminal, --source and --to are needed.

    Example: backup-runner init documents.yaml --source ~/documents --to /mnt/usb/bucket
    """
    out = output(context)
    if os.path.lexists(file):
        raise UsageError(f"{file} already exists and was not changed", hint="choose another name")
    asked = _Questions(out)
    given = api.Start(
        name=name or os.path.splitext(os.path.basename(file))[0],
        sources=source or [asked.of("What do you want to back up? (folders, separated by commas)", "~", "--source")],
        target=to or asked.of("Where to? (a folder, or oci:BUCKET/PREFIX)", "", "--to"),
        key=key or asked.of("Where is the key, or should it be?", _KEY, ""),
        keep=keep or asked.of("How long do you want to keep backups? (short, usual, long, all)", "usual", ""),
        catalog=_CATALOG,
    )
    if not source:
        given = replace(given, sources=[part.strip() for part in given.sources[0].split(",") if part.strip()])
    made = api.start(file, given)
    out.say([f"Wrote {file}."])
    if made:
        kept = f"Keep a copy in another place: `backup-runner key show {given.key} --paper`."
        out.say([f"Created the key {given.key}, key id {made}.", kept])
    out.say([f"Next: backup-runner plan {file}, then backup-runner apply {file}"])
    return 0


class _Questions:
    """Asks on a terminal; elsewhere, takes the default, or says which option is missing."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def of(self, question: str, default: str, option: str) -> str:
        """The answer. Raises UsageError if nobody can be asked and there is no default, Interrupted at the end."""
        if not sys.stdin.isatty():
            if option:
                raise UsageError(f"no terminal to ask: {question}", hint=f"answer it with {option}")
            return default
        while True:
            shown = f" [{default}]" if default else ""
            print(f"{question}{shown} ", end="", file=self._out.human, flush=True)
            line = sys.stdin.readline()
            if not line:
                raise Interrupted("no answer; nothing was written")
            if answer := line.strip() or default:
                return answer
