"""A job with a bucket and a catalog in a folder of its own."""

from __future__ import annotations

import pathlib

import pytest

from tests.restoring.build import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(str(tmp_path))
