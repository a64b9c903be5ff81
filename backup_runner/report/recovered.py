"""Results of `catalog pull`, `catalog rebuild` and of listing a bucket's lineages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import escape, units
from .look import Look

if TYPE_CHECKING:
    from ..recovery.outcome import Recovered
    from ..recovery.survey import LineageSeen

Fields = dict[str, Any]


def recovered_fields(found: Recovered, now_ns: int) -> Fields:
    """`catalog pull --json` and `catalog rebuild --json`. `age_seconds` is that of the newest record."""
    return {
        "lineage": found.lineage,
        "serial": found.serial,
        "created": units.iso_time(found.created_ns) if found.created_ns else None,
        "age_seconds": _age(found, now_ns) if found.created_ns else None,
        "jobs": found.jobs,
        "snapshots": found.snapshots,
        "files": found.files,
        "records": found.records,
        "copies": found.copies,
        "objects": found.objects,
        "missing": found.missing,
        "notes": found.notes,
        "seconds": round(found.seconds, 3),
    }


def _age(found: Recovered, now_ns: int) -> int:
    return max(0, (now_ns - found.created_ns) // 1_000_000_000)


def recovered_lines(found: Recovered, now_ns: int, look: Look) -> Iterator[str]:
    """The same for people; everything missing is listed."""
    if found.missing:
        yield look.paint(f"Missing ({units.count(len(found.missing))}):", "yellow", "bold")
        for text in found.missing:
            yield f"  {look.paint('!', 'yellow')} {escape.one_line(text)}"
    for note in found.notes:
        yield look.paint(f"note: {escape.one_line(note)}", "dim")
    when = "of an unknown time"
    if found.created_ns:
        age = units.duration(_age(found, now_ns))
        when = f"of {units.local_time(found.created_ns)} ({age} old)"
    head = f"lineage {found.lineage}, serial {found.serial}"
    yield look.paint(head, "yellow" if found.missing else "green", "bold") + f" {when}"
    jobs = ", ".join(escape.one_line(job) for job in found.jobs)
    parts = [units.count(found.snapshots, "snapshot"), f"{units.count(found.files, 'file')} in the newest"]
    yield f"  {units.count(len(found.jobs), 'job')} ({jobs}): {', '.join(parts)}"
    read = [units.count(found.copies, "full copy", "full copies")] if found.copies else []
    read += [units.count(found.records, "record")] if found.records else []
    read += [f"{units.count(found.objects, 'object')} from their own indexes"] if found.objects else []
    yield look.paint(f"  {', '.join(read) or 'nothing new'} read in {units.duration(found.seconds)}", "dim")


def lineage_fields(found: Sequence[LineageSeen]) -> list[Fields]:
    """The `bucket` part of `catalog info --json`."""
    return [
        {
            "lineage": seen.lineage,
            "opens": seen.opens,
            "why": seen.why,
            "serial": seen.serial,
            "created": units.iso_time(seen.created_ns) if seen.created_ns else None,
            "jobs": seen.jobs,
            "records": seen.records,
            "copies": seen.copies,
            "objects": seen.objects,
            "bytes": seen.bytes,
        }
        for seen in found
    ]


def lineage_lines(target: str, lineages: Sequence[Fields]) -> Iterator[str]:
    """The output of `lineage_fields`, for people."""
    yield f"bucket {escape.one_line(target)}: {units.count(len(lineages), 'lineage')}"
    for item in lineages:
        size = f"{units.count(item['objects'], 'object')}, {units.size(item['bytes'])}"
        yield f"  lineage {item['lineage']}, serial {item['serial']}: {size}"
        if not item["opens"]:
            yield f"    not readable: {escape.one_line(item['why'])}"
            continue
        jobs = ", ".join(f'"{escape.one_line(job)}"' for job in item["jobs"])
        yield f"    jobs {jobs}; newest record of {units.iso_local(item['created'])}"
