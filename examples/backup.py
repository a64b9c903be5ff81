#!/usr/bin/env python3
"""Validate a job, show its plan, apply it and restore it elsewhere: python backup.py JOB.yaml FOLDER"""

import sys

from backup_runner import BackupRunnerError, Interrupt, apply, load_job, plan, restore, validate


class Progress:
    """Prints phases and counts files."""

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        print(f"{name} ({files} files, {size} bytes)")

    def advance(self, files: int, size: int) -> None:
        print(f"  +{files} files, +{size} bytes")

    def ahead(self, files: int, size: int) -> None:
        """The phase has so much more to do than it said, or less where this is negative."""

    def now(self, name: bytes) -> None:
        """The file or object that was begun last."""

    def limited(self, rate: float) -> None:
        print(f"  held back by the limit of {rate:,.0f} bytes a second" if rate else "  no longer held back")

    def warn(self, text: str) -> None:
        print(f"warning: {text}", file=sys.stderr)


def main(job_file: str, folder: str) -> int:
    for diagnostic in validate([job_file]).result.diagnostics:
        print(f"{diagnostic.file}:{diagnostic.line}: {diagnostic.severity}: {diagnostic.message}")
    job, progress, stop = load_job(job_file), Progress(), Interrupt()
    with plan(job, events=progress) as made:
        print(f"plan: {made.header.totals.counts}, {made.header.totals.unchanged} unchanged")
        stored = apply(made, events=progress, stop=stop)
    print(f"snapshot {stored.snapshot_id}: {stored.status}, {stored.stored_bytes} bytes, {stored.seconds:.1f} s")
    back = restore(job, to=folder, events=progress, stop=stop)
    print(f"restored: {back.counts}")
    return 3 if stored.incomplete or back.incomplete else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except BackupRunnerError as error:
        sys.exit(f"{error.message}\n{error.hint or ''}")
