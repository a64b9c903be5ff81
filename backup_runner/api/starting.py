"""A first job file and a key."""

from __future__ import annotations

import os

from ..errors import BackupRunnerError, UsageError
from ..foreign import describe
from ..jobfile.loading import load
from ..jobfile.starting import Start, first_job
from .keys import new_key


def start(path: str, answers: Start) -> str:
    """Write a job file at `path`, and a key if there is none. Returns the id of the new key, or "".

    Never overwrites a file. Raises UsageError for answers that make no valid job; then nothing is left behind."""
    text = first_job(answers)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BackupRunnerError(f"cannot write {path}: {describe(error)}", hint="choose another name") from None
    try:
        _check(path)
        key = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(answers.key))
        return "" if os.path.lexists(key) else new_key(key)
    except BaseException:
        os.unlink(path)
        raise


def _check(path: str) -> None:
    found = load([path], env=os.environ)
    if found.diagnostics:
        first = found.diagnostics[0]
        raise UsageError(f"these answers make no valid job: {first.message}", hint="nothing was written")
