"""Lists the lineages in a bucket from their own records, for people who lost their catalog."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..container import ObjectKind, parse_name
from ..errors import BackupRunnerError, WrongKeyError
from ..repository.commits import job_names
from ..repository.session import Session
from .choose import newest_readable


@dataclass(slots=True)
class LineageSeen:
    """One lineage of a bucket. Sizes are bytes; `objects` and `bytes` are of data objects alone."""

    lineage: str
    opens: bool = False
    """Whether the job's key can decrypt its newest record or copy."""
    why: str = ""
    """Why it cannot."""
    serial: int = 0
    created_ns: int = 0
    """When its newest record was written; 0 if that cannot be read."""
    jobs: list[str] = field(default_factory=list)
    records: int = 0
    copies: int = 0
    objects: int = 0
    bytes: int = 0


def survey(session: Session) -> list[LineageSeen]:
    """All lineages in the job's bucket, by name. Raises KeyFileError, TargetError."""
    found: dict[str, LineageSeen] = {}
    for item in session.target.list():
        object_id = parse_name(item.name)
        if object_id is None or object_id.kind is ObjectKind.LEASE:
            continue
        lineage = item.name.split("/", 1)[0]
        seen = found.setdefault(lineage, LineageSeen(lineage))
        if object_id.kind is ObjectKind.RECORDS:
            seen.records += 1
        elif object_id.kind is ObjectKind.COPIES:
            seen.copies += 1
        elif object_id.kind is ObjectKind.DATA:
            seen.objects += 1
            seen.bytes += item.size
    for seen in found.values():
        _open(session, seen)
    return [found[lineage] for lineage in sorted(found)]


def _open(session: Session, seen: LineageSeen) -> None:
    try:
        head = newest_readable(session, seen.lineage)
    except WrongKeyError:
        seen.why = "encrypted with another key"
        return
    except BackupRunnerError as error:
        seen.why = error.message
        return
    if head is None:
        seen.why = "none of its records and copies can be read"
        return
    seen.opens = True
    seen.created_ns = int(str(head["created_ns"]))
    seen.serial = int(str(head["serial"]))
    seen.jobs = job_names(head)
