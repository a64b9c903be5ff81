"""All commands in one place, and how errors end a run: text on stderr and the exit code of the error."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated

import typer

from .. import __version__
from ..errors import BackupRunnerError, Interrupted, UsageError
from .otherverbs import helpful, hint_for
from .settings import Chosen, Progress
from .spread import first_word, spread
from .streams import complain, flush_or_drop, quiet_pipe, stderr_look

EXIT_ERROR = 1
_signalled: list[int] = []
"""Signals that came during this run: a library may turn the KeyboardInterrupt into an exception of its own."""
_CLICK_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
"""The parser's own base of usage errors, which typer does not export by name."""

_HELP = """Encrypted, deduplicated backups, defined in YAML job files. See what a run would do before it does it.

To start: `backup-runner init FILE` asks four questions and writes a job file and a key; then run `plan` and `apply`.

Exit codes: 0 done; 1 error; 2 changes (plan --detailed-exitcode); 3 done, but some files were not backed up or
restored; 4 stale plan; 5 stopped by a guard; 6 catalog locked by another run; 64 wrong usage; 130 interrupted.
"""

_COMMANDS = {
    "init": "init.command",
    "validate": "validate.command",
    "fmt": "fmt.fmt",
    "migrate": "fmt.migrate",
    "plan": "plan.command",
    "show": "show.command",
    "skips": "skips.command",
    "report": "report.command",
    "stats": "stats.command",
    "apply": "apply.command",
    "restore": "restore.command",
    "diff": "past.diff",
    "find": "past.find",
    "history": "past.history",
    "verify": "verify.command",
    "prune": "prune.command",
    "forget": "prune.forget",
    "schema": "schema.command",
    "schedule": "schedule.command",
    "snapshots": "snapshots.app",
    "files": "past.files",
    "catalog": "catalog.app",
    "key": "key.app",
    "target": "target.app",
    "file": "filecommands.app",
    "directory": "directory.app",
    "backup": "backups.app",
    "config": "config.app",
    "job": "fromcommand.app",
}
"""Module and name of each command, then of each group, in the order of the help text."""


def application(only: str | None = None, *, listed: bool = False) -> typer.Typer:
    """The parser of all commands, or of the command `only`: describing all takes longer than many a command.

    `listed` is enough for the list of commands: it has their texts, but not their parameters."""
    app = typer.Typer(
        name="backup-runner",
        help=_HELP,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in [only] if only in _COMMANDS else _COMMANDS:
        module, _, attribute = _COMMANDS[name].partition(".")
        command = getattr(import_module(f".{module}", __package__), attribute)
        if listed:
            text = command.info.help if isinstance(command, typer.Typer) else command.__doc__
            app.command(name, help=text)(_nothing)
        elif isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _nothing() -> None:
    """In place of a command that is only listed."""


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(f"backup-runner {__version__}")
        raise typer.Exit


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
        words = spread(helpful(list(arguments)))
        app = application(first_word(words), listed=words == ["--help"])
        code = app(args=words, prog_name="backup-runner", standalone_mode=False)
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
