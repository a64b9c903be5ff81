"""`key …`: the secrets that open everything."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import KeyFileError, WrongKeyError
from ..foreign import describe
from .options import JobFile, Json
from .output import output

if TYPE_CHECKING:
    from ..container import Identity

app = typer.Typer(help="The secrets that open everything.", no_args_is_help=True, rich_markup_mode=None)

NewFile = Annotated[str, typer.Argument(metavar="PATH", help="Where to write it; must not exist.")]
SecretFile = Annotated[str, typer.Argument(metavar="FILE", help="A key file: raw, text, or a key pair.")]
PassphraseEnv = Annotated[
    str | None,
    typer.Option("--passphrase-env", metavar="NAME", help="The variable with the passphrase of a key pair."),
]


def _write_new(path: str, text: str) -> None:
    """A file that only its owner reads. Raises KeyFileError if there is one already."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path} already exists and was not changed",
            hint="choose another name; if a key is lost, its backups cannot be opened",
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {describe(error)}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read(path: str, passphrase_env: str | None = None) -> Identity:
    from ..container import Identity
    from ..repository.keyfile import load_secret
    from ..spec import EncryptionSpec
    from .output import complain

    secret, warnings = load_secret(EncryptionSpec(key_file=path, passphrase_env=passphrase_env), os.environ)
    complain(warnings)
    return Identity(secret)


@app.command("new")
def new(path: NewFile) -> int:
    """Make a new random key as one line of text, readable by you only. Never overwrites.

    Example: backup-runner key new ~/.backup-runner/crypto-key
    """
    from ..container import Identity
    from ..container.suite2.seeds import Secret

    secret = Secret.generate()
    _write_new(path, secret.text + "\n")
    output(json=False).say(
        [
            f"New key in {path} (one line of text, id {Identity(secret).key_id}).",
            "Keep a copy elsewhere: without this key no backup can ever be opened again. "
            f"`backup-runner key show {path} --paper` prints one.",
        ]
    )
    return 0


@app.command("pair")
def pair(path: NewFile, *, passphrase_env: PassphraseEnv = None) -> int:
    """Make a key pair, for somebody who is to open backups that others make. Never overwrites.

    With --passphrase-env its file is under a passphrase as well.

    Example: backup-runner key pair ops.pair
    """
    from ..container.suite2.seeds import Secret, SecretKind, seal_pair

    secret = Secret.generate(SecretKind.PAIR)
    text = secret.text
    if passphrase_env:
        if passphrase_env not in os.environ:
            raise KeyFileError(f"the variable {passphrase_env} that should hold the passphrase is not set")
        text = seal_pair(secret, os.environ[passphrase_env])
    _write_new(path, text + "\n")
    output(json=False).say(
        [
            f"New key pair in {path}. Keep it secret, and a copy of it elsewhere.",
            f"`backup-runner key recipient {path}` prints its public half, which others seal to.",
        ]
    )
    return 0


@app.command("recipient")
def recipient(path: SecretFile, *, passphrase_env: PassphraseEnv = None) -> int:
    """Print the public half of a key pair, for `encryption: {recipients: […]}` and `key add`. It is no secret.

    Example: backup-runner key recipient ops.pair > ops.pub
    """
    from ..container.suite2.recipients import Public, fingerprint
    from ..container.suite2.seeds import SecretKind

    identity = _read(path, passphrase_env)
    if identity.secret.kind is not SecretKind.PAIR:
        raise KeyFileError(
            f"{path} is no key pair: the public half of other keys is another one for each lineage",
            hint="make a pair with `backup-runner key pair FILE`",
        )
    public = Public.of(identity, bytes(32))
    output(json=False).say([f"# fingerprint {fingerprint(public.opening)}", public.text])
    return 0


@app.command("show")
def show(
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

    identity = _read(path, passphrase_env)
    text, key_id = identity.secret.text, identity.key_id
    out = output(json=False)
    if html is not None:
        _write_new(html, paper_html(text, key_id))
        out.say([f"Written to {html}. Print it, then delete the file: it holds the key."])
    else:
        out.say(paper_lines(text, key_id) if paper else [text])
    return 0


@app.command("check")
def check(
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
    from ..report.tables import key_lines
    from .jobs import load_job, session_of
    from .keycheck import key_fields

    out = output(json=json)
    with session_of(load_job(job), out.reporter().warn, as_cached=True) as session:
        if typed:
            _compare(session.identity)
        fields = key_fields(session)
    if out.json:
        out.emit(fields)
    else:
        out.say(key_lines(fields))
    return 1 if fields["opens"] is False else 0


def _compare(identity: Identity) -> None:
    """Raises KeyTextError for a wrong letter, WrongKeyError for another key."""
    from ..container.suite2.seeds import read_secret

    if read_secret(sys.stdin.buffer.read()) != identity.secret:
        raise WrongKeyError(
            "what was typed is a key without a mistake, but not the key of this job",
            hint="is it the page of another key? its id stands on it",
        )
