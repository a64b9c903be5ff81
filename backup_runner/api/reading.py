"""Reading what is in the bucket: restore and verify."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Interrupted
from ..options import RestoreOptions, VerifyOptions
from ..progress import Events, RestoreOutcome, VerifyOutcome
from ..spec import RunCommand
from .around import watching
from .work import Stop, listener, opened, stopping, worker_count

if TYPE_CHECKING:
    from ..spec import Job


def restore(
    job: Job,
    paths: Iterable[str | bytes] = (),
    options: RestoreOptions | None = None,
    *,
    to: str | bytes | os.PathLike[str] | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> RestoreOutcome:
    """Restore files, all or some, from the newest snapshot or an earlier one.

    `paths` are stored paths, absolute paths below the job's base, folders or globs; none means all. `to` is a folder to
    write below, else files return to where they were. What is there and differs stays, unless `options.overwrite` says
    otherwise. Files that did not come back are in the outcome's `problems`, not raised. `stop` ends the restore between
    two files, with `interrupted` set; files restored so far are whole. Raises CatalogError, WrongKeyError,
    KeyFileError, TargetError, BackupRunnerError for a path that stands for nothing.
    """
    from ..restoring.run import restore as bring_back

    options = options or RestoreOptions()
    changes = replace(
        options,
        paths=(*options.paths, *map(os.fsencode, paths)),
        to=options.to if to is None else os.path.abspath(os.fsencode(to)),
        workers=worker_count(options.workers),
    )
    heard = listener(events)
    with stopping(stop or options.stop) as interrupt, opened(job, heard, decrypting="a restore") as session:
        return bring_back(session, replace(changes, stop=interrupt.stop), heard)


def verify(
    job: Job,
    options: VerifyOptions | None = None,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
    hook_output: Callable[[str], None] | None = None,
) -> VerifyOutcome:
    """Compare the bucket with the catalog: by listing, by opening headers, or byte for byte.

    What is missing or damaged is in the outcome, and noted in the catalog so that the next apply repairs it. `stop`
    ends it between two objects, with `interrupted` set. Hooks and notices that are about `verify` run; damage counts as
    a failure for them. Raises HookError, CatalogError, WrongKeyError, KeyFileError, TargetError.
    """
    from ..verifying.run import verify as check

    options = options or VerifyOptions()
    heard = listener(events)
    beyond = "" if options.level == "listing" else "verify beyond the listing"
    outcome = VerifyOutcome()
    try:
        with watching(job, heard, hook_output, RunCommand.VERIFY) as watch:
            with stopping(stop or options.stop) as interrupt, opened(job, heard, decrypting=beyond) as session:
                changes = replace(options, workers=worker_count(options.workers), stop=interrupt.stop)
                outcome = check(session, changes, heard)
            if watch:
                watch.outcome = outcome
            if outcome.interrupted:
                raise Interrupted("interrupted; not everything was verified", hint="verify again")
    except Interrupted:
        if not outcome.interrupted:
            raise
    return outcome
