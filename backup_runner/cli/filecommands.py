"""`file …`: one file at a time, as people know it from backup-tool."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import Interrupted, UsageError
from .exits import exit_code
from .oneshot import DryRun, ForceChecksum, Overwrite, show_and_apply
from .options import Json, OverrideGuards, Wait, Yes, guard_names, seconds
from .output import Output, output
from .streams import complain

if TYPE_CHECKING:
    from ..api.oneshot import Crypted

app = typer.Typer(
    help="One-shot commands for single files: back up, list, restore, encrypt.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Replace = Annotated[bool, typer.Option("--overwrite", "-o", help="Replace OUT if it exists.")]


@app.command("backup")
def backup(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file, or - for standard input.")],
    *,
    stored_as: Annotated[
        str, typer.Option("--as", metavar="NAME", help="With -: the path under which it is stored.")
    ] = "",
    overwrite: Overwrite = False,
    force_checksum: ForceChecksum = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
    json: Json = False,
) -> int:
    """Back up one file, or what comes in on standard input.

    Example: backup-runner file backup ~/letters/tax.pdf --overwrite

    Example: mysqldump shop | backup-runner file backup - --as dumps/shop.sql
    """
    from ..api import oneshot

    out = output(context, json=json)
    if (path == "-") != bool(stored_as):
        raise UsageError("- and --as NAME belong together", hint="e.g. `… file backup - --as dumps/shop.sql`")
    if path == "-" and sys.__stdin__ is None:
        # /dev/null stands in for it by now (`__main__`), and its nothing must not replace the last dump.
        raise UsageError("standard input is closed", hint="pipe something into this command")
    if path == "-" and sys.stdin.isatty():
        raise UsageError("standard input is a terminal", hint="pipe something into this command")
    wish = oneshot.Wish((path,), overwrite=overwrite, force_checksum=force_checksum, stored_as=stored_as)
    job, planning = oneshot.storing(out.settings, wish)
    planning = replace(planning, overrides=guard_names(override_guard))
    return show_and_apply(job, planning, out, wait=seconds(wait))


@app.command("list")
def list_files(context: typer.Context, *, json: Json = False) -> int:
    """List the files that are backed up, with their ids.

    Example: backup-runner file list --json
    """
    from ..api import oneshot
    from ..report.listings import file_fields, file_lines

    out = output(context, json=json)
    found = [file_fields(item) for item in oneshot.files(out.settings, events=out.reporter())]
    out.emit(found)
    out.say(() if out.json else file_lines(found))
    return 0


@app.command("restore")
def restore(
    context: typer.Context,
    file_id: Annotated[int, typer.Argument(metavar="ID", help="The file's id, from `file list`.")],
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "-o", help="Replace the file if it exists and differs.")
    ] = False,
    set_restore: Annotated[
        bool, typer.Option("--set-restore", help="If the object is archived, request that it be made readable.")
    ] = False,
    json: Json = False,
) -> int:
    """Restore one file to its original location.

    Example: backup-runner file restore 17 --overwrite
    """
    from ..api import oneshot
    from ..report.machine import restore_documents
    from ..report.problems import FILE_RESTORE_NEXT
    from ..report.results import restore_lines

    out = output(context, json=json)
    policy = api.Overwrite.CHANGED if overwrite else api.Overwrite.NEVER
    options = api.RestoreOptions(overwrite=policy, thaw=set_restore)
    reporter = out.reporter()
    outcome = oneshot.restore_file(out.settings, file_id, options, events=reporter)
    reporter.close()
    for document in restore_documents(outcome, dry_run=False):
        out.emit(document)
    out.say(restore_lines(outcome, out.look, dry_run=False, hints=FILE_RESTORE_NEXT))
    if outcome.interrupted:
        raise Interrupted("interrupted; the file was not restored")
    return exit_code(outcome)


@app.command("cleanup")
def cleanup(
    context: typer.Context,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    override_guard: OverrideGuards = None,
    json: Json = False,
) -> int:
    """Remove files that no longer exist from the list. Their backups stay until `backup cleanup`.

    Stops if a folder that files came from is missing or empty: a disk may not be mounted.

    Example: backup-runner file cleanup --dry-run
    """
    from ..api import oneshot

    out = output(context, json=json)
    asked = oneshot.cleaning_files(out.settings, events=out.reporter())
    if asked is None:
        out.say(["The one-shot commands have not backed up anything yet."])
        return 0
    job, planning = asked
    planning = replace(planning, overrides=guard_names(override_guard))
    return show_and_apply(job, planning, out, dry_run=dry_run, ask=not yes)


@app.command("duplicates")
def duplicates(context: typer.Context, *, json: Json = False) -> int:
    """List files with the same content. It is stored only once.

    Example: backup-runner file duplicates
    """
    from ..api import oneshot
    from ..report.listings import duplicate_fields, duplicate_lines

    out = output(context, json=json)
    found = duplicate_fields(oneshot.duplicates(out.settings, events=out.reporter()))
    out.emit(found)
    out.say(() if out.json else duplicate_lines(found))
    return 0


@app.command("md5")
def md5(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file.")],
    *,
    json: Json = False,
) -> int:
    """Print a file's MD5 in base64, the form that OCI shows.

    Example: backup-runner file md5 ~/letters/tax.pdf
    """
    from ..api.oneshot import md5_of

    out = output(context, json=json)
    found = md5_of(path)
    out.emit({"path": path, "md5": found})
    out.say([found])
    return 0


@app.command("encrypt")
def encrypt(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IN", help="The file to encrypt.")],
    goal: Annotated[str, typer.Argument(metavar="OUT", help="The encrypted file.")],
    *,
    backup_tool: Annotated[
        bool, typer.Option("--backup-tool", help="Use backup-tool's format, which has no MAC.")
    ] = False,
    overwrite: Replace = False,
    json: Json = False,
) -> int:
    """Encrypt a file with the key. Nothing is uploaded.

    Example: backup-runner file encrypt tax.pdf tax.pdf.encrypted
    """
    from ..api.oneshot import encrypt_file

    out = output(context, json=json)
    settings = out.settings
    _tell(encrypt_file(settings, source, goal, legacy_format=backup_tool, overwrite=overwrite, warn=_warn), out)
    return 0


@app.command("decrypt")
def decrypt(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IN", help="An encrypted file, of backup-runner or backup-tool.")],
    goal: Annotated[str, typer.Argument(metavar="OUT", help="The decrypted file.")],
    *,
    overwrite: Replace = False,
    json: Json = False,
) -> int:
    """Decrypt a file with the key, or an object downloaded from the bucket.

    Example: backup-runner file decrypt tax.pdf.encrypted tax.pdf
    """
    from ..api.oneshot import decrypt_file

    out = output(context, json=json)
    _tell(decrypt_file(out.settings, source, goal, overwrite=overwrite, warn=_warn), out)
    return 0


def _warn(text: str) -> None:
    complain([text])


def _tell(done: Crypted, out: Output) -> None:
    out.emit(done._asdict())
    out.say([f"plain:     {done.plain_size} bytes, MD5 {done.plain_md5}"])
    out.say([f"encrypted: {done.sealed_size} bytes, MD5 {done.sealed_md5}"])
    if not done.authentic:
        out.say(
            ["note: backup-tool's format has no MAC, so changes are not detected; compare the MD5 with a known one"]
        )
