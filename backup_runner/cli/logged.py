"""What commands do goes to the log as well as to the person who runs them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..planning.making import Plan
    from ..progress import Outcome
    from ..report.progress import Reporter


class Logged:
    """Passes everything on to another reporter (None: to nobody) and writes it down."""

    def __init__(self, inner: Reporter | None) -> None:
        from ..runs.logs import log

        self._inner = inner
        self._log = log

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        self._log.info("%s: %d files, %d bytes", name, files, size)
        if self._inner:
            self._inner.phase(name, files=files, size=size)

    def advance(self, files: int, size: int) -> None:
        if self._inner:
            self._inner.advance(files, size)

    def warn(self, text: str) -> None:
        self._log.warning("%s", text)
        if self._inner:
            self._inner.warn(text)

    def close(self) -> None:
        if self._inner:
            self._inner.close()


def logged(reporter: Reporter) -> Reporter:
    """The reporter with a log behind it; with --quiet, only the log."""
    from .settings import chosen

    if problem := _set_up():
        reporter.warn(problem)
    return Logged(None if chosen.verbosity < 0 else reporter)


@cache
def _set_up() -> str:
    from ..runs.logs import set_up
    from .settings import chosen, config

    found = config()
    as_json = chosen.log_json or found.value("general.logging_format") == "json"
    return set_up(file=found.value("general.logging_file"), json_lines=as_json, console=chosen.verbosity > 0)


def log_plan(plan: Plan) -> None:
    """The plan's header as info, every action as debug."""
    from ..runs.logs import log

    header = plan.header
    totals = header.totals
    log.info("job %s: plan %s: %s, %d unchanged", header.job, header.plan_id, totals.counts, totals.unchanged)
    for guard in header.guards:
        log.warning("guard %s: %s", guard["name"], guard["message"])
    if not log.isEnabledFor(10):
        return
    for action in plan.actions():
        what = action.object_name or action.key.decode("utf-8", "backslashreplace") or str(action.snapshot_id or "")
        log.debug("%s %s: %s", action.kind.value, what, action.why)


def log_outcome(name: str, outcome: Outcome) -> None:
    """What came of an apply; every file with a problem is named."""
    from ..runs.logs import log

    for problem in outcome.problems:
        key = problem.key.decode("utf-8", "backslashreplace")
        log.warning("%s: %s: %s", key, problem.kind, problem.message)
    log.info(
        "job %s: snapshot %s %s: %s; %d bytes in %d objects stored, %.1f s",
        name, outcome.snapshot_id, outcome.status, outcome.counts, outcome.stored_bytes, outcome.stored_objects,
        outcome.seconds,
    )  # fmt: skip
