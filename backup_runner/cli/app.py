"""All commands in one place, and how errors end a run: text on stderr and the exit code of the error."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from .. import __version__
from ..errors import BackupRunnerError, Interrupted, UsageError
from . import (
    apply,
    backups,
    catalog,
    config,
    directory,
    filecommands,
    fmt,
    fromcommand,
    key,
    keypeople,
    past,
    plan,
    prune,
    recovery,
    report,
    restore,
    schedule,
    schema,
    show,
    skips,
    snapshots,
    stats,
    target,
    validate,
    verify,
)
from .otherverbs import helpful, hint_for
from .settings import Chosen, Progress
from .spread import spread
from .streams import complain, flush_or_drop, quiet_pipe, stderr_look

EXIT_ERROR = 1
_signalled: list[int] = []
"""Signals that came during this run: a library may turn the KeyboardInterrupt into an exception of its own."""
_CLICK_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""The parser's own base of usage errors, which typer does not export by name."""

_HELP = """Encrypted, deduplicated backups, defined in YAML job files. See what a run would do before it does it.

To start: create a key with `backup-runner key new FILE`, write a job file, then run `validate`, `plan` and `apply`.

Exit codes: 0 done; 1 error; 2 changes (plan --detailed-exitcode); 3 done, but some files were not backed up or
restored; 4 stale plan; 5 stopped by a guard; 6 catalog locked by another run; 64 wrong usage; 130 interrupted.
"""

app = typer.Typer(
    name="backup-runner",
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("validate")(validate.command)
app.command("fmt")(fmt.fmt)
app.command("migrate")(fmt.migrate)
app.command("plan")(plan.command)
app.command("show")(show.command)
app.command("skips")(skips.command)
app.command("report")(report.command)
app.command("stats")(stats.command)
app.command("apply")(apply.command)
app.command("restore")(restore.command)
app.add_typer(snapshots.app, name="snapshots")
app.command("diff")(past.diff)
app.command("find")(past.find)
app.command("history")(past.history)
app.add_typer(past.files, name="files")
app.command("verify")(verify.command)
app.command("prune")(prune.command)
app.command("forget")(prune.forget)
catalog.app.command("pull")(recovery.pull)
catalog.app.command("rebuild")(recovery.rebuild)
app.add_typer(catalog.app, name="catalog")
key.app.command("list")(keypeople.list_keys)
key.app.command("add")(keypeople.add)
key.app.command("remove")(keypeople.remove)
key.app.command("rotate")(keypeople.rotate)
app.add_typer(key.app, name="key")
app.add_typer(target.app, name="target")
app.command("schema")(schema.command)
app.command("schedule")(schedule.command)
app.add_typer(filecommands.app, name="file")
app.add_typer(directory.app, name="directory")
app.add_typer(backups.app, name="backup")
app.add_typer(config.app, name="config")
app.add_typer(fromcommand.app, name="job")


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(f"backup-runner {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    config_file: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-s",
            "--settings-file",
            metavar="FILE",
            help="Config file. Default: ~/.backup-runner/config.yaml.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SECTION.KEY=VALUE", help="Override a setting of the job or config file. May be repeated."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the detailed log on stderr.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only: no progress, no notes.")] = False,
    progress: Annotated[
        Progress, typer.Option("--progress", help="How to show progress on stderr; json: events, one a line.")
    ] = Progress.AUTO,
    log_json: Annotated[bool, typer.Option("--log-json", help="Write log lines as JSON.")] = False,
) -> None:
    """Options before the command; the help text is the application's."""
    verbosity = 1 if verbose else -1 if quiet else 0
    context.obj = Chosen(config_file, list(overrides or ()), verbosity, log_json, progress.value)


def _unwind(number: int, frame: FrameType | None) -> None:
    _signalled.append(number)
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the process's exit code. Nothing is raised."""
    _signalled.clear()
    # SIGTERM unwinds like Ctrl-C, so that temporary files go away; engines that write install their own handlers.
    signal.signal(signal.SIGTERM, _unwind)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _unwind)
    try:
        return _run(arguments)
    except BrokenPipeError:
        quiet_pipe()
        return EXIT_ERROR


def _run(arguments: Sequence[str]) -> int:
    try:
        code = app(args=spread(helpful(list(arguments))), prog_name="backup-runner", standalone_mode=False)
        sys.stdout.flush()
    except BackupRunnerError as error:
        return _tell(error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except _CLICK_USAGE as error:
        return _wrong_usage(error)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last place where a fault can become a message
        if _signalled:
            return _interrupted()
        from ..api.faults import explained

        if isinstance(error, OSError):
            flush_or_drop()
        told = explained(error)
        return _tell(told) if told else _unexpected(error)
    # The parser silently turns Ctrl-C into this code.
    return _interrupted() if code == Interrupted.exit_code else int(code or 0)


def _interrupted() -> int:
    return _tell(Interrupted("interrupted by Ctrl-C or a signal"))


def _tell(error: BackupRunnerError) -> int:
    from ..report.failures import error_lines
    from ..runs.logs import log

    log.error("%s (exit %d)", error.message, error.exit_code)

    complain(error_lines(error, stderr_look()))
    return error.exit_code


def _wrong_usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = message.replace("Value error, ", "")
    if context and message == context.get_help():
        # A group without a command: its help was printed.
        complain([message])
        return UsageError.exit_code
    command = context.command_path if context else "backup-runner"
    hint = hint_for(message, command) or f"`{command} --help` shows what there is"
    return _tell(UsageError(message[:1].lower() + message[1:].rstrip("."), hint=hint))


def _unexpected(error: Exception) -> int:
    from ..report.failures import DEBUG, unexpected_lines

    if os.environ.get(DEBUG):
        from ..foreign import trace

        complain(trace(error))
    complain(unexpected_lines(error, stderr_look()))
    return EXIT_ERROR
