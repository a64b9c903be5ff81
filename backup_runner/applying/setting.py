"""What the worker processes of an apply are given."""

from __future__ import annotations

import os
import sys

from ..catalog.database import Store
from ..planning.file import Totals
from ..policy import StoringPolicy
from ..repository.session import Session
from ..source.output import Outputs
from ..source.tree import Tree
from ..spec import Job
from ..workers.claims import Claims
from .running import READING
from .worker import WorkerSetting


def setting_of(session: Session, store: Store, totals: Totals, policy: StoringPolicy) -> WorkerSetting:
    """Raises WrongKeyError, TargetError."""
    job = session.job
    outputs = _outputs(job)
    size = sum(totals.bytes.get(kind, 0) for kind in READING)
    expected = sum(totals.counts.get(kind, 0) for kind in READING) + size // policy.pieces.average
    return WorkerSetting(
        Tree(((one.key, one.path) for one in job.sources if not one.output), births=job.birth_times),
        session.target,
        session.keys(store).sealing,
        str(job.target.storage_tier),
        policy,
        Claims(expected),
        job.catalog.path,
        store.id,
        store.seed,
        threads=max(1, os.cpu_count() or 1),
        cuts=size >= policy.small or bool(outputs.by_key),
        outputs=outputs,
    )


def _outputs(job: Job) -> Outputs:
    """The output of programs, which do not get variables with the key or a URL."""
    by_key = {source.key: source.output for source in job.sources if source.output}
    if not by_key:
        return Outputs()
    hidden = {*job.encryption.variables, *(notify.url_env for notify in job.notify)}
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"BACKUP_RUNNER_JOB": job.name, "BACKUP_RUNNER_JOB_FILE": os.path.abspath(job.file)}
    reads_stdin = any(not output.command for output in by_key.values())
    # None if the process was started without it: then something else may have its number by now.
    stdin = os.dup(0) if reads_stdin and sys.__stdin__ is not None else None
    return Outputs(by_key, os.path.dirname(env["BACKUP_RUNNER_JOB_FILE"]), env, stdin)
