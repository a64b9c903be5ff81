"""The `--cache-file` of `directory backup`: which interrupted run a second run continues with.

What a run has stored is in the catalog and its journal, record by record, so a killed run loses nothing. The
cache file says which catalog and directories it belongs to, and how the run ended.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ..errors import UsageError
from ..foreign import describe
from ..replacing import replacing
from ..spec import Job

_FORMAT = 1


class CacheFile:
    """State of one run after another, in one small JSON file."""

    def __init__(self, path: str, job: Job, target: str) -> None:
        """Raises UsageError if the file is something else, or belongs to a run with another catalog, bucket or
        directories."""
        self._path = os.path.abspath(os.path.expanduser(path))
        self._about = {
            "catalog": job.catalog.path,
            "target": target,
            "paths": [os.fsdecode(source.path) for source in job.sources],
        }
        self.interrupted = self._read()

    def _read(self) -> bool:
        """Whether the last run with this file was interrupted."""
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape") as file:
                state = json.loads(file.read(1 << 24))
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot use the cache file {self._path}: {describe(error)}") from None
        if not isinstance(state, dict) or state.get("backup_runner_state") != _FORMAT:
            theirs = isinstance(state, dict) and "backup" in state
            what = "backup-tool's" if theirs else "not a cache file of backup-runner"
            raise UsageError(
                f"the cache file {self._path} is {what} and was not changed",
                hint="name another file; import backup-tool's uploads with `catalog import-backup-tool`",
            )
        if state.get("status") == "complete":
            return False
        differing = [name for name, value in self._about.items() if state.get(name) != value]
        if differing:
            raise UsageError(
                f"the cache file {self._path} belongs to a run with another {differing[0]}: {state.get(differing[0])}",
                hint="use the same directories and config, or another cache file",
            )
        return True

    def write(self, status: str, **more: Any) -> None:
        """Record the state of the run: `running`, `interrupted` or `complete`."""
        state = {"backup_runner_state": _FORMAT, "status": status, "at": time.time(), **self._about, **more}
        with replacing(self._path) as file:
            file.write(f"{json.dumps(state, indent=1)}\n".encode("utf-8", "surrogateescape"))
