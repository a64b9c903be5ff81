"""Options before the command, and the settings that they lead to: read once, when a command first needs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError
from .streams import complain

if TYPE_CHECKING:
    from ..api import Settings


class Progress(StrEnum):
    """How progress is shown; `auto` is a bar on a terminal and lines elsewhere."""

    AUTO = "auto"
    BAR = "bar"
    LINES = "lines"
    JSON = "json"
    NONE = "none"


@dataclass
class Chosen:
    """`verbosity` is -1 (quiet), 0 or 1 (debug on the console)."""

    path: str | None = None
    overrides: list[str] = field(default_factory=list)
    verbosity: int = 0
    log_json: bool = False
    progress: str = "auto"
    """A `Progress`."""

    @cached_property
    def settings(self) -> Settings:
        """The settings. Prints the mistakes in the config file. Raises BackupRunnerError."""
        from ..api import JobFileError, load_settings
        from ..report.failures import diagnostics_text

        try:
            found = load_settings(self.path, overrides=self.overrides)
        except JobFileError as error:
            complain([diagnostics_text(error)])
            hint = "fix the lines above, or name another file with --config"
            raise BackupRunnerError("the config file has errors; nothing was done", hint=hint) from None
        if found.notice and self.verbosity >= 0:
            complain([found.notice])
        return found

    @cached_property
    def log_problem(self) -> str:
        """Opens the log, once. Returns "", or why its file cannot be written."""
        from ..runs.logs import set_up

        found = self.settings
        as_json = self.log_json or found.value("general.logging_format") == "json"
        return set_up(file=found.value("general.logging_file"), json_lines=as_json, console=self.verbosity > 0)
