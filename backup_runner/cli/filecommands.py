"""`file …`: one file at a time, as people know it from backup-tool."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CatalogError, Interrupted
from .oneshot import DryRun, ForceChecksum, Overwrite, opened, plan_and_apply
from .options import Json, OverrideGuards, Wait, Yes, guard_names, seconds
from .output import output

if TYPE_CHECKING:
    from ..container import Identity
    from ..oneshot.crypt import Crypted

app = typer.Typer(help="Files one at a time: the one-shot commands.", no_args_is_help=True, rich_markup_mode=None)
_PROBLEMS = 3
Replace = Annotated[bool, typer.Option("--overwrite", "-o", help="Replace OUT if it is there.")]


@app.command("backup")
def backup(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file.")],
    *,
    overwrite: Overwrite = False,
    force_checksum: ForceChecksum = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
    json: Json = False,
) -> int:
    """Back up one file.

    Example: backup-runner file backup ~/letters/tax.pdf --overwrite
    """
    from dataclasses import replace

    from ..oneshot.jobs import Wish, backup_job
    from .settings import config

    wish = Wish((path,), overwrite=overwrite, force_checksum=force_checksum)
    job, planning = backup_job(config(), wish)
    planning = replace(planning, overrides=guard_names(override_guard))
    return plan_and_apply(job, planning, output(json=json), wait=seconds(wait))


@app.command("list")
def list_files(*, json: Json = False) -> int:
    """List the files that are backed up, with their ids.

    Example: backup-runner file list --json
    """
    from ..catalog import listing
    from ..report.listings import file_fields, file_lines

    out = output(json=json)
    with opened(out) as (_, cat, store):
        found = [file_fields(item) for item in listing.files(cat, store.id)]
    out.emit(found)
    out.say(() if out.json else file_lines(found))
    return 0


@app.command("restore")
def restore(
    file_id: Annotated[int, typer.Argument(metavar="ID", help="The file's id, from `file list`.")],
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "-o", help="Replace the file if it is there and differs.")
    ] = False,
    set_restore: Annotated[
        bool, typer.Option("--set-restore", help="If it lies in an archive tier, ask for it to be made readable.")
    ] = False,
    json: Json = False,
) -> int:
    """Bring one file back to where it was.

    Example: backup-runner file restore 17 --overwrite
    """
    from dataclasses import replace

    from ..catalog import listing
    from ..report.machine import restore_documents
    from ..report.problems import FILE_RESTORE_NEXT
    from ..report.results import restore_lines
    from ..restoring.run import RestoreOptions
    from ..restoring.run import restore as bring_back
    from ..spec import Overwrite as Policy
    from .jobs import session_of

    out = output(json=json)
    with opened(out) as (session, cat, store):
        known = listing.path_of(cat, store.id, file_id)
        job = session.job
    if known is None:
        raise CatalogError(f"no file has the id {file_id}", hint="`backup-runner file list` shows the ids")
    options = RestoreOptions(
        paths=(known.key,),
        at=None if known.snapshot_id is None else str(known.snapshot_id),
        overwrite=Policy.CHANGED if overwrite else Policy.NEVER,
        thaw=set_restore,
    )
    reporter = out.reporter()
    with session_of(replace(job, name=known.job), reporter.warn) as session:
        outcome = bring_back(session, options, reporter)
    reporter.close()
    for document in restore_documents(outcome, dry_run=False):
        out.emit(document)
    out.say(restore_lines(outcome, out.look, dry_run=False, hints=FILE_RESTORE_NEXT))
    if outcome.interrupted:
        raise Interrupted("interrupted; the file was not restored")
    return _PROBLEMS if outcome.problems else 0


@app.command("cleanup")
def cleanup(
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    override_guard: OverrideGuards = None,
    json: Json = False,
) -> int:
    """Take files that are gone out of the list. Their backups stay until `backup cleanup`.

    Stops if a place that files came from is missing or empty: a disk may not be mounted.

    Example: backup-runner file cleanup --dry-run
    """
    from dataclasses import replace

    from ..oneshot.jobs import cleanup_job
    from .settings import config

    out = output(json=json)
    with opened(out) as (session, cat, store):
        job_id = cat.job_id(store.id, session.job.name)
        if job_id is None:
            out.say(["Nothing was backed up by one-shot commands yet."])
            return 0
        job, planning = cleanup_job(config(), cat, job_id)
    planning = replace(planning, overrides=guard_names(override_guard))
    return plan_and_apply(job, planning, out, dry_run=dry_run, ask=not yes)


@app.command("duplicates")
def duplicates(*, json: Json = False) -> int:
    """List files that have the same content, which is stored once.

    Example: backup-runner file duplicates
    """
    from ..catalog import listing
    from ..report.listings import duplicate_fields, duplicate_lines

    out = output(json=json)
    with opened(out) as (_, cat, store):
        found = duplicate_fields(listing.duplicates(cat, store.id))
    out.emit(found)
    out.say(() if out.json else duplicate_lines(found))
    return 0


@app.command("md5")
def md5(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file.")],
    *,
    json: Json = False,
) -> int:
    """Print a file's MD5 in base64, as the bucket shows it.

    Example: backup-runner file md5 ~/letters/tax.pdf
    """
    from ..oneshot.crypt import md5_of

    out = output(json=json)
    found = md5_of(path)
    out.emit({"path": path, "md5": found})
    out.say([found])
    return 0


@app.command("encrypt")
def encrypt(
    source: Annotated[str, typer.Argument(metavar="IN", help="The file to seal.")],
    goal: Annotated[str, typer.Argument(metavar="OUT", help="The sealed file.")],
    *,
    backup_tool: Annotated[bool, typer.Option("--backup-tool", help="In backup-tool's format, without a MAC.")] = False,
    overwrite: Replace = False,
    json: Json = False,
) -> int:
    """Seal a file with the crypto key. Nothing is uploaded.

    Example: backup-runner file encrypt tax.pdf tax.pdf.sealed
    """
    from ..oneshot.crypt import encrypt_file

    return _crypt(
        lambda identity: encrypt_file(identity, source, goal, legacy_format=backup_tool, overwrite=overwrite), json=json
    )


@app.command("decrypt")
def decrypt(
    source: Annotated[str, typer.Argument(metavar="IN", help="A sealed file, ours or backup-tool's.")],
    goal: Annotated[str, typer.Argument(metavar="OUT", help="The plain file.")],
    *,
    overwrite: Replace = False,
    json: Json = False,
) -> int:
    """Open a sealed file with the crypto key; also any object as it lies in the bucket.

    Example: backup-runner file decrypt tax.pdf.sealed tax.pdf
    """
    from ..oneshot.crypt import decrypt_file

    return _crypt(lambda identity: decrypt_file(identity, source, goal, overwrite=overwrite), json=json)


def _crypt(work: Callable[[Identity], Crypted], *, json: bool) -> int:
    from ..container import Identity
    from ..repository.keyfile import load_secret
    from ..spec import EncryptionSpec
    from .output import complain
    from .settings import config

    secret, warnings = load_secret(EncryptionSpec(key_file=config().value("general.crypto_key_file")), os.environ)
    complain(warnings)
    out = output(json=json)
    done = work(Identity(secret))
    out.emit(done._asdict())
    out.say([f"plain:  {done.plain_size} bytes, MD5 {done.plain_md5}"])
    out.say([f"sealed: {done.sealed_size} bytes, MD5 {done.sealed_md5}"])
    if not done.authentic:
        out.say(["note: backup-tool's format has no MAC; only an MD5 that you know tells whether it is unaltered"])
    return 0
