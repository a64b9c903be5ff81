"""`schedule`: run a job regularly, with systemd or cron."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import output

if TYPE_CHECKING:
    from ..api import Timers


class Form(StrEnum):
    """The scheduler that runs the job."""

    SYSTEMD = "systemd"
    CRONTAB = "crontab"


def command(
    context: typer.Context,
    job: JobFile,
    *,
    form: Annotated[Form, typer.Option("--format", help="systemd units or a crontab line.")] = Form.SYSTEMD,
    json: Json = False,
) -> int:
    """Print systemd units or a crontab line for the job's `schedule`. Installs nothing.

    Example: backup-runner schedule documents.yaml --format crontab
    """
    out = output(context, json=json)
    loaded = load_job(job, out)
    program = shutil.which("backup-runner")
    # systemd and cron have a PATH of their own, so all paths in the command are absolute.
    words = [os.path.abspath(program)] if program else [sys.executable, "-P", "-m", "backup_runner"]
    words += ["apply", os.path.abspath(job), "--yes", "--wait", "30m"]
    timers = api.timers(loaded, words)
    hints = _variable_hints(timers)
    if form is Form.CRONTAB:
        out.emit({"crontab": timers.crontab})
        out.say([*hints, timers.crontab])
        return 0
    made = timers.units
    out.emit(made)
    folder = "/etc/systemd/system" if timers.system else "~/.config/systemd/user"
    for name, text in made.items():
        out.say([f"# {folder}/{name}", text])
    control = "systemctl" if timers.system else "systemctl --user"
    timer = next(name for name in made if name.endswith(".timer"))
    out.say([*hints, f"# {control} daemon-reload && {control} enable --now {timer}"])
    if not timers.system:
        out.say(["# To run it while you are logged out as well: loginctl enable-linger"])
    return 0


def _variable_hints(timers: Timers) -> list[str]:
    if not timers.variables:
        return []
    lines = [f"# The job uses environment variables. Write them to {timers.variable_file}, mode 0600:"]
    return [*lines, *(f"#   {name}=..." for name in timers.variables)]
