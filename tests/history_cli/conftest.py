"""Sites for tests of history and recovery by command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from backup_runner.container.keys import Keyring
from tests.history_cli.machines import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def without_scrypt() -> Iterator[None]:
    """For modules whose commands all run in this process and those forked from it; scrypt is most of their time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keyring, "stretch", lambda self, salt, cost=None: blake3(self.crypto_key.raw + salt).digest())
        yield
