"""`stats`: how large the sources and what is stored are, how well it is deduplicated and compressed, how it grows."""

from __future__ import annotations

from typing import Any

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import Output, output


def command(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """Show sizes of sources, snapshots and the bucket, ratios, the largest folders, and what pruning would free.

    All of it comes from the catalog; the bucket is not read.

    Example: backup-runner stats documents.yaml
    """
    from ..report.stats import largest_folders, stats_fields, stats_lines

    out = output(context, json=json)
    loaded = load_job(job, out)
    with api.browse(loaded, events=out.reporter()) as past:
        sizes, target, snapshots = past.sizes(), past.target, past.snapshots()
        folders = largest_folders(past.files().versions) if snapshots else []
        object_sizes = past.object_sizes()
    fields = stats_fields(loaded.name, target, sizes, folders, _freed(loaded, out, object_sizes))
    if out.json:
        out.emit(fields)
    else:
        out.say(stats_lines(fields))
    return 0


def _freed(job: api.Job, out: Output, sizes: dict[str, int]) -> dict[str, Any]:
    from ..report.stats import freed_fields

    planning = api.PlanOptions(pruning="only", offline=True)
    with api.plan(job, planning, events=out.reporter()) as made:
        return freed_fields(made.header, made.actions(), sizes)
