"""Sites for tests of history and recovery by command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.history_cli.machines import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)
