"""A site in a folder that goes away, in memory where there is room for that."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.history.model import FAST
from tests.history.site import Site


@pytest.fixture
def folder() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="history-", dir=FAST if os.access(FAST, os.W_OK) else None)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def site(folder: str) -> Site:
    return Site(folder)
