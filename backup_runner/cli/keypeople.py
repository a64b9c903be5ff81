"""`key list`, `key add`, `key remove`, `key rotate`: who can decrypt a job's backups, and who may write them."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import UsageError
from .jobs import load_job
from .options import JobFile, Json, Yes
from .output import Output, output
from .plans import confirmed

if TYPE_CHECKING:
    from ..api import KeyChain, KeyChange


def list_keys(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """List who can decrypt a job's backups and who may write them: names, kinds, fingerprints, since when.

    Example: backup-runner key list documents.yaml
    """
    from ..report.keys import roster_fields, roster_lines

    out = output(context, json=json)
    found = api.key_holders(load_job(job, out), events=out.reporter())
    fields = roster_fields(found.envelope, found.roster, found.lineage, found.machine)
    out.emit(fields)
    out.say(roster_lines(fields))
    return 0


def add(
    context: typer.Context,
    job: JobFile,
    recipient: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPIENT]",
            help="A public key (bkr1…), or a file that contains one. With --writer, also what `key writer` prints.",
        ),
    ] = None,
    *,
    passphrase_env: Annotated[
        str | None,
        typer.Option(
            "--passphrase-env", metavar="NAME", help="Add a passphrase instead, taken from this environment variable."
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The name shown in `key list`.")] = "",
    owner: Annotated[bool, typer.Option("--owner", help="Allow them to add and remove others.")] = False,
    writer: Annotated[
        bool,
        typer.Option(
            "--writer", help="Let them make backups, too. Also for existing recipients, and for machines' signing keys."
        ),
    ] = False,
    yes: Yes = False,
) -> int:
    """Let somebody else decrypt a job's backups, older ones included, except what suite 1 wrote.

    Example: backup-runner key add documents.yaml ops.pub --name ops
    """
    out = output(context)
    new = api.add_recipient(
        load_job(job, out),
        recipient,
        passphrase_env=passphrase_env,
        name=name,
        role="owner" if owner else "writer" if writer else "reader",
        agree=partial(_agreed, out, yes),
        events=out.reporter(),
    )
    return _tell(new, out)


def remove(
    context: typer.Context,
    job: JobFile,
    who: Annotated[str, typer.Argument(metavar="WHO", help="A name or fingerprint, as `key list` shows it.")],
    *,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="SERIAL", help="For a writer: ignore what it wrote after this record."),
    ] = None,
    yes: Yes = False,
) -> int:
    """Remove a recipient, who cannot decrypt later backups, or a writer, whose later records are ignored.

    Example: backup-runner key remove documents.yaml ops
    """
    out = output(context)
    agree = partial(_agreed, out, yes)
    return _tell(api.remove_holder(load_job(job, out), who, after=after, agree=agree, events=out.reporter()), out)


def rotate(context: typer.Context, job: JobFile, *, yes: Yes = False) -> int:
    """Encrypt later backups with a new key, for the same recipients.

    Example: backup-runner key rotate documents.yaml
    """
    out = output(context)
    agree = partial(_agreed, out, yes)
    return _tell(api.rotate_keys(load_job(job, out), agree=agree, events=out.reporter()), out)


def _agreed(out: Output, yes: bool, change: KeyChange) -> bool:  # noqa: FBT001 - for partial
    out.say([*change.lines, *change.caveats])
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for confirmation", hint="use --yes to make the change without asking")
    return confirmed(out)


def _tell(new: KeyChain | None, out: Output) -> int:
    if new is None:
        out.say(["Not changed."])
        return 1
    out.say([f"Recorded as envelope {new.newest.number}, epoch {new.newest.epoch}."])
    if new.host:
        # Machines with a secret read the new list before they write.
        out.say([f"The host {new.host} uses the old key until it reads the new list, if it may read it."])
    return 0
