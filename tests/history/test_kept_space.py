"""Many snapshots of a changing tree, of which retention keeps five: each is exact, and the rest is really gone."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from backup_runner.spec import Retention
from tests.history.site import Site
from tests.restoring.build import tree

FULL = os.environ.get("PROOF") == "full"
FILES, SNAPSHOTS, KEPT, CHANGING = (10_000, 30, 5, 20) if FULL else (300, 8, 5, 6)


def _stored(site: Site) -> int:
    return sum(os.path.getsize(f"{site.bucket}/{name}") for name in site.names())


def _change(site: Site, chance: random.Random, round_: int) -> None:
    """One file in so many changes; of five of these one goes, and another comes."""
    names = sorted(os.listdir(site.data))
    picked = chance.sample(names, len(names) // CHANGING)
    for at, name in enumerate(picked):
        if at % 5 == 0:
            os.unlink(f"{site.data}/{name}")
            site.write(f"{round_:02}-{at}", chance.randbytes(chance.randrange(1, 12_000)))
        else:
            site.write(name, chance.randbytes(chance.randrange(1, 12_000)))


@pytest.mark.proof
def test_five_kept_of_many(site: Site, folder: str) -> None:
    chance = random.Random(4)
    for number in range(FILES):
        site.write(f"file-{number:05}", chance.randbytes(chance.randrange(1, 12_000)))
    trees = {}
    for round_ in range(SNAPSHOTS):
        if round_:
            _change(site, chance, round_)
        site.retention = Retention(keep_last=KEPT)
        _, outcome = site.apply()
        assert outcome.snapshot_id is not None
        trees[outcome.snapshot_id] = tree(os.fsencode(site.data)) if round_ >= SNAPSHOTS - KEPT else None
    site.prune()
    assert sorted(site.snapshots()) == sorted(trees)[-KEPT:]
    fresh = Site(f"{folder}/fresh")
    for number in sorted(trees)[-KEPT:]:
        goal = f"{folder}/out"
        assert site.restore(goal, at=number).problems == []
        assert tree(os.fsencode(goal)) == trees[number]
        shutil.rmtree(fresh.data)
        os.rename(goal, fresh.data)
        fresh.apply()
    share = _stored(site) / _stored(fresh)
    print(f"{FILES} files, {SNAPSHOTS} snapshots, {KEPT} kept: {share:.3f} times the bytes of a fresh backup of these")
    assert share <= 1.2
