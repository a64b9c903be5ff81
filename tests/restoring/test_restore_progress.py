"""What a restore says of its progress: large files piece by piece, and in the end as much as was announced."""

from __future__ import annotations

import os
from pathlib import Path

from backup_runner.progress import Silent
from backup_runner.restoring.book import RestoreOptions
from backup_runner.restoring.run import restore
from tests.support.jobs import Home

MIB = 1 << 20


class Listening(Silent):
    """Notes what is announced and what is done."""

    def __init__(self) -> None:
        self.ahead: tuple[int, int] = (0, 0)
        self.steps: list[tuple[int, int]] = []

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        if name == "restoring":
            self.ahead = (files, size)

    def advance(self, files: int, size: int) -> None:
        self.steps.append((files, size))


def test_a_large_file_shows_as_it_comes(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    home.write("large", os.urandom(100 * MIB))
    home.write("small", b"x" * 1000)
    home.apply()
    heard = Listening()
    session = home.session()
    try:
        outcome = restore(session, RestoreOptions(to=os.fsencode(f"{home.root}/back")), heard)
    finally:
        session.close()
    assert outcome.problems == []
    assert heard.ahead == (2, 100 * MIB + 1000)
    assert (sum(files for files, _ in heard.steps), sum(size for _, size in heard.steps)) == heard.ahead
    assert max(size for _, size in heard.steps) <= 32 * MIB
    assert len([size for files, size in heard.steps if size > MIB // 8]) >= 100
