"""`key …`: the secret that opens everything."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ..errors import KeyFileError
from ..foreign import describe
from .options import JobFile, Json
from .output import output

app = typer.Typer(help="The secret that opens everything.", no_args_is_help=True, rich_markup_mode=None)


@app.command("new")
def new(path: Annotated[str, typer.Argument(metavar="PATH", help="Where to write it; must not exist.")]) -> int:
    """Make a new random key of 32 bytes, readable by you only. Never overwrites.

    Example: backup-runner key new ~/.backup-runner/crypto-key
    """
    from ..container.keys import CryptoKey

    key = CryptoKey.generate()
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
    with os.fdopen(handle, "wb") as file:
        file.write(key.raw)
        file.flush()
        os.fsync(file.fileno())
    out = output(json=False)
    out.say(
        [
            f"New key in {path} (32 bytes, id {key.key_id}).",
            "Keep a copy elsewhere: without this key no backup can ever be opened again.",
        ]
    )
    return 0


@app.command("check")
def check(job: JobFile, *, json: Json = False) -> int:
    """Read a job's key, say its id and length, and whether it opens the job's bucket.

    Example: backup-runner key check documents.yaml
    """
    from ..report.tables import key_lines
    from .jobs import load_job, session_of
    from .keycheck import key_fields

    out = output(json=json)
    with session_of(load_job(job), out.reporter().warn, as_cached=True) as session:
        fields = key_fields(session)
    if out.json:
        out.emit(fields)
    else:
        out.say(key_lines(fields))
    return 1 if fields["opens"] is False else 0
