"""The JSON that programs read. Shapes are in schemas/; `schemas.py` makes those files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from ..catalog.about import numbers_of
from ..moments import utc_text
from ..planning.file import Header, action_from, path_fields
from ..progress import Outcome, RestoreOutcome, VerifyOutcome
from .plan_text import moved_bytes
from .problems import problem_fields
from .reasons import why

if TYPE_CHECKING:
    from ..catalog.database import Snapshot

Fields = dict[str, Any]


def line(fields: Fields | list[Fields]) -> bytes:
    """One JSON document on a line."""
    return orjson.dumps(fields) + b"\n"


def plan_body(lines: Iterable[bytes]) -> Iterator[bytes]:
    """A plan's header and actions, as `Plan.body` gives them, with each reason in words beside its values."""
    for number, text in enumerate(lines):
        if not number:
            yield text
            continue
        fields = orjson.loads(text)
        fields["why"] = why(action_from(fields))
        yield line(fields)


def plan_summary(header: Header) -> Fields:
    """The last line of `plan --json`."""
    totals = header.totals
    return {
        "kind": "summary",
        "counts": totals.counts,
        "bytes": moved_bytes(totals.bytes),
        "bytes_by_action": totals.bytes,
        "folders": totals.folders,
        "unchanged": totals.unchanged,
        "unchanged_bytes": totals.unchanged_bytes,
        "unread": totals.unread,
        "unread_bytes": totals.unread_bytes,
        "left_out": totals.left_out,
        "problems": header.problems,
        "problem_count": header.problem_count,
        "guards": header.guards,
        "notes": header.notes,
        "opens": header.opens,
        "cost": header.cost,
    }


def outcome_summary(outcome: Outcome) -> Fields:
    """The last line of `apply --json`."""
    return {
        "kind": "summary",
        "status": outcome.status,
        "interrupted": outcome.interrupted,
        "snapshot": outcome.snapshot_id,
        "serial": outcome.serial,
        "counts": outcome.counts,
        "bytes": moved_bytes(outcome.bytes),
        "bytes_by_action": outcome.bytes,
        "folders": outcome.folders,
        "unchanged": outcome.unchanged,
        "held": [path_fields(key) for key in outcome.held],
        "changed_since_plan": [path_fields(key) for key in outcome.changed_since_plan],
        "problems": [problem_fields(problem) for problem in outcome.problems],
        "problem_count": len(outcome.problems),
        "notes": outcome.notes,
        "read_bytes": outcome.read_bytes,
        "new_bytes": outcome.new_bytes,
        "stored_bytes": outcome.stored_bytes,
        "stored_objects": outcome.stored_objects,
        "deleted_bytes": outcome.deleted_bytes,
        "safe": asdict(outcome.safe),
        "seconds": round(outcome.seconds, 3),
    }


def restore_documents(outcome: RestoreOutcome, *, dry_run: bool) -> Iterator[Fields]:
    """The lines of `restore --json`: each problem, then the summary."""
    for problem in outcome.problems:
        yield {"kind": "problem"} | problem_fields(problem)
    yield {
        "kind": "summary",
        "dry_run": dry_run,
        "snapshot": outcome.snapshot_id,
        "snapshot_time": utc_text(outcome.snapshot_time_ns) if outcome.snapshot_time_ns else None,
        "counts": outcome.counts,
        "bytes": outcome.bytes,
        "problem_count": len(outcome.problems),
        "pending_thaw": outcome.pending_thaw,
        "notes": outcome.notes,
        "interrupted": outcome.interrupted,
        "seconds": round(outcome.seconds, 3),
    }


def verify_documents(outcome: VerifyOutcome) -> Iterator[Fields]:
    """The lines of `verify --json`: each bad object, each file that needs one, then the summary."""
    for name, what in outcome.damaged:
        yield {"kind": "object", "object": name, "message": what}
    for problem in outcome.files:
        yield {"kind": "problem"} | problem_fields(problem)
    yield {
        "kind": "summary",
        "level": outcome.level,
        "passed": not (outcome.damaged or outcome.files or outcome.interrupted),
        "objects": outcome.objects,
        "contents": outcome.contents,
        "bytes": outcome.bytes,
        "damaged": len(outcome.damaged),
        "problem_count": len(outcome.files),
        "unknown": outcome.unknown,
        "notes": outcome.notes,
        "interrupted": outcome.interrupted,
        "seconds": round(outcome.seconds, 3),
    }


def snapshot_fields(snapshot: Snapshot, job: str) -> Fields:
    """One item of `snapshots --json`; `totals` is the result of the apply."""
    about = snapshot.about
    return {
        "id": snapshot.id,
        "job": job,
        "scanned": utc_text(snapshot.scanned_ns),
        "started": utc_text(snapshot.started_ns),
        "finished": utc_text(snapshot.finished_ns) if snapshot.finished_ns is not None else None,
        "seconds": _seconds(snapshot),
        "status": snapshot.status,
        "plan_id": snapshot.plan_id,
        "host": about.host,
        "tags": list(about.tags),
        "note": about.note,
        "totals": numbers_of(snapshot.totals),
    }


def _seconds(snapshot: Snapshot) -> float | None:
    if snapshot.finished_ns is None:
        return None
    return round((snapshot.finished_ns - snapshot.started_ns) / 1e9, 3)
