"""`kill -9` while pruning and repacking: nothing that a kept snapshot needs is lost, and the next prune ends it."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import time

import pytest

from backup_runner.spec import Retention
from tests.history.site import Site
from tests.restoring.build import tree
from tests.support.places import KEPT

FULL = os.environ.get("PROOF") == "full"
KILLS = 100 if FULL else 6


@pytest.fixture
def due(site: Site) -> Site:
    """Five snapshots; at keep_last 2, packs are to be deleted and to be repacked."""
    chance = random.Random(1)
    for round_ in range(5):
        for number in range(40):
            if round_ == 0 or (number + round_) % 3:
                site.write(f"{number % 4}/{number}", chance.randbytes(chance.randrange(1, 30_000)))
        if round_:
            site.write(f"of-{round_}", b"%d" % round_ * 1000)
        site.apply()
    site.retention = Retention(keep_last=2, repack_dead_percent=10)
    return site


def _prune_and_die(site: Site) -> None:
    site.prune()
    os._exit(0)


@pytest.mark.proof
def test_killed_while_pruning(due: Site, folder: str) -> None:
    header, _ = due.actions(pruning="only")
    assert {"forget", "delete", "repack"} <= set(header.totals.counts)
    newest = max(due.snapshots())
    kept = {number: _restored(due, number) for number in (newest - 1, newest)}
    assert kept[newest] == tree(os.fsencode(due.data))
    for name in ("bucket", "state0"):
        shutil.copytree(f"{folder}/{name}", f"{folder}/kept/{name}")
    chance = random.Random(2)
    fork = multiprocessing.get_context("fork")
    usual, amid, kill = 0.0, 0, 0
    while amid < KILLS:
        for name in ("bucket", "state0"):
            shutil.rmtree(f"{folder}/{name}")
            shutil.copytree(f"{folder}/kept/{name}", f"{folder}/{name}")
        process = fork.Process(target=_prune_and_die, args=(due,))
        started = time.monotonic()
        process.start()
        if usual:
            time.sleep(chance.uniform(0, usual))
            process.kill()
        process.join()
        # The first one is let through, to know how long it takes. What had died before the kill is no proof.
        usual = usual or time.monotonic() - started
        amid += process.exitcode != 0
        kill += 1
        if kill % 2:
            due.lose_catalog()
            due.pull()
        for number, expected in kept.items():
            assert _restored(due, number) == expected, (kill, number)
        due.prune()
        _nothing_unneeded(due)
        for number, expected in kept.items():
            assert _restored(due, number) == expected, (kill, number)
    print(f"{amid} of {kill} prunes killed before they ended; a prune takes {usual:.3f} s")


def _restored(site: Site, number: int) -> dict[bytes, tuple[object, ...]]:
    goal = f"{site.root}/out"
    assert site.restore(goal, at=number).problems == []
    found = tree(os.fsencode(goal))
    shutil.rmtree(goal)
    return found


def _nothing_unneeded(site: Site) -> None:
    cat = site.catalog()
    needed = cat.conn.execute(
        f"SELECT DISTINCT o.name FROM object o JOIN {KEPT} e ON e.object_id = o.id "
        "JOIN version v ON v.content_id = e.content_id ORDER BY o.name"
    ).fetchall()
    cat.close()
    assert site.names() == [name for (name,) in needed]
