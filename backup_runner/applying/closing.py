"""The end of an apply: the totals of its snapshot, and the record of all changes."""

from __future__ import annotations

import json

import orjson

from ..catalog.about import Owners
from ..catalog.browsing import bytes_now, owners_now
from ..catalog.database import Store
from ..catalog.history import count_files
from ..catalog.recording import Recorder
from ..errors import AccessDenied
from ..options import ApplyOptions
from ..planning.file import Header, key_of
from ..planning.sources import busy_rules, is_busy
from ..progress import Outcome
from ..records import ActionKind, Problem
from ..repository import commits as committing
from ..repository.losses import lost_files
from ..repository.session import Session
from ..source.owners import names_of
from ..spec import Job
from .checking import Ground
from .firsts import give_way, two_lineages
from .versions import Versions

_EXCUSED = ("changed", "vanished")
_NAMED = 5


def pass_on_problems(header: Header, ground: Ground, outcome: Outcome) -> None:
    """Add problems from planning that apply did not find again, and lost files that the plan did not name: their
    contents should have been stored again and were not, or the plan file names only the first problems."""
    named = {(problem.key, problem.kind) for problem in outcome.problems}
    for fields in header.problems:
        if (key_of(fields), fields["problem"]) not in named:
            outcome.problems.append(Problem(key_of(fields), fields["problem"], fields["message"]))
    known = {problem.key for problem in outcome.problems if problem.kind == "lost"}
    found = lost_files(ground.cat, ground.drift, header.job) if ground.drift and not outcome.interrupted else ()
    lost = [problem for problem in found if problem.key not in known]
    outcome.problems += lost
    if (more := header.problem_count - len(header.problems) - len(lost)) > 0:
        said = f"the plan found {more:,} more problems; a saved plan names the first {len(header.problems):,}"
        outcome.problems.append(Problem(b"", "more", said))


def excuse_busy(job: Job, outcome: Outcome) -> None:
    """Files that the job calls busy may change or vanish while they are read: a note, and no problem."""
    if not job.busy:
        return
    rules = busy_rules(job)
    excused = [one for one in outcome.problems if one.kind in _EXCUSED and is_busy(job, rules, one.key)]
    if not excused:
        return
    outcome.problems[:] = [one for one in outcome.problems if one not in excused]
    named = ", ".join(one.key.decode("utf-8", "backslashreplace") for one in excused[:_NAMED])
    more = f" and {len(excused) - _NAMED} more" if len(excused) > _NAMED else ""
    outcome.notes.append(f"{len(excused)} busy file(s) changed or vanished while being read: {named}{more}")


def note_unborn(job: Job, versions: Versions, outcome: Outcome) -> None:
    """Say once if birth times were asked for and some file system has none."""
    if job.birth_times and versions.unborn:
        outcome.notes.append(f"birth times: the file system has none for {versions.unborn} files, folders and symlinks")


def snapshot_totals(versions: Versions, outcome: Outcome, header: Header, ground: Ground) -> dict[str, object]:
    """The totals that the catalog stores with a snapshot; sizes in bytes."""
    recorder = versions.recorder
    files = max(0, header.totals.known + recorder.added - versions.removed)
    size, added, removed = _bytes_before(recorder) + recorder.gained, recorder.added, versions.removed
    if ground.continues:
        # What the killed run wrote is not counted here.
        removed = max(removed, header.totals.counts.get(ActionKind.REMOVE.value, 0))
        files, size = count_files(recorder.cat, recorder.job_id, b""), bytes_now(recorder.cat, recorder.job_id)
        added = max(added, files + removed - header.totals.known)
    # For retention: a snapshot made despite its guards does not replace others.
    doubtful = {"overridden": outcome.overridden} if outcome.overridden else {}
    return doubtful | {
        "files": files,
        "bytes": size,
        "added": added,
        "changed": sum(outcome.counts.get(kind, 0) for kind in ("update", "repair")),
        "removed": removed,
        "counts": outcome.counts,
        "folders": outcome.folders,
        "read_bytes": outcome.read_bytes,
        "new_bytes": outcome.new_bytes,
        "stored_bytes": outcome.stored_bytes,
        "problems": len(outcome.problems),
        "owners": _owners(versions).fields,
    }


def _owners(versions: Versions) -> Owners:
    """Names of the owners of all files: those of the snapshot before, and of what was written now."""
    recorder, seen = versions.recorder, set(versions.owners)
    earlier = [one for one in recorder.cat.snapshots(recorder.job_id) if one.id < recorder.snapshot_id]
    known = earlier[-1].about.owners if earlier else Owners()
    if earlier and not any(known):
        seen |= owners_now(recorder.cat, recorder.job_id)
    users, groups = names_of(seen)
    return Owners({**known.users, **users}, {**known.groups, **groups})


def _bytes_before(recorder: Recorder) -> int:
    """Total bytes of the job's files before this snapshot: from the last one, unless that was killed."""
    cat = recorder.cat
    earlier = [one for one in cat.snapshots(recorder.job_id) if one.id < recorder.snapshot_id]
    if not earlier:
        return 0
    known = orjson.loads(earlier[-1].totals).get("bytes")
    return int(known) if known is not None else bytes_now(cat, recorder.job_id) - recorder.gained


def _is_succession(session: Session, store: Store) -> bool:
    """Whether all copies have suite 1, so that a recipient added later could not pull the catalog."""
    found = session.know(store.lineage)
    end = found.suite1_end if found else None
    return bool(end) and max((serial for serial, _ in json.loads(store.copies)), default=0) <= (end or 0)


def commit_record(
    session: Session, ground: Ground, options: ApplyOptions, outcome: Outcome, *, copy: bool = False
) -> None:
    """Upload the record of all changes, and a full copy if the records have grown long, or with `copy`.

    Raises ForkedError if another machine was faster, TargetError."""
    cat, target, keys = ground.cat, session.target, session.keys(ground.store)
    first = ground.store.serial == 0 and not options.new_lineage
    if first:
        give_way(session, cat, ground.store)
    store = committing.commit(cat, ground.store, target, keys)
    if first and (said := two_lineages(session, store)):
        outcome.problems.append(Problem(b"", "two-lineages", said))
    outcome.serial = store.serial
    if (
        copy
        or committing.copy_is_due(store)
        or _is_succession(session, store)
        or (ground.drift is not None and ground.drift.gap)
    ):
        committing.write_copy(cat, store, target, keys)
        store = cat.store(store.id)
        try:
            store = committing.trim(cat, store, target, records=session.job.retention is not None)
        except AccessDenied as error:
            outcome.notes.append(f"older full copies of the catalog were not deleted: {error.message}")
    ground.store = store
