"""An apply in a process of its own that dies as by `kill -9`, at a call of its target that a test chooses."""

from __future__ import annotations

import pathlib
import subprocess
import sys

from backup_runner.policy import StoringPolicy
from tests.support.jobs import TINY, Home, files_below, stored_contents, stored_twice

_DYING = """
import sys
from backup_runner.policy import StoringPolicy
from backup_runner.targets.directory.target import DirectoryTarget
from tests.support.faulty import DieAt, FaultyTarget
from tests.support.jobs import TINY, Home
root, name, number, holding, workers, tiny = sys.argv[1:]
home = Home(root, workers=int(workers), policy=TINY if tiny else StoringPolicy())
home.target = FaultyTarget(DirectoryTarget(home.bucket), DieAt(name, int(number), holding))
home.apply()
"""


def die(home: Home, name: str, number: int = 0, *, holding: str = "") -> None:
    """An apply that dies before the given call of its target. Calls are counted in each process, from 1, and a worker
    inherits the main process's count: its first pack is the second `put`."""
    assert home.policy in (TINY, StoringPolicy())
    tiny = "tiny" if home.policy == TINY else ""
    done = subprocess.run(
        [sys.executable, "-c", _DYING, home.root, name, str(number), holding, str(home.workers), tiny],
        cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr


def nothing_left(home: Home) -> None:
    """No temporary file, and nothing stored twice."""
    assert [name for name in files_below(home.bucket) if name.startswith((".tmp", ".uploads"))] == []
    assert stored_twice(stored_contents(home.bucket)) == []
