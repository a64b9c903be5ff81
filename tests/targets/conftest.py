"""An emulator of the service, one for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oci_emulator.fixture import Running, start


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator
