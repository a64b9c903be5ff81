"""Every fault of the emulator against real runs: complete and correct, or a clear error, and nothing wrong recorded."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import pytest

from tests.oci_emulator.fixture import Running, start
from tests.targets.oci.site import MIB, Done, Site
from tests.targets.oci.test_faults import ALWAYS, FAULTS, ONCE

FULL = os.environ.get("PROOF") == "full"
SIZE = 100 * MIB if FULL else 66 * MIB
LANES = 3 if FULL else 1
"""Trials at one time: many of them only wait."""
_PATIENCE = {ONCE: 20.0, ALWAYS: 2.0}
Fault = dict[str, object]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack's worth of files and one that is cut into pieces."""
    root = tmp_path_factory.mktemp("shared")
    with start(root / "emulator") as running:
        site = Site(root / "site", running)
        for number in range(3):
            site.write(f"small/{number}", 50_000)
        site.write("large", SIZE)
    return site.data


class Trial:
    """One fault at one operation, on a site of its own. Each method ends with a clean run that is compared."""

    def __init__(self, running: Running, shared: Path, root: Path, fault: Fault, count: int) -> None:
        self.fault, self.count = fault, count
        root.mkdir()
        settings: dict[str, Any] = {"retention": {"keep_last": 1}, "guards": {"max_change_percent": 100}}
        self.site = Site(root, running, settings=settings, patience=_PATIENCE[count])
        self._shared = shared

    def begin_with(self, *, large: bool) -> None:
        shutil.copytree(self._shared / "small", self.site.data / "small")
        if large:
            shutil.copy2(self._shared / "large", self.site.data / "large")

    def struck(self, operation: str, pattern: str, act: Callable[[], Done]) -> Done:
        """Do something while the fault strikes requests for names like `pattern`, all of them if it is empty."""
        emulator = self.site.emulator
        name = self.site.prefix + pattern if pattern else "*"
        rule = {**self.fault, "operation": operation, "name": name, "count": self.count}
        emulator.add_faults(rule)
        try:
            done = act()
            assert sum(found["hits"] for found in emulator.faults()) > 0, f"{operation} {pattern} was never struck"
        finally:
            emulator.clear_faults()
        assert done.code in (0, 1, 3), done.text
        # No failure without a word, and none of them a fault of ours.
        assert done.code != 1 or done.err.count("error:") == 1, done.text
        assert "unexpected" not in done.err, done.text
        return done

    def nothing_wrong_is_recorded(self) -> None:
        """Each object of the catalog is in the bucket, as the catalog has it; the bytes are compared at the end."""
        path = self.site.root / "catalog.db"
        if not path.exists():
            return
        there = {item.name: (item.size, item.checksum) for item in self.site.bucket().list()}
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT name, size, checksum FROM object WHERE state = 'live'").fetchall()
        assert {name: (size, checksum) for name, size, checksum in rows}.items() <= there.items()

    def all_is_well_again(self) -> None:
        site = self.site
        site.apply()
        assert "verify passed" in site.run("verify", "--level", "data").out
        shutil.rmtree(site.back, ignore_errors=True)
        site.restore()
        site.compare()

    # -- what the fault strikes

    def put(self) -> Done:
        return self._first_apply("PutObject", "*/data/*", large=False)

    def record(self) -> Done:
        return self._first_apply("PutObject", "*/records/*", large=False)

    def lease(self) -> Done:
        return self._first_apply("PutObject", "*/lease/*", large=False)

    def release(self) -> Done:
        return self._first_apply("DeleteObject", "*/lease/*", large=False)

    def _first_apply(self, operation: str, pattern: str, *, large: bool) -> Done:
        self.begin_with(large=large)
        done = self.struck(operation, pattern, self._apply)
        self.nothing_wrong_is_recorded()
        self.all_is_well_again()
        return done

    def _apply(self) -> Done:
        return self.site.apply(codes=None)

    def list(self) -> Done:
        self._established()
        self.site.write("small/0", 60_000)
        done = self.struck("ListObjects", "*", self._apply)
        self.nothing_wrong_is_recorded()
        self.all_is_well_again()
        return done

    def get(self) -> Done:
        self.begin_with(large=True)
        self.site.apply()
        done = self.struck("GetObject", "*/data/*", lambda: self.site.restore(codes=None))
        if done.code == 0:
            self.site.compare()
        for path in self.site.back.rglob("*"):
            # Under its name a file is whole, or it is not there.
            if path.is_file():
                assert path.read_bytes() == (self.site.data / path.relative_to(self.site.back)).read_bytes()
        self.all_is_well_again()
        return done

    def pull(self) -> Done:
        self._established()
        catalog = self.site.root / "catalog.db"
        catalog.unlink()
        done = self.struck("GetObject", "*/records/*", lambda: self.site.run("catalog pull", codes=None))
        assert catalog.exists() == (done.code == 0), done.text
        if done.code:
            self.site.run("catalog pull")
        assert "3 unchanged" in self.site.run("plan").out
        self.all_is_well_again()
        return done

    def delete(self) -> Done:
        self._established()
        for path in (self.site.data / "small").iterdir():
            self.site.write(f"small/{path.name}", 60_000)
        self.site.apply()
        done = self.struck("DeleteObject", "*/data/*", lambda: self.site.run("prune", "--yes", codes=None))
        self.nothing_wrong_is_recorded()
        self.site.run("prune", "--yes")
        assert len([item for item in self.site.bucket().list() if "/data/" in item.name]) == 1
        self.all_is_well_again()
        return done

    def _established(self) -> None:
        self.begin_with(large=False)
        self.site.apply()


WHAT = ("put", "record", "get", "list", "pull", "delete", "lease", "release")
SLICE = (("put", "lost", ONCE), ("delete", "reset_after", ALWAYS))


def combinations() -> list[tuple[str, Fault, int]]:
    everything = [(what, fault, count) for what in WHAT for fault in FAULTS for count in (ONCE, ALWAYS)]
    if FULL:
        return random.Random(3).sample(everything, len(everything))
    chosen = {key: (what, fault, count) for what, fault, count in everything
              if (key := (what, fault["kind"], count)) in SLICE}  # fmt: skip
    return list(chosen.values())


def run_trials(shared: Path, root: Path, todo: SimpleQueue[tuple[str, Fault, int]], ends: SimpleQueue[str]) -> None:
    """Trial after trial with an emulator of its own, until there are none left; what went wrong is printed at once."""
    root.mkdir()
    with start(root / "emulator") as running:
        for number in itertools.count():
            try:
                what, fault, count = todo.get_nowait()
            except Empty:
                return
            trial = Trial(running, shared, root / str(number), fault, count)
            try:
                ends.put(f"exit {getattr(trial, what)().code}")
            except Exception as error:  # noqa: BLE001
                how = f"{what}: {fault['kind']} {fault.get('status', '')} {'once' if count == ONCE else 'always'}"
                print(f"WRONG {how}\n{error}", flush=True)
                ends.put("wrong")
            bucket = trial.site.bucket()
            for item in bucket.list():
                bucket.delete(item.name)
            running.clear_log()
            shutil.rmtree(root / str(number))


@pytest.mark.proof
def test_matrix(shared: Path, tmp_path: Path) -> None:
    trials = combinations()
    todo: SimpleQueue[tuple[str, Fault, int]] = SimpleQueue()
    ends: SimpleQueue[str] = SimpleQueue()
    for one in trials:
        todo.put(one)
    threads = [Thread(target=run_trials, args=(shared, tmp_path / str(n), todo, ends)) for n in range(LANES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(ends.get() for _ in trials)
    print(f"{len(trials)} combinations of fault and operation: {dict(counts)}")
    assert len(trials) == (len(WHAT) * len(FAULTS) * 2 if FULL else len(SLICE))
    assert not counts["wrong"]
