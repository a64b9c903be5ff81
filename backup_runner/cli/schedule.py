"""`schedule`: run a job regularly, with systemd, launchd or cron."""

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
    LAUNCHD = "launchd"
    CRONTAB = "crontab"


def command(
    context: typer.Context,
    job: JobFile,
    *,
    form: Annotated[
        Form, typer.Option("--format", help="systemd units, launchd agents or crontab lines.")
    ] = Form.SYSTEMD,
    json: Json = False,
) -> int:
    """Print timers for the job's `schedule`, also of its verify and prune. Installs nothing.

    Example: backup-runner schedule documents.yaml --format crontab
    """
    out = output(context, json=json)
    loaded = load_job(job, out)
    program = shutil.which("backup-runner")
    # Schedulers have a PATH of their own, so all paths in the command are absolute.
    words = [os.path.abspath(program)] if program else [sys.executable, "-P", "-m", "backup_runner"]
    timers = api.timers(loaded, words)
    hints = _variable_hints(timers)
    if form is Form.CRONTAB:
        out.emit({"crontab": timers.crontab})
        out.say([*hints, timers.crontab])
        return 0
    made = timers.agents if form is Form.LAUNCHD else timers.units
    out.emit(made)
    folder, install = _launchd(timers) if form is Form.LAUNCHD else _systemd(timers)
    for name, text in made.items():
        out.say([f"# {folder}/{name}", text])
    out.say([*hints, *install])
    return 0


def _systemd(timers: Timers) -> tuple[str, list[str]]:
    """The folder of the units, and how to install them."""
    control = "systemctl" if timers.system else "systemctl --user"
    names = " ".join(name for name in timers.units if name.endswith(".timer"))
    install = [f"# {control} daemon-reload && {control} enable --now {names}"]
    if timers.system:
        return "/etc/systemd/system", install
    return "~/.config/systemd/user", [*install, "# To run it while you are logged out as well: loginctl enable-linger"]


def _launchd(timers: Timers) -> tuple[str, list[str]]:
    """The same for launchd's agents, or daemons for root."""
    folder = "/Library/LaunchDaemons" if timers.system else "~/Library/LaunchAgents"
    domain = "system" if timers.system else "gui/$(id -u)"
    return folder, [f"# launchctl bootstrap {domain} {folder}/{name}" for name in timers.agents]


def _variable_hints(timers: Timers) -> list[str]:
    if not timers.variables:
        return []
    lines = [f"# The job uses environment variables. Write them to {timers.variable_file}, mode 0600:"]
    return [*lines, *(f"#   {name}=..." for name in timers.variables)]
