"""`snapshots`: what can be restored, with its tags and notes."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import api
from ..errors import UsageError
from .completing import snapshots as known_snapshots
from .jobs import load_job
from .options import JobFile, Json
from .output import output

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NOTE_LENGTH = 500


class _ListByDefault(TyperGroup):
    """`snapshots JOB` is `snapshots list JOB`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["list", *args]
        found: list[str] = super().parse_args(ctx, args)
        return found


app = typer.Typer(
    help="The snapshots of a job: list them, tag them. `snapshots JOB` lists them.",
    cls=_ListByDefault,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only with this tag. May be repeated.")]


def tags_given(tags: list[str] | None) -> tuple[str, ...]:
    """Check tags from the command line. Raises UsageError."""
    for tag in tags or ():
        if not _TAG.fullmatch(tag):
            raise UsageError(f"{tag!r} is not a tag", hint="a tag is up to 64 letters, digits, '.', '_' and '-'")
    return tuple(tags or ())


def note_given(note: str | None) -> str | None:
    """Raises UsageError for anything but one line of text."""
    if note and (len(note) > NOTE_LENGTH or not note.isprintable()):
        raise UsageError("a note is one line", hint=f"use at most {NOTE_LENGTH} printable characters")
    return note


@app.command("list")
def list_snapshots(
    context: typer.Context,
    job: JobFile,
    *,
    tag: Tags = None,
    host: Annotated[str | None, typer.Option("--host", metavar="HOST", help="Only those made on this host.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only from this time on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only up to this time.")] = None,
    json: Json = False,
) -> int:
    """List a job's snapshots, oldest first.

    Example: backup-runner snapshots documents.yaml --tag before-upgrade
    """
    from ..report.machine import snapshot_fields
    from ..report.tables import snapshot_lines

    out = output(context, json=json)
    loaded = load_job(job, out)
    wanted = api.SnapshotFilter(tags_given(tag), host or "", since, until)
    found = [snapshot_fields(one, loaded.name) for one in api.snapshots(loaded, wanted, events=out.reporter())]
    if out.json:
        out.emit(found)
    else:
        out.say(snapshot_lines(found))
    return 0


@app.command("tag")
def tag_snapshots(
    context: typer.Context,
    job: JobFile,
    snapshots: Annotated[
        list[str],
        typer.Argument(
            metavar="SNAPSHOT", help="Numbers, times, `latest` or tag:NAME.", autocompletion=known_snapshots
        ),
    ],
    *,
    add: Annotated[list[str] | None, typer.Option("--add", metavar="TAG", help="Add a tag. May be repeated.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="TAG", help="Remove a tag. May be repeated.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help='A new note; "" removes it.')] = None,
    json: Json = False,
) -> int:
    """Add or remove tags of snapshots, or write a note.

    Example: backup-runner snapshots tag documents.yaml latest --add before-upgrade --note "kernel 6.12"
    """
    from ..report.machine import snapshot_fields
    from ..report.tables import snapshot_lines

    if not add and not remove and note is None:
        raise UsageError("nothing to change", hint="use --add, --remove or --note")
    out = output(context, json=json)
    loaded = load_job(job, out)
    changed = api.tag(
        loaded, snapshots, add=tags_given(add), remove=tags_given(remove), note=note_given(note), events=out.reporter()
    )
    found = [snapshot_fields(one, loaded.name) for one in changed]
    if out.json:
        out.emit(found)
    else:
        out.say(snapshot_lines(found))
    return 0
