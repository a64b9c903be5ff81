"""Replaces a file's content atomically."""

from __future__ import annotations

import difflib
import os
import stat

from ..replacing import replacing


def rewrite(path: str, text: str) -> None:
    """Replace the file's content atomically. Keeps the mode; writes through a symlink. Raises OSError."""
    goal = os.path.realpath(path)
    with replacing(goal, mode=stat.S_IMODE(os.stat(goal).st_mode)) as file:
        file.write(text.encode())


def difference(path: str, old: str, new: str) -> list[str]:
    """A unified diff, without line endings."""
    before, after = old.splitlines(), new.splitlines()
    return list(difflib.unified_diff(before, after, f"{path} (current)", f"{path} (formatted)", lineterm=""))
