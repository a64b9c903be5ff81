"""`key …`: the secrets that open everything."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import output
from .streams import complain

app = typer.Typer(help="The secrets that open everything.", no_args_is_help=True, rich_markup_mode=None)

NewFile = Annotated[str, typer.Argument(metavar="PATH", help="Where to write it; must not exist.")]
SecretFile = Annotated[str, typer.Argument(metavar="FILE", help="A key file: raw, text, or a key pair.")]
PassphraseEnv = Annotated[
    str | None,
    typer.Option("--passphrase-env", metavar="NAME", help="The variable with the passphrase of a key pair."),
]


@app.command("new")
def new(context: typer.Context, path: NewFile) -> int:
    """Make a new random key as one line of text, readable by you only. Never overwrites.

    Example: backup-runner key new ~/.backup-runner/crypto-key
    """
    key_id = api.new_key(path)
    output(context).say(
        [
            f"New key in {path} (one line of text, id {key_id}).",
            "Keep a copy elsewhere: without this key no backup can ever be opened again. "
            f"`backup-runner key show {path} --paper` prints one.",
        ]
    )
    return 0


@app.command("pair")
def pair(context: typer.Context, path: NewFile, *, passphrase_env: PassphraseEnv = None) -> int:
    """Make a key pair, for somebody who is to open backups that others make. Never overwrites.

    With --passphrase-env its file is under a passphrase as well.

    Example: backup-runner key pair ops.pair
    """
    api.new_pair(path, passphrase_env=passphrase_env)
    output(context).say(
        [
            f"New key pair in {path}. Keep it secret, and a copy of it elsewhere.",
            f"`backup-runner key recipient {path}` prints its public half, which others seal to.",
        ]
    )
    return 0


@app.command("recipient")
def recipient(context: typer.Context, path: SecretFile, *, passphrase_env: PassphraseEnv = None) -> int:
    """Print the public half of a key pair, for `encryption: {recipients: […]}` and `key add`. It is no secret.

    Example: backup-runner key recipient ops.pair > ops.pub
    """
    public = api.public_half(path, passphrase_env=passphrase_env, warn=_warn)
    output(context).say([f"# fingerprint {api.fingerprint_of(public)}", public.text])
    return 0


@app.command("show")
def show(
    context: typer.Context,
    path: SecretFile,
    *,
    paper: Annotated[bool, typer.Option("--paper", help="A page to print, with what to do with it.")] = False,
    html: Annotated[
        str | None, typer.Option("--html", metavar="OUT", help="Write that page as HTML with a QR code.")
    ] = None,
    passphrase_env: PassphraseEnv = None,
) -> int:
    """Print a key as text, with a checksum that a mistyped letter fails. Whoever sees it can open everything.

    Example: backup-runner key show ~/.backup-runner/crypto-key --paper
    """
    from ..report.paper import paper_html, paper_lines

    shown = api.show_key(path, passphrase_env=passphrase_env, warn=_warn)
    text, key_id = shown.text, shown.key_id
    out = output(context)
    if html is not None:
        api.write_private(html, paper_html(text, key_id))
        out.say([f"Written to {html}. Print it, then delete the file: it holds the key."])
    else:
        out.say(paper_lines(text, key_id) if paper else [text])
    return 0


@app.command("check")
def check(
    context: typer.Context,
    job: JobFile,
    *,
    typed: Annotated[
        bool, typer.Option("--typed", help="Read a key as text from standard input; compare it with the job's.")
    ] = False,
    json: Json = False,
) -> int:
    """Read a job's key, say its id and kind, and whether it opens the job's bucket.

    Example: backup-runner key check documents.yaml
    """
    from ..report.tables import key_fields, key_lines

    out = output(context, json=json)
    loaded = load_job(job, out)
    read = sys.stdin.buffer.read() if typed else None
    fields = key_fields(api.check_key(loaded, typed=read, events=out.reporter()))
    if out.json:
        out.emit(fields)
    else:
        out.say(key_lines(fields))
    return 1 if fields["opens"] is False else 0


def _warn(text: str) -> None:
    complain([text])
