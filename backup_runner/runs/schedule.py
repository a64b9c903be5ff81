"""A job's schedule as systemd units or as a crontab line."""

from __future__ import annotations

import os
import re

from ..spec import Every, Schedule

_PLAIN = re.compile(r"[A-Za-z0-9/._:=@+,-]+")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def calendar(schedule: Schedule) -> str:
    """systemd's OnCalendar (systemd.time(7))."""
    at = f"{schedule.hour:02}:{schedule.minute:02}:00"
    match schedule.every:
        case Every.HOUR:
            return f"*-*-* *:{schedule.minute:02}:00"
        case Every.DAY:
            return f"*-*-* {at}"
        case Every.WEEK:
            return f"{schedule.on.value.capitalize()} *-*-* {at}"
        case Every.MONTH:
            return f"*-*-{schedule.day:02} {at}"


def crontab_line(schedule: Schedule, command: str) -> str:
    """A line for crontab(5), in which `%` would start the command's input."""
    minute, hour = str(schedule.minute), str(schedule.hour)
    match schedule.every:
        case Every.HOUR:
            when = f"{minute} * * * *"
        case Every.DAY:
            when = f"{minute} {hour} * * *"
        case Every.WEEK:
            when = f"{minute} {hour} * * {_DAYS.index(schedule.on.value)}"
        case Every.MONTH:
            when = f"{minute} {hour} {schedule.day} * *"
    return when + " " + command.replace("%", "\\%")


def units(
    job: str, schedule: Schedule, words: list[str], *, environment_file: str = "", home: str = ""
) -> dict[str, str]:
    """systemd's service and timer by file name; `words` are the command and its arguments.

    `environment_file` contains the job's variables. `home` is set if systemd does not set it: in
    system units."""
    name = f"backup-runner-{job}"
    service = [
        "[Unit]",
        f"Description=Backup Runner job {job}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        *([f"Environment={_quoted(f'HOME={home}', dollars=False)}"] if home else []),
        # systemd itself reads it, so it may be readable by its owner only.
        *([f"EnvironmentFile={environment_file.replace('%', '%%')}"] if environment_file else []),
        f"ExecStart={' '.join(_quoted(word) for word in words)}",
        # 3: done, but some files could not be read; the log lists them.
        "SuccessExitStatus=3",
        "Nice=10",
        "IOSchedulingClass=idle",
    ]
    timer = [
        "[Unit]",
        f"Description=Backup Runner job {job}",
        "",
        "[Timer]",
        f"OnCalendar={calendar(schedule)}",
        "Persistent=true",
        *([f"RandomizedDelaySec={schedule.spread}"] if schedule.spread else []),
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {f"{name}.service": "\n".join(service) + "\n", f"{name}.timer": "\n".join(timer) + "\n"}


def _quoted(word: str, *, dollars: bool = True) -> str:
    """A word of a unit: systemd.syntax(7) quoting, `%` doubled and, in ExecStart, `$`, so that nothing is expanded."""
    text = word.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"').replace("\n", "\\n")
    if dollars:
        text = text.replace("$", "$$")
    return text if _PLAIN.fullmatch(word) else f'"{text}"'


def environment_file(job: str, *, system: bool) -> str:
    """The file for the variables of a job's runs, for system units or those of this user."""
    folder = "/etc/backup-runner" if system else os.path.expanduser("~/.config/backup-runner")
    return f"{folder}/{job}.env"
