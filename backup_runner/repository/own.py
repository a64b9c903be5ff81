"""Files of our own outside of any job's folders."""

from __future__ import annotations

import os


def secret_path() -> str:
    """Where the secret is, or would be, with which this user's saved plans are sealed (planning/seal)."""
    return os.path.expanduser("~/.backup-runner/plan-key")
