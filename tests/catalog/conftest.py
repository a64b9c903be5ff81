"""A place with a job, as the command line's tests have it."""

from __future__ import annotations

from tests.cli.conftest import place

__all__ = ["place"]
