"""A job in a folder of its own."""

from __future__ import annotations

import pathlib

import pytest

from tests.support.jobs import Home


@pytest.fixture
def home(tmp_path: pathlib.Path) -> Home:
    return Home(str(tmp_path))
