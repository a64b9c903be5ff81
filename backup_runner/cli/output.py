"""Where a command's output goes: text for people, JSON for programs, never both on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from .settings import Chosen
from .streams import make_lenient

if TYPE_CHECKING:
    import typer

    from ..api import Settings
    from ..report.look import Look
    from ..report.progress import Reporter


@dataclass(frozen=True, slots=True)
class Output:
    """`json`: stdout belongs to programs, and all text goes to stderr."""

    json: bool
    human: TextIO
    look: Look
    chosen: Chosen = field(default_factory=Chosen)

    @property
    def quiet(self) -> bool:
        return self.chosen.verbosity < 0

    @property
    def settings(self) -> Settings:
        """The config file, overridden by the command line. Raises BackupRunnerError."""
        return self.chosen.settings

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
        """Write bytes that are JSON already."""
        from ..inert import inert_json

        sys.stdout.buffer.write(inert_json(data))

    def reporter(self) -> Reporter:
        """The listener that shows progress on stderr, or nothing with --quiet. Opens the log."""
        from ..report.progress import Quiet, reporter_for

        shown = reporter_for(sys.stderr, os.environ, self.chosen.progress)
        if problem := self.chosen.log_problem:
            shown.warn(problem)
        return Quiet() if self.quiet and self.chosen.progress == "auto" else shown


def output(context: typer.Context, *, json: bool = False) -> Output:
    """The output of a command, with the options given before it."""
    from ..report.look import look_of

    make_lenient()
    human = sys.stderr if json else sys.stdout
    return Output(json, human, look_of(human, os.environ), context.find_object(Chosen) or Chosen())
