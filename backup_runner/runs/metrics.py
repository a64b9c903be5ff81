"""Figures of the last run in Prometheus' text format, for node_exporter's textfile collector."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from ..replacing import replacing
from ..spec import RunCommand

_PREFIX = "backup_runner_"
_LAST_SUCCESS = re.compile(rf"^{_PREFIX}last_success_timestamp_seconds\{{[^}}]*\}} (\S+)$", re.MULTILINE)
_HELP = {
    "last_run_timestamp_seconds": "Time when the last run finished.",
    "last_success_timestamp_seconds": "Time when the last successful run finished.",
    "success": "Whether the last run succeeded.",
    "exit_code": "Exit code of the last run.",
    "duration_seconds": "Duration of the last run.",
    "problems": "Files or objects that are not as they should be.",
    "stored_bytes": "Bytes stored by the last run.",
    "files": "Files of the last run, by action.",
}


class Figures(NamedTuple):
    """Figures of one run: times in seconds, `counts` of files by action."""

    job: str
    command: str
    ended: float
    seconds: float
    exit_code: int
    success: bool
    stored_bytes: int
    problems: int
    counts: dict[str, int]


def path_for(path: str, command: str) -> str:
    """The file for a command's figures: `docs.prom` for `apply`, `docs-verify.prom` for `verify`."""
    if command == RunCommand.APPLY:
        return path
    stem, end = os.path.splitext(path)
    return f"{stem}-{command}{end}"


def write_metrics(path: str, figures: Figures) -> None:
    """Replace the file atomically. Raises OSError."""
    text = render(figures, _last_success(path))
    # The collector runs as another user.
    with replacing(path, mode=0o644) as file:
        file.write(text.encode())


def render(figures: Figures, last_success: float) -> str:
    """The file's text; `last_success` is that of an earlier run, 0 if there was none."""
    values: dict[str, float] = {
        "last_run_timestamp_seconds": figures.ended,
        "last_success_timestamp_seconds": figures.ended if figures.success else last_success,
        "success": int(figures.success),
        "exit_code": figures.exit_code,
        "duration_seconds": round(figures.seconds, 3),
        "problems": figures.problems,
        "stored_bytes": figures.stored_bytes,
    }
    labels = f'job="{figures.job}"'
    if figures.command != RunCommand.APPLY:
        labels += f',command="{figures.command}"'
    lines = []
    for name, value in values.items():
        lines += [*_head(name), f"{_PREFIX}{name}{{{labels}}} {value:.15g}"]
    lines += _head("files")
    for action, count in sorted(figures.counts.items()):
        lines.append(f'{_PREFIX}files{{{labels},action="{action}"}} {count}')
    return "\n".join(lines) + "\n"


def _head(name: str) -> list[str]:
    return [f"# HELP {_PREFIX}{name} {_HELP[name]}", f"# TYPE {_PREFIX}{name} gauge"]


def _last_success(path: str) -> float:
    try:
        with open(path, encoding="utf-8") as file:
            found = _LAST_SUCCESS.search(file.read(1 << 20))
        return float(found[1]) if found else 0.0
    except (OSError, ValueError):
        return 0.0
