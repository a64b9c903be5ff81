"""What happens around apply, prune and verify: hooks, notices, metrics. Only `before` and `after` can fail a run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import BackupRunnerError, Interrupted
from ..foreign import describe
from ..planning.file import Header
from ..progress import Outcome, VerifyOutcome
from ..spec import Job, RunCommand
from .hooks import HookError, run_hook
from .logs import log
from .metrics import Figures, path_for, write_metrics
from .notices import Event, tell

_THEN = {
    (RunCommand.APPLY, "before"): "; nothing was backed up",
    (RunCommand.APPLY, "after"): "; the backup itself is recorded",
    (RunCommand.PRUNE, "before"): "; nothing was deleted",
    (RunCommand.PRUNE, "after"): "; what was pruned is recorded",
    (RunCommand.VERIFY, "before"): "; nothing was verified",
    (RunCommand.VERIFY, "after"): "; the bucket itself is in order",
}
"""What a failed hook means for the run."""


@dataclass
class Watch:
    """One run, for hooks and notices. `warn` gets warnings for the user, `show` a hook's output."""

    job: Job
    warn: Callable[[str], None]
    show: Callable[[str], None]
    command: RunCommand = RunCommand.APPLY
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    header: Header | None = None
    outcome: Outcome | VerifyOutcome | None = None
    declined: bool = False
    """The review declined the plan."""
    started: float = field(default_factory=time.time)

    @contextmanager
    def around(self) -> Iterator[Watch]:
        """Calls hooks and notices around the block. Raises HookError if `before` or `after` fails."""
        self._tell(Event.START, "started")
        try:
            self._hook("before", "starting", 0, "")
            yield self
            if self.declined:
                return
            if self._damaged:
                self._report(f"{self._problems()} object(s) or file(s) are missing or damaged", 3, "failure")
                return
            self._hook("after", "problems" if self._problems() else "success", self._code(), "")
        except BaseException as error:
            self._failed(error)
            raise
        self._tell(Event.SUCCESS, self._summary())
        self._measure(self._code(), success=True)

    def _failed(self, error: BaseException) -> None:
        code = error.exit_code if isinstance(error, BackupRunnerError) else 1
        message = error.message if isinstance(error, BackupRunnerError) else type(error).__name__
        self._report(message, code, "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failure")

    @property
    def _damaged(self) -> bool:
        """A verify that found damage failed: somebody has to do something."""
        return isinstance(self.outcome, VerifyOutcome) and self.outcome.incomplete

    def _report(self, message: str, code: int, status: str) -> None:
        try:
            self._hook("on_failure", status, code, message)
        except HookError as second:
            self.warn(second.message)
        self._tell(Event.FAILURE, message)
        self._measure(code, success=False)

    # -- parts

    def _hook(self, name: str, status: str, code: int, message: str) -> None:
        hooks = self.job.hooks
        command: tuple[str, ...] = getattr(hooks, name) if hooks else ()
        if not command or hooks is None or self.command not in hooks.commands:
            return
        log.info("hook %s: %s", name, command[0])
        ended = run_hook(
            command,
            time_limit=hooks.time_limit,
            folder=os.path.dirname(os.path.abspath(self.job.file)),
            work_directory=self.job.work_directory,
            env=self._environment(name, status, code, message),
            hidden=[self.env[variable] for variable in self._secret_names() if variable in self.env],
        )
        # What a hook prints may contain anything, so the log only says how much it was.
        log.info("hook %s ended: %s; it printed %d bytes", name, ended.problem or "well", ended.printed)
        if ended.problem:
            self.show(ended.tail)
            then = _THEN.get((self.command, name), "")
            raise HookError(f"hook {name}: {ended.problem}{then}", hint="run it manually to see why")

    def _environment(self, name: str, status: str, code: int, message: str) -> dict[str, str]:
        env = {key: value for key, value in self.env.items() if key not in self._secret_names()}
        env |= {
            "BACKUP_RUNNER_HOOK": name,
            "BACKUP_RUNNER_COMMAND": self.command.value,
            "BACKUP_RUNNER_JOB": self.job.name,
            "BACKUP_RUNNER_JOB_FILE": os.path.abspath(self.job.file),
            "BACKUP_RUNNER_STATUS": status,
            "BACKUP_RUNNER_EXIT_CODE": str(code),
            "BACKUP_RUNNER_MESSAGE": message.replace("\0", ""),
        }
        if self.header is not None:
            totals = self.header.totals
            summary = {"counts": totals.counts, "bytes": totals.bytes, "unchanged": totals.unchanged}
            env |= {"BACKUP_RUNNER_PLAN_ID": self.header.plan_id, "BACKUP_RUNNER_PLAN": json.dumps(summary)}
        return env

    def _secret_names(self) -> list[str]:
        """Variables that contain the crypto key or a URL; no hook gets them."""
        names = [*self.job.encryption.variables, *(notify.url_env for notify in self.job.notify)]
        return [name for name in names if name]

    def _tell(self, event: Event, text: str) -> None:
        for notify in self.job.notify:
            if self.command not in notify.commands:
                continue
            if problem := tell(notify, event, self._title, text, self.env):
                log.warning(problem)
                self.warn(problem)

    def _measure(self, code: int, *, success: bool) -> None:
        if self.job.metrics_file is None:
            return
        outcome = self.outcome or Outcome()
        now = time.time()
        stored, counts = (outcome.stored_bytes, outcome.counts) if isinstance(outcome, Outcome) else (0, {})
        figures = Figures(
            self.job.name, self.command.value, now, now - self.started, code, success, stored, self._problems(), counts
        )
        path = path_for(self.job.metrics_file, self.command)
        try:
            write_metrics(path, figures)
        except OSError as error:
            self.warn(f"cannot write the metrics to {path}: {describe(error)}")

    @property
    def _title(self) -> str:
        return self.job.name if self.command is RunCommand.APPLY else f"{self.job.name} ({self.command})"

    def _problems(self) -> int:
        if isinstance(self.outcome, VerifyOutcome):
            return len(self.outcome.damaged) + len(self.outcome.files)
        return len(self.outcome.problems) if self.outcome else 0

    def _code(self) -> int:
        return 3 if self._problems() else 0

    def _summary(self) -> str:
        outcome = self.outcome or Outcome()
        if isinstance(outcome, VerifyOutcome):
            return f"{outcome.objects} objects checked ({outcome.level}), {outcome.bytes} bytes read"
        counts = ", ".join(f"{count} {name}" for name, count in outcome.counts.items()) or "nothing changed"
        problems = f"; {self._problems()} file(s) with problems" if self._problems() else ""
        if self.command is RunCommand.PRUNE:
            return f"{counts}; {outcome.deleted_bytes} bytes deleted{problems}"
        return f"{counts}; {outcome.stored_bytes} bytes stored{problems}"
