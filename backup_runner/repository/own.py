"""Files of our own: they are left out of every scan."""

from __future__ import annotations

import os

from ..spec import Job


def secret_path() -> str:
    """Where the secret is, or would be, with which this user's saved plans are sealed (planning/seal)."""
    return os.path.expanduser("~/.backup-runner/plan-key")


def own_files(job: Job) -> list[bytes]:
    """Absolute paths of all that is ours, whether it exists or not."""
    paths = [
        job.catalog.path + suffix
        for suffix in ("", "-wal", "-shm", "-journal", ".lock", ".seen", ".seen.tmp", ".host-key")
    ]
    paths += [job.work_directory, secret_path(), *job.target.own_paths]
    return [os.fsencode(path) for path in paths]
