"""`job`: a one-shot command as a job file, ready for git; a job after `extends`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import api
from ..errors import UsageError
from .jobs import mistakes_named
from .options import JobFile
from .output import output
from .spread import spread

app = typer.Typer(help="Create and show job files.", no_args_is_help=True, rich_markup_mode=None)
_NAME = "documents"


@app.callback()
def _job() -> None:
    """Create and show job files."""


@app.command("from-command", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def from_command(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option("--name", help="The job's name.")] = _NAME,
) -> int:
    """Print a job file that does the same as a one-shot command: `directory backup …` or `file backup …`.

    Example: backup-runner job from-command directory backup --dir-paths ~/documents --overwrite > documents.yaml
    """
    from ..api.oneshot import Wish, job_file

    words = spread(context.args)
    if words[:2] not in (["directory", "backup"], ["file", "backup"]):
        raise UsageError(
            "only `directory backup` and `file backup` can be converted to a job",
            hint="for example: job from-command directory backup --dir-paths ~/documents",
        )
    given = _parse(words)
    paths = given.get("dir_paths") or [given["path"]]
    wish = Wish(
        tuple(paths),
        tuple(given.get("skip_files") or ()),
        given["overwrite"],
        given["force_checksum"],
        directories=words[0] == "directory",
    )
    out = output(context)
    out.say(job_file(out.settings, wish, name))
    return 0


@app.command("show")
def show(context: typer.Context, job: JobFile) -> int:
    """Print a job as it is after `extends`, with the origin of each shared value. Reads only job files.

    The output is a job file, too. Variables are not expanded, and settings of the config file are only listed.

    Example: backup-runner job show jobs/web01.yaml
    """
    out = output(context)
    with mistakes_named():
        text = api.resolved_job(job, settings=out.settings)
    out.say(text.splitlines())
    return 0


def _parse(words: list[str]) -> dict[str, Any]:
    """The parameters that the command itself would receive. Raises the parser's usage errors."""
    from . import directory, filecommands

    group = typer.main.get_command(directory.app if words[0] == "directory" else filecommands.app)
    command = group.get_command(None, words[1])  # type: ignore[attr-defined]
    return dict(command.make_context(" ".join(words[:2]), words[2:]).params)
