"""Where a command's output goes: text for people, JSON for programs, never both on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ..report.look import Look
    from ..report.progress import Reporter


@dataclass(frozen=True, slots=True)
class Output:
    """`json`: stdout belongs to programs, and all text goes to stderr."""

    json: bool
    human: TextIO
    look: Look

    def say(self, lines: Iterable[str]) -> None:
        """Text for people, line by line."""
        from ..inert import inert

        for line in lines:
            print(inert(line), file=self.human)
        self.human.flush()

    def emit(self, fields: dict[str, Any] | list[dict[str, Any]]) -> None:
        """One JSON document on stdout, if JSON was asked for."""
        if self.json:
            from ..report.machine import line

            self.raw(line(fields))

    def raw(self, data: bytes) -> None:
        """Bytes that are JSON already."""
        from ..inert import inert_json

        sys.stdout.buffer.write(inert_json(data))

    def reporter(self) -> Reporter:
        """The listener that shows progress on stderr."""
        from ..report.progress import reporter_for
        from .logged import logged

        return logged(reporter_for(sys.stderr, os.environ))


def output(*, json: bool) -> Output:
    """The output of a command. Characters that the streams' encodings lack are escaped rather than failing."""
    from ..report.look import look_of

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    human = sys.stderr if json else sys.stdout
    return Output(json, human, look_of(human, os.environ))


def stderr_look() -> Look:
    """How text on stderr may look."""
    return output(json=True).look


def complain(lines: Iterable[str]) -> None:
    """Text on stderr, whatever stdout is for."""
    from ..inert import inert

    stream = sys.stderr
    for line in lines:
        print(inert(line), file=stream)


def flush_or_drop() -> None:
    """Write out what stdout still holds, or let it go: with a full disk behind it, every later flush would fail."""
    try:
        sys.stdout.flush()
    except OSError:
        quiet_pipe()


def quiet_pipe() -> None:
    """Let the exit flush go nowhere: whoever read our output has gone, and that is no error to report."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
