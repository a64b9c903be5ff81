"""The command line as a process, in a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Place, furnished


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place in the test's own folder."""
    return furnished(tmp_path)
