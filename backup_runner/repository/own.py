"""Our own files, which every scan excludes."""

from __future__ import annotations

import os

from ..spec import Job


def secret_path() -> str:
    """The path of the secret that signs this user's saved plans (planning/seal), whether it exists or not."""
    return os.path.expanduser("~/.backup-runner/plan-key")


def own_files(job: Job) -> list[bytes]:
    """Absolute paths of all our own files, whether they exist or not."""
    paths = [
        job.catalog.path + suffix
        for suffix in ("", "-wal", "-shm", "-journal", ".lock", ".seen", ".seen.tmp", ".host-key")
    ]
    paths += [job.work_directory, secret_path(), *job.target.own_paths]
    return [os.fsencode(path) for path in paths]
