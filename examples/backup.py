#!/usr/bin/env python3
"""Validate a job, apply it and restore it elsewhere: python backup.py JOB.yaml FOLDER"""

import sys

from backup_runner import BackupRunnerError, Silent, apply, load_job, plan, restore, validate


class Progress(Silent):
    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        print(f"{name}: {files} files, {size} bytes")

    def warn(self, text: str) -> None:
        print(f"warning: {text}", file=sys.stderr)


try:
    for found in validate([sys.argv[1]]).result.diagnostics:
        print(f"{found.file}:{found.line}: {found.severity}: {found.message}")
    job, progress = load_job(sys.argv[1]), Progress()
    with plan(job, events=progress) as made:
        print(f"plan: {made.header.totals.counts}, {made.header.totals.unchanged} unchanged")
        stored = apply(made, events=progress)
    print(f"snapshot {stored.snapshot_id}: {stored.status}, {stored.stored_bytes} bytes stored")
    back = restore(job, to=sys.argv[2], events=progress)
    print(f"restored: {back.counts}")
    sys.exit(3 if stored.incomplete or back.incomplete else 0)
except BackupRunnerError as error:
    sys.exit(f"{error.message}\n{error.hint or ''}")
