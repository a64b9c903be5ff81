"""Replaces a file's content atomically."""

from __future__ import annotations

import difflib
import os
import stat
import tempfile


def rewrite(path: str, text: str) -> None:
    """Replace the file's content atomically. Keeps the mode; writes through a symlink. Raises OSError."""
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
    """A unified diff, without line endings."""
    before, after = old.splitlines(), new.splitlines()
    return list(difflib.unified_diff(before, after, f"{path} (current)", f"{path} (formatted)", lineterm=""))
