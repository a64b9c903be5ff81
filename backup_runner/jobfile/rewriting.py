"""Putting a new text in a file's place: whole or not at all."""

from __future__ import annotations

import difflib
import os
import stat
import tempfile


def rewrite(path: str, text: str) -> None:
    """Replace what the file holds, in one step; mode kept, a symlink's goal written to. Raises OSError."""
    goal = os.path.realpath(path)
    mode = stat.S_IMODE(os.stat(goal).st_mode)
    fd, temporary = tempfile.mkstemp(dir=os.path.dirname(goal), prefix=".backup-runner-")
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            os.fchmod(fd, mode)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, goal)
    except BaseException:
        os.unlink(temporary)
        raise


def difference(path: str, old: str, new: str) -> list[str]:
    """A unified diff, without line ends."""
    before, after = old.splitlines(), new.splitlines()
    return list(difflib.unified_diff(before, after, f"{path} (as it is)", f"{path} (as it would be)", lineterm=""))
