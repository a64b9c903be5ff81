"""Shows an engine's progress on stderr: a bar on a terminal, otherwise one line per phase."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TextIO

from ..inert import inert
from ..progress import Events, Silent
from . import escape, units
from .look import Look, look_of
from .pace import Pace

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_NOUNS = {"verifying": "object", "repacking": "object", "deleting": "object", "looking at objects": "object"} | {
    "reading new records from the bucket": "record",
    "reading records from the bucket": "record",
    "reading the objects' own indexes": "object",
}
"""What a phase counts, if not files."""
_NAME_LENGTH = 30


class Reporter(Events, Protocol):
    """`Events` that may occupy a terminal line and must release it."""

    def close(self) -> None:
        """End the current display; a later phase starts a new one."""
        ...


def reporter_for(stream: TextIO, env: Mapping[str, str], form: str = "auto") -> Reporter:
    """As `form` says (`auto`, `bar`, `lines`, `json`, `none`).

    `auto`: a bar if `stream` is a terminal that can redraw lines, otherwise plain lines."""
    if form == "json":
        from .progressjson import JsonReporter

        return JsonReporter(stream)
    if form == "none":
        return Quiet()
    look = look_of(stream, env)
    if form == "bar":
        return BarReporter(stream, look)
    if form == "auto" and look.terminal and env.get("TERM") != "dumb":
        return BarReporter(stream, look)
    return LineReporter(stream, look)


class Quiet(Silent):
    """Shows nothing."""

    def close(self) -> None: ...


class LineReporter:
    """One line when a phase starts, and its result when the next one does."""

    def __init__(self, stream: TextIO, look: Look) -> None:
        self._stream = stream
        self._look = look
        self._name = ""
        self._limited = False

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        self._name, self._limited = name, False
        ahead = [units.count(files, _NOUNS.get(name, "file"))] if files else []
        ahead += [units.size(size)] if size else []
        self._say(f"{name}: {', '.join(ahead)}" if ahead else name)

    def advance(self, files: int, size: int) -> None:
        """Does nothing: logs need no ticks."""

    def ahead(self, files: int, size: int) -> None:
        """Does nothing, for the same reason."""

    def now(self, name: bytes) -> None:
        """Does nothing, for the same reason."""

    def limited(self, rate: float) -> None:
        """Once per phase: if the limit stops and starts again, that is nothing new."""
        if rate and not self._limited:
            self._limited = True
            self._say(f"{self._name}: {_limited(rate)}")

    def warn(self, text: str) -> None:
        self._say(warning(text, self._look))

    def close(self) -> None:
        self._stream.flush()

    def _say(self, text: str) -> None:
        print(inert(text), file=self._stream, flush=True)


class BarReporter:
    """One bar with files, bytes, rate and time left; rich is imported when there is something to draw."""

    def __init__(self, stream: TextIO, look: Look) -> None:
        self._stream = stream
        self._look = look
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._noun = "file"
        self._total_size = 0
        self._pace = Pace(0.0)
        self._files = 0
        self._total_files = 0
        self._size = 0
        self._limit = 0.0
        self._current = b""

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        progress = self._bar()
        if self._task is not None:
            # So that the bar is shown at the end of a phase.
            progress.refresh()
            progress.remove_task(self._task)
        self._noun = _NOUNS.get(name, "file")
        self._files, self._size, self._total_files = 0, 0, files
        self._total_size = size
        self._limit, self._current = 0.0, b""
        self._pace = Pace(time.monotonic())
        total = size or files or None
        self._task = progress.add_task(name, total=total, detail="")

    def advance(self, files: int, size: int) -> None:
        self._files += files
        self._size += size
        self._pace.add(size, time.monotonic())
        self._show()

    def ahead(self, files: int, size: int) -> None:
        self._total_files += files
        self._total_size += size
        self._show()

    def now(self, name: bytes) -> None:
        self._current = name
        self._show()

    def limited(self, rate: float) -> None:
        self._limit = rate
        self._show()

    def warn(self, text: str) -> None:
        if self._progress is None:
            print(inert(warning(text, self._look)), file=self._stream, flush=True)
        else:
            from rich.text import Text

            self._progress.console.print(Text.from_ansi(warning(text, self._look)))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._task = None

    @property
    def _by_size(self) -> bool:
        return self._total_size > 0

    def _show(self) -> None:
        if self._progress is None or self._task is None:
            return
        self._progress.update(self._task, completed=self._size if self._by_size else self._files, detail=self._detail())
        for task in self._progress.tasks:
            # Not through `update`, which would restart the estimate of the time left.
            if task.total is not None:
                task.total = max(self._total_size if self._by_size else self._total_files, task.completed)

    def _detail(self) -> str:
        files = units.count(self._files)
        # A scan expects as many files as last time; there may be more.
        if self._total_files >= self._files:
            files += f" of {units.count(self._total_files)}"
        parts = [f"{files} {self._noun}s"]
        if self._size:
            size = units.size(self._size)
            parts += [f"{size} of {units.size(self._total_size)}" if self._total_size >= self._size else size]
            parts += [units.rate(*self._pace.over(time.monotonic()))]
        parts += [_limited(self._limit)] if self._limit else []
        parts += [_shortened(escape.name(self._current))] if self._current else []
        return "  ".join(part for part in parts if part)

    def _bar(self) -> Progress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            console = Console(file=self._stream, no_color=not self._look.colour)
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[detail]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._progress.start()
        return self._progress


def _shortened(name: str) -> str:
    """The end of a path, which says more than its beginning."""
    return name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :]


def _limited(rate: float) -> str:
    return f"held back by the limit of {units.size(rate)}/s"


def warning(text: str, look: Look) -> str:
    """A message for the user, as one safe line."""
    return f"{look.paint('warning:', 'yellow', 'bold')} {escape.one_line(text)}"
