"""A job's schedule as systemd units or as a crontab line. Pure."""

from __future__ import annotations

from ..spec import Every, Schedule

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


def units(job: str, schedule: Schedule, words: list[str]) -> dict[str, str]:
    """systemd's service and timer by file name; `words` are the command and its arguments."""
    name = f"backup-runner-{job}"
    service = [
        "[Unit]",
        f"Description=Backup Runner job {job}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_quoted(word) for word in words)}",
        # 3 is: done, but some files could not be read; the log names them.
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


def _quoted(word: str) -> str:
    """A word of ExecStart: systemd.syntax(7) quoting, `%` and `$` doubled so that nothing is expanded."""
    text = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{text}"' if text != word or " " in word or not word else word
