"""An interrupted `directory backup --cache-file` goes on with what is left: the emulator's log is the proof."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest

FILES = 2000
SIZE = 100_000


def _put_bytes(emulator, prefix: str) -> list[int]:
    """Sizes of the data objects that were stored, in order."""
    return [
        line["received"]
        for line in emulator.log("PutObject")
        if line["status"] == 200 and prefix in line["name"] and "/data/" in line["name"]
    ]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_second_run_stores_only_what_is_left(oci_home, emulator, how):
    home, prefix = oci_home
    rest = random.Random(5)
    for number in range(FILES):
        home.write(f"docs/{number % 40}/{number}", rest.randbytes(SIZE))
    command = ["directory", "backup", "--dir-paths", "data/docs", "--cache-file", "state.json"]
    # Slow enough that something is left when the first pack is there.
    emulator.settings(latency=0.4)
    process = home.start(*command)
    if how == signal.SIGINT:
        # Early: an interrupt lets what is being read be stored, which soon is everything.
        assert process.stderr is not None
        while b"backing up" not in process.stderr.readline():
            assert process.poll() is None
    deadline = time.monotonic() + 100
    while how == signal.SIGKILL and not _put_bytes(emulator, prefix) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=60)
    emulator.settings(latency=0.0)
    assert process.returncode in (130, -signal.SIGKILL)
    first = sum(_put_bytes(emulator, prefix))
    # An interrupt may come before anything was stored; after a kill, the first pack is there.
    assert how == signal.SIGINT or first > 0
    assert first < FILES * SIZE
    state = json.loads((home.root / "state.json").read_text())
    assert state["status"] == ("interrupted" if how == signal.SIGINT else "running")

    said = home.run(*command)
    assert "Continuing the interrupted run" in said
    total = sum(_put_bytes(emulator, prefix))
    assert FILES * SIZE < total < FILES * SIZE * 1.02
    assert json.loads((home.root / "state.json").read_text())["status"] == "complete"
    assert len(home.ids()) == FILES
    assert not (home.root / "work").exists()
