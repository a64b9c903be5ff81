"""`schedule`: run a job by itself, with systemd or cron."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from enum import StrEnum
from typing import Annotated

import typer

from ..errors import UsageError
from .options import JobFile, Json
from .output import Output, output


class Form(StrEnum):
    """What runs it."""

    SYSTEMD = "systemd"
    CRONTAB = "crontab"


def command(
    job: JobFile,
    *,
    form: Annotated[Form, typer.Option("--format", help="systemd units, or a line for crontab.")] = Form.SYSTEMD,
    json: Json = False,
) -> int:
    """Print systemd units or a crontab line from the job's `schedule`.

    Example: backup-runner schedule documents.yaml --format crontab
    """
    from ..jobfile.variables import variables_of
    from ..runs.schedule import crontab_line, environment_file, units
    from .jobs import load_job

    out = output(json=json)
    loaded = load_job(job)
    if loaded.schedule is None:
        hint = 'add for example `schedule: {every: day, at: "02:30"}`'
        raise UsageError(f'job "{loaded.name}" has no schedule', hint=hint)
    program = shutil.which("backup-runner")
    # Units and cron find programs by a path of their own, so every part of the command is absolute.
    words = [os.path.abspath(program)] if program else [sys.executable, "-P", "-m", "backup_runner"]
    words += ["apply", os.path.abspath(job), "--yes", "--wait", "30m"]
    variables = variables_of(job, loaded)
    stored = environment_file(loaded.name, system=_is_root()) if variables else ""
    hints = _variable_hints(stored, variables)
    if form is Form.CRONTAB:
        _crontab(out, crontab_line(loaded.schedule, _with_environment(words, stored)), hints)
        return 0
    home = os.path.expanduser("~") if _is_root() else ""
    made = units(loaded.name, loaded.schedule, words, environment_file=stored, home=home)
    out.emit(made)
    folder = "/etc/systemd/system" if _is_root() else "~/.config/systemd/user"
    for name, text in made.items():
        out.say([f"# {folder}/{name}", text])
    control = "systemctl" if _is_root() else "systemctl --user"
    timer = next(name for name in made if name.endswith(".timer"))
    out.say([*hints, f"# {control} daemon-reload && {control} enable --now {timer}"])
    if not _is_root():
        out.say(["# So that it runs while you are not logged in: loginctl enable-linger"])
    return 0


def _is_root() -> bool:
    return os.geteuid() == 0


def _crontab(out: Output, line: str, hints: list[str]) -> None:
    out.emit({"crontab": line})
    out.say([*hints, line])


def _with_environment(words: list[str], stored: str) -> str:
    """cron reads no file of variables, but its shell does."""
    command = shlex.join(words)
    return f"set -a; . {shlex.quote(stored)}; set +a; exec {command}" if stored else command


def _variable_hints(stored: str, variables: list[str]) -> list[str]:
    if not variables:
        return []
    lines = [f"# The job takes variables: write {stored}, mode 0600, with the lines"]
    return [*lines, *(f"#   {name}=..." for name in variables)]
