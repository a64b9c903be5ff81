"""Several processes that meet where there is no catalog yet: all of them open one and the same."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

from backup_runner.catalog import Catalog

PROCESSES = 6
ROUNDS = 10


def _open(folder: str, barrier: Any) -> None:
    for number in range(ROUNDS):
        barrier.wait(20)
        cat = Catalog(f"{folder}/{number}/catalog.db", create=True)
        with cat.transaction():
            cat.add_store(target="place", key_id="", lineage=os.urandom(16).hex(), salt=b"")
        cat.close()


def test_a_catalog_that_several_processes_create_at_once(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(PROCESSES)
    processes = [fork.Process(target=_open, args=(str(tmp_path), barrier)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    for number in range(ROUNDS):
        cat = Catalog(f"{tmp_path}/{number}/catalog.db", create=False)
        assert len(cat.stores("place")) == PROCESSES
        cat.close()
