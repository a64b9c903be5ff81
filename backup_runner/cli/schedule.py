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
from .output import output


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
    from ..runs.schedule import crontab_line, units
    from .jobs import load_job

    out = output(json=json)
    loaded = load_job(job)
    if loaded.schedule is None:
        hint = 'add for example `schedule: {every: day, at: "02:30"}`'
        raise UsageError(f'job "{loaded.name}" has no schedule', hint=hint)
    program = shutil.which("backup-runner")
    words = [program] if program else [sys.executable, "-m", "backup_runner"]
    words += ["apply", os.path.abspath(job), "--yes", "--wait", "30m"]
    if form is Form.CRONTAB:
        line = crontab_line(loaded.schedule, shlex.join(words))
        out.emit({"crontab": line})
        out.say([line])
        return 0
    made = units(loaded.name, loaded.schedule, words)
    out.emit(made)
    for name, text in made.items():
        out.say([f"# ~/.config/systemd/user/{name}", text])
    timer = next(name for name in made if name.endswith(".timer"))
    out.say([f"# systemctl --user daemon-reload && systemctl --user enable --now {timer}"])
    return 0
