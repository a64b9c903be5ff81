"""`key …`: create, show and check keys."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import api
from . import keypeople
from .jobs import load_job
from .options import JobFile, Json
from .output import output
from .streams import complain

app = typer.Typer(
    help="Create, show and check keys, and manage who can decrypt.", no_args_is_help=True, rich_markup_mode=None
)

NewFile = Annotated[str, typer.Argument(metavar="PATH", help="The file to write. It must not exist.")]
SecretFile = Annotated[str, typer.Argument(metavar="FILE", help="A key file: raw, text, or a key pair.")]
PassphraseEnv = Annotated[
    str | None,
    typer.Option(
        "--passphrase-env",
        metavar="NAME",
        help="The environment variable that contains the passphrase of the key pair.",
    ),
]


@app.command("new")
def new(context: typer.Context, path: NewFile) -> int:
    """Create a random key file, readable only by you. Never overwrites a file.

    Example: backup-runner key new ~/.backup-runner/crypto-key
    """
    key_id = api.new_key(path)
    output(context).say(
        [
            f"Created {path}: one line of text, key id {key_id}.",
            "Keep a copy in another place: without this key, backups cannot be restored. "
            f"`backup-runner key show {path} --paper` prints one.",
        ]
    )
    return 0


@app.command("pair")
def pair(context: typer.Context, path: NewFile, *, passphrase_env: PassphraseEnv = None) -> int:
    """Create a key pair, for somebody who should be able to decrypt backups that others make. Never overwrites a file.

    With --passphrase-env, the file is protected by a passphrase as well.

    Example: backup-runner key pair ops.pair
    """
    api.new_pair(path, passphrase_env=passphrase_env)
    output(context).say(
        [
            f"Created the key pair {path}. Keep it secret, and keep a copy in another place.",
            f"`backup-runner key recipient {path}` prints its public key, for those who make the backups.",
        ]
    )
    return 0


@app.command("recipient")
def recipient(context: typer.Context, path: SecretFile, *, passphrase_env: PassphraseEnv = None) -> int:
    """Print the public key of a key pair, for `encryption: {recipients: […]}` and `key add`. It is not secret.

    Example: backup-runner key recipient ops.pair > ops.pub
    """
    public = api.public_half(path, passphrase_env=passphrase_env, warn=_warn)
    output(context).say([f"# fingerprint {api.fingerprint_of(public)}", public.text])
    return 0


@app.command("writer")
def writer(context: typer.Context, job: JobFile) -> int:
    """Print this machine's public signing key, for `key add --writer` by an owner elsewhere. It is not secret.

    The private key is created beside the job's catalog if it is not there yet. It decrypts nothing.

    Example: backup-runner key writer documents.yaml > web.pub
    """
    out = output(context)
    public = api.machine_writer(load_job(job, out))
    out.say([f"# fingerprint {public.fingerprint}", public.text])
    return 0


@app.command("show")
def show(
    context: typer.Context,
    path: SecretFile,
    *,
    paper: Annotated[
        bool, typer.Option("--paper", help="Show a page to print, with instructions for recovery.")
    ] = False,
    html: Annotated[
        str | None, typer.Option("--html", metavar="OUT", help="Write that page as HTML, with a QR code.")
    ] = None,
    passphrase_env: PassphraseEnv = None,
) -> int:
    """Print a key as text with a checksum against typing errors. Whoever sees it can decrypt all backups.

    Example: backup-runner key show ~/.backup-runner/crypto-key --paper
    """
    from ..report.paper import paper_html, paper_lines

    shown = api.show_key(path, passphrase_env=passphrase_env, warn=_warn)
    text, key_id = shown.text, shown.key_id
    out = output(context)
    if html is not None:
        api.write_private(html, paper_html(text, key_id))
        out.say([f"Written to {html}. Print it, then delete the file: it contains the key."])
    else:
        out.say(paper_lines(text, key_id) if paper else [text])
    return 0


@app.command("check")
def check(
    context: typer.Context,
    job: JobFile,
    *,
    typed: Annotated[
        bool, typer.Option("--typed", help="Read a key as text from standard input and compare it with the job's.")
    ] = False,
    json: Json = False,
) -> int:
    """Show the id and kind of a job's key, and test whether it can decrypt the backups in the bucket.

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


app.command("list")(keypeople.list_keys)
app.command("add")(keypeople.add)
app.command("remove")(keypeople.remove)
app.command("rotate")(keypeople.rotate)
