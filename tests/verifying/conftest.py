"""The same job, bucket and catalog as in the tests of restore."""

from __future__ import annotations

import pathlib

import pytest

from tests.restoring.build import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(str(tmp_path))
