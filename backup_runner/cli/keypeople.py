"""`key list`, `key add`, `key remove`, `key rotate`: who can open a job's backups, and who may write to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import KeyFileError, UsageError
from .apply import confirmed
from .options import JobFile, Json, Yes
from .output import Output, output

if TYPE_CHECKING:
    from ..container.suite2.recipients import Public
    from ..container.suite2.roster import Mark, Recipient
    from ..repository.recipients import Ground, KeyChange


def list_keys(job: JobFile, *, json: Json = False) -> int:
    """Who can open a job's backups and who may write to them: names, kinds, fingerprints, since when.

    Example: backup-runner key list documents.yaml
    """
    from ..report.keys import roster_fields, roster_lines
    from .jobs import load_job, session_of

    out = output(json=json)
    with session_of(load_job(job), out.reporter().warn, as_cached=True) as session:
        _, store, _ = session.need_store()
        session.unlock(store)
        found = session.know(store.lineage)
        if found is None:
            raise KeyFileError(
                "this lineage is of suite 1, which has no list of recipients: its raw key opens everything",
                hint="the next apply gives it one",
            )
        if found.roster is None:
            raise KeyFileError("the list of recipients cannot be opened with this key")
        fields = roster_fields(found.newest, found.roster, store.lineage)
    out.emit(fields)
    out.say(roster_lines(fields))
    return 0


def add(
    job: JobFile,
    recipient: Annotated[
        str | None, typer.Argument(metavar="[RECIPIENT]", help="A public key, bkr1…, or a file that holds one.")
    ] = None,
    *,
    passphrase_env: Annotated[
        str | None, typer.Option("--passphrase-env", metavar="NAME", help="A passphrase instead: its variable.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What to call them in `key list`.")] = "",
    owner: Annotated[bool, typer.Option("--owner", help="They may change who else can open.")] = False,
    yes: Yes = False,
) -> int:
    """Let somebody else open a job's backups, from the first of suite 2 on.

    Example: backup-runner key add documents.yaml ops.pub --name ops
    """
    from ..container.suite2.roster import Recipient
    from ..container.suite2.seeds import SecretKind
    from ..repository.recipients import KeyChange

    if (recipient is None) == (passphrase_env is None):
        raise UsageError("give one recipient: a public key, or --passphrase-env NAME")

    def make(ground: Ground) -> KeyChange:
        salt, since = ground.found.newest.salt, ground.store.serial
        if recipient is not None:
            public, kind, called = _public(recipient), SecretKind.PAIR, name or _name_of(recipient)
        else:
            public, kind, called = (
                _of_passphrase(passphrase_env or "", salt),
                SecretKind.PASSPHRASE,
                name or "passphrase",
            )
        new = Recipient(called[:64], kind, public.opening, public.signing if owner else None, since)
        _refuse_known(ground, new)
        return KeyChange(adds=(new,))

    return _change(job, make, yes=yes)


def remove(
    job: JobFile,
    who: Annotated[str, typer.Argument(metavar="WHO", help="A name or fingerprint, as `key list` shows it.")],
    *,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="SERIAL", help="Of a writer: what it wrote after this record is void."),
    ] = None,
    yes: Yes = False,
) -> int:
    """Somebody opens nothing that is written from now on, or what a writer wrote is void from a serial on.

    Example: backup-runner key remove documents.yaml ops
    """
    from ..repository.recipients import KeyChange, find_recipient, find_writer

    def make(ground: Ground) -> KeyChange:
        writer = find_writer(ground.roster, who)
        if writer is None:
            return KeyChange(removes=(find_recipient(ground.roster, who).public,))
        return KeyChange(voids=((writer.key, _mark(ground, after)),))

    return _change(job, make, yes=yes)


def rotate(job: JobFile, *, yes: Yes = False) -> int:
    """Begin a new epoch: what is written from now on is sealed to a new key, for the same recipients.

    Example: backup-runner key rotate documents.yaml
    """
    from ..repository.recipients import KeyChange

    return _change(job, lambda _: KeyChange(rotate=True), yes=yes)


def _change(job: JobFile, make: Callable[[Ground], KeyChange], *, yes: bool) -> int:
    from ..repository.recipients import change_keys
    from .jobs import load_job, session_of

    out = output(json=False)

    def agreed(change: KeyChange) -> bool:
        out.say([*change.lines, *change.caveats])
        return yes or _asked(out)

    with session_of(load_job(job), out.reporter().warn, as_cached=True) as session:
        new = change_keys(session, make, agreed)
        if new is None:
            out.say(["Not changed."])
            return 1
        writers = [one.name for one in new.roster.writers if one.void is None] if new.roster else []
    out.say([f"Recorded as envelope {new.newest.number}, epoch {new.newest.epoch}."])
    if writers:
        out.say([f"These seal to the old key until they next see the bucket: {', '.join(writers)}"])
    return 0


def _asked(out: Output) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", hint="--yes makes the change without asking")
    return confirmed(out)


def _public(given: str) -> Public:
    from ..container.suite2.recipients import read_recipient

    if given.startswith("bkr1"):
        return read_recipient(given)
    try:
        with open(given, encoding="utf-8") as file:
            return read_recipient(file.read(1 << 14))
    except (OSError, UnicodeDecodeError):
        raise KeyFileError(
            f"{given} is neither a public key nor a file that holds one",
            hint="`key recipient FILE` prints the public half of a key pair",
        ) from None


def _of_passphrase(variable: str, salt: bytes) -> Public:
    from ..container import Identity
    from ..container.suite2.recipients import Public
    from ..container.suite2.seeds import Secret

    if variable not in os.environ:
        raise KeyFileError(f"the variable {variable} that should hold the passphrase is not set")
    return Public.of(Identity(Secret.of_passphrase(os.environ[variable])), salt)


def _name_of(given: str) -> str:
    return "recipient" if given.startswith("bkr1") else os.path.basename(given).removesuffix(".pub")


def _refuse_known(ground: Ground, new: Recipient) -> None:
    if any(one.public == new.public for one in ground.roster.recipients):
        raise KeyFileError("this recipient can open the job's backups already", hint="`key list JOB` shows all")
    if any(one.name == new.name for one in ground.roster.recipients):
        raise KeyFileError(f"there is a recipient called {new.name!r}", hint="give another name with --name")


def _mark(ground: Ground, after: int | None) -> Mark:
    from ..container.suite2.roster import Mark

    head = ground.head
    if after is None or head is None or not 0 <= after <= head.serial:
        raise UsageError(
            "say after which record what this writer wrote is void: --after SERIAL",
            hint=f"the newest is {head.serial if head else 0}; `snapshots JOB` shows when each was made",
        )
    return Mark(after, head.digest if after == head.serial else bytes(32))
