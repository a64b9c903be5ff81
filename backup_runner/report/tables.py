"""Short tables for people: snapshots, catalog contents, a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import escape, units

if TYPE_CHECKING:
    from ..catalog.surveying import CatalogKnown
    from ..repository.keycheck import KeyCheck

Fields = dict[str, Any]

_COUNTS = ("files", "added", "changed", "removed", "problems")
_SIZES = ("bytes", "read_bytes", "new_bytes", "stored_bytes")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell; numbers to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() and "-" not in cell


def snapshot_lines(snapshots: Sequence[Fields]) -> Iterator[str]:
    """Snapshots as `machine.snapshot_fields` has them."""
    if not snapshots:
        yield "no snapshots yet"
        return
    rows = []
    seconds = Counter(item["scanned"][:19] for item in snapshots)
    for item in snapshots:
        totals = item["totals"]
        numbers = [units.count(totals[name]) if name in totals else "" for name in _COUNTS]
        sizes = [units.size(totals[name]) if name in totals else "" for name in _SIZES]
        took = units.duration(item["seconds"]) if item["seconds"] is not None else ""
        date = units.iso_local(item["scanned"], exact=seconds[item["scanned"][:19]] > 1)
        said = map(escape.one_line, (item["host"], ", ".join(item["tags"]), item["note"]))
        rows.append((str(item["id"]), date, item["status"], *numbers, *sizes, took, *said))
    head = ("id", "scanned", "status", *_COUNTS, "size", "read", "new", "stored", "took", "host", "tags", "note")
    # Tags and notes are rare.
    shown = [at for at in range(len(head)) if at < len(head) - 3 or any(row[at] for row in rows)]
    yield from table([head[at] for at in shown], [[row[at] for at in shown] for row in rows])


def catalog_fields(known: CatalogKnown) -> Fields:
    """`catalog info --json`: stores with their jobs."""
    from .machine import snapshot_fields

    return {
        "catalog": known.path,
        "format": known.format,
        "migrated_from": known.migrated_from,
        "stores": [
            {
                "target": one.store.target,
                "lineage": one.store.lineage,
                "serial": one.store.serial,
                "key_id": one.store.key_id,
                "state": one.store.state,
                "jobs": [
                    {
                        "name": job.name,
                        "snapshots": job.snapshots,
                        "last": snapshot_fields(job.last, job.name) if job.last else None,
                    }
                    for job in one.jobs
                ],
            }
            for one in known.stores
        ],
    }


def catalog_lines(fields: Fields) -> Iterator[str]:
    """The output of `catalog_fields`, for people."""
    before = fields["migrated_from"]
    form = f", format {fields['format']}" if fields["format"] else ""
    form += f" (migrated from format {before} just now)" if before else ""
    yield f"catalog {escape.one_line(fields['catalog'])}{form}"
    if not fields["stores"]:
        yield "  nothing applied yet"
    for store in fields["stores"]:
        yield f"target {escape.one_line(store['target'])}"
        yield f"  lineage {store['lineage']}, serial {store['serial']}, key id {store['key_id']}, {store['state']}"
        for job in store["jobs"]:
            last = job["last"]
            said = f", last {last['id']} ({last['status']}) of {units.iso_local(last['scanned'])}" if last else ""
            yield f'  job "{escape.one_line(job["name"])}": {units.count(job["snapshots"], "snapshot")}{said}'


_KEY_KINDS = {"raw": "raw key", "text": "text key", "pair": "key pair", "passphrase": "passphrase"}


def key_fields(found: KeyCheck) -> Fields:
    """`key check --json`."""
    return {
        "key_id": found.key_id,
        "kind": found.kind,
        "bytes": found.size,
        "opens": found.opens,
        "object": found.object,
        "why": found.why,
    }


def key_lines(fields: Fields) -> Iterator[str]:
    """The result of a key check, for people."""
    yield f"key id {fields['key_id']}, a {_KEY_KINDS[fields['kind']]} of {fields['bytes']} bytes"
    if fields["opens"]:
        yield f"it can decrypt the bucket (tested on {escape.one_line(fields['object'])})"
    elif fields["opens"] is None:
        yield f"not tested with the bucket: {fields['why']}"
    else:
        yield f"it CANNOT decrypt {escape.one_line(fields['object'])}: {escape.one_line(fields['why'])}"
