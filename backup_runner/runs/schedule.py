"""A job's schedule as systemd units, launchd agents or crontab lines."""

from __future__ import annotations

import os
import plistlib
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


def launch_agent(label: str, schedule: Schedule, words: list[str], *, home: str = "") -> str:
    """A property list for launchd (launchd.plist(5)), which runs a missed job when the machine wakes up."""
    when = {"Minute": schedule.minute}
    if schedule.every is not Every.HOUR:
        when["Hour"] = schedule.hour
    if schedule.every is Every.WEEK:
        when["Weekday"] = _DAYS.index(schedule.on.value)
    if schedule.every is Every.MONTH:
        when["Day"] = schedule.day
    fields: dict[str, object] = {
        "Label": label,
        "ProgramArguments": words,
        "StartCalendarInterval": when,
        "ProcessType": "Background",
        "LowPriorityIO": True,
    }
    if home:
        fields["EnvironmentVariables"] = {"HOME": home}
    return plistlib.dumps(fields, sort_keys=False).decode()


def units(
    job: str, schedule: Schedule, words: list[str], *, command: str = "", environment_file: str = "", home: str = ""
) -> dict[str, str]:
    """systemd's service and timer by file name; `words` are the program and its arguments, `command` says what they do
    if that is not a backup.

    `environment_file` contains the job's variables. `home` is set if systemd does not set it: in
    system units."""
    # With an underscore, which no other unit of ours has there: a job may be named "verify-docs".
    name = f"backup-runner_{command}-{job}" if command else f"backup-runner-{job}"
    described = f"Backup Runner job {job}" + (f": {command}" if command else "")
    service = [
        "[Unit]",
        f"Description={described}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        *([f"Environment={_quoted(f'HOME={home}', dollars=False)}"] if home else []),
        # systemd itself reads it, so it may be readable by its owner only.
        *([f"EnvironmentFile={environment_file.replace('%', '%%')}"] if environment_file else []),
        f"ExecStart={' '.join(_quoted(word) for word in words)}",
        # 3: done, but some files could not be read; the log lists them. For verify it is damage.
        *(["SuccessExitStatus=3"] if command != "verify" else []),
        "Nice=10",
        "IOSchedulingClass=idle",
    ]
    timer = [
        "[Unit]",
        f"Description={described}",
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
