"""Plans: make, save, open and explain them. Nothing is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import takewhile
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from ..errors import PlanFileError, StalePlanError
from ..options import PlanOptions
from ..progress import Events
from .work import faults, listener, open_session

if TYPE_CHECKING:
    from ..catalog.database import Snapshot
    from ..jobfile.configfile import Config
    from ..planning.explain import Explanation
    from ..planning.file import Header
    from ..planning.spool import SpooledPlan as Spooled
    from ..records import Action
    from ..repository.session import Session
    from ..spec import Job

_ZSTD = b"\x28\xb5\x2f\xfd"
_HEADER = b'{"kind":"header"'


class Saved(NamedTuple):
    """A saved plan and the SHA-256 digest of its file, in hex."""

    file: str
    sha256: str
    why_not: str
    """Why it is not signed and can only be applied with its digest; "" if it is signed."""


class Plan:
    """What an apply would do, action by action. Close it (or use `with`): it keeps a file, catalog and target open.

    A plan belongs to the thread that made it. It can be read any number of times and applied once.
    """

    def __init__(
        self,
        spooled: Spooled,
        *,
        job: Job | None = None,
        settings: Config | None = None,
        session: Session | None = None,
        job_file: str | None = None,
        digest: str | None = None,
    ) -> None:
        self.spooled = spooled
        self.session = session
        """Both are for the other functions of the API. There is a session while catalog and target are open."""
        self._settings, self._job_file, self._digest = settings, job_file, digest
        if job is not None:
            self.job = job

    @property
    def header(self) -> Header:
        """Totals, problems, guards that stop it, cost, and what it was made from. Sizes in bytes, times in ns."""
        return self.spooled.header

    @property
    def changes(self) -> int:
        """Number of actions."""
        return self.header.totals.changes

    @property
    def losses(self) -> bool:
        """Whether stored files are lost: they are missing from the bucket and from all sources."""
        return any(problem["problem"] == "lost" for problem in self.header.problems)

    @property
    def is_saved(self) -> bool:
        """Whether it was opened from a file, not made by this process."""
        return self.spooled.marks is not None

    @cached_property
    def job(self) -> Job:
        """The job. For a saved plan, the job file is read now, after checking who made the plan: raises
        PlanFileError if that cannot be verified, or if the job's file does not exist or belongs to another job,
        StalePlanError if it changed since, JobFileError if it has mistakes."""
        from ..planning.seal import vouch
        from .jobs import load_job

        # Before anything that the plan names is read or run.
        vouch(self.spooled, digest=self._digest)
        header, file = self.header, self._job_file or self.header.job_file
        if not os.path.exists(file):
            raise PlanFileError(
                f'the plan is for job "{header.job}", but its job file {file} does not exist',
                hint="put the job file back, give its new place with --job FILE, or plan again",
            )
        job = load_job(file, settings=self._settings)
        if job.name != header.job:
            raise PlanFileError(
                f'the plan is for job "{header.job}", but {file} contains job "{job.name}"',
                hint="give the right job file with --job",
            )
        if job.digest() != header.job_digest:
            # Checked before its hooks run, because these may be what changed.
            raise StalePlanError("the job file changed since the plan was made", hint="plan again")
        return job

    @property
    def target(self) -> str:
        """Where it goes, such as `directory:/mnt/usb/bucket`; "" for a saved plan that is not being applied."""
        return self.session.target.identity if self.session else ""

    @property
    def last_complete(self) -> Snapshot | None:
        """The job's newest complete snapshot in the catalog; None for a saved plan that is not being applied."""
        session = self.session
        if session is None:
            return None
        with faults(self.job):
            catalog, store = session.catalog(), session.store()
            job_id = catalog.job_id(store.id, self.job.name) if catalog and store else None
            return catalog.last_complete(job_id) if catalog and job_id is not None else None

    def actions(self) -> Iterator[Action]:
        """Every action, read from disk one by one. Raises PlanFileError at the end of a file that was modified."""
        return self.spooled.actions()

    def body(self) -> Iterator[bytes]:
        """Header and actions as JSON Lines, as the plan file has them (reasons as values), without the closing line."""
        from ..planning.file import END

        return takewhile(lambda line: not line.startswith(END), self.spooled.lines())

    def save(self, path: str) -> Saved:
        """Write it to a file for review and a later `apply`; a name ending in .zst compresses it.

        Raises OSError, PlanFileError for a plan that could not be read again."""
        from ..planning.seal import own_secret

        secret, why_not = None, ""
        try:
            secret = own_secret(make=True)
        except PlanFileError as error:
            why_not = error.message
        return Saved(path, self.spooled.save(path, secret), why_not)

    def close(self) -> None:
        """Close everything; closing twice is not an error."""
        self.spooled.close()
        session, self.session = self.session, None
        if session is not None:
            session.close()

    def __enter__(self) -> Plan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def plan(job: Job, options: PlanOptions | None = None, *, events: Events | None = None) -> Plan:
    """Compare a job with its catalog and bucket. Changes nothing but the work directory.

    Guards do not raise here: `header.guards` names those that would stop the apply. With `pruning="only"` the job must
    have been applied before. Raises CatalogError, TargetError, KeyFileError, BusyError.
    """
    options = options or PlanOptions()
    return make(job, options, listener(events), as_cached=options.offline)


def make(job: Job, options: PlanOptions, heard: Events, *, as_cached: bool) -> Plan:
    """The same for `apply`, which may start a lineage beside what a remote catalog knows."""
    from ..planning.making import make_plan

    session = open_session(job, heard, as_cached=as_cached)
    try:
        with faults(job):
            if options.pruning == "only":
                session.need_store()
            meanwhile = _load_apply if options.applies else _nothing
            return Plan(make_plan(session, options, heard, meanwhile=meanwhile), job=job, session=session)
    except BaseException:
        session.close()
        raise


def _load_apply() -> None:
    """Load the modules of an apply, which takes time, while the scan runs."""
    from ..applying import run  # noqa: F401 - only loaded here


def _nothing() -> None:
    """There is nothing to load."""


def open_plan(
    path: str,
    *,
    settings: Config | None = None,
    job_file: str | None = None,
    digest: str | None = None,
    confined: bool = False,
) -> Plan:
    """A saved plan, read to its end once: nothing of a modified plan is shown or applied. Needs neither key nor bucket.

    It can be applied by the user who made it, on the same machine, or with the SHA-256 `digest` (hex) of the file that
    was reviewed. `settings` are for its job; `job_file` is where that is, if not where it was. `confined` is for plans
    that others may have put there: a symlink to a file outside its folder is refused. Raises PlanFileError."""
    from ..beneath import leads_elsewhere
    from ..planning.opening import open_plan as open_spooled

    if confined and leads_elsewhere(path):
        raise PlanFileError(
            f"{path}: it is a symlink to a file outside its folder", hint="give the path of the file itself"
        )
    return Plan(open_spooled(path), settings=settings, job_file=job_file, digest=digest)


def is_plan_file(path: str) -> bool:
    """Whether a file is a saved plan, by its first bytes; false for one that cannot be read."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            # A FIFO would wait for who writes to it, and a plan is none.
            start = file.read(len(_HEADER)) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return False
    return start.startswith(_ZSTD) or start == _HEADER


def explain(
    job: Job, paths: Iterable[str | bytes], options: PlanOptions | None = None, *, events: Events | None = None
) -> list[Explanation]:
    """Why each path is treated as it is: source, skip line, stored state, planned action."""
    from ..planning.explain import explain as explained

    with plan(job, options, events=events) as made, faults(job):
        assert made.session is not None
        return explained(made.session, made.spooled, [os.fsencode(path) for path in paths])
