"""One catalog for three jobs, two of them in one lineage and one in another bucket: pulls renumber, nothing mixes."""

from __future__ import annotations

import os
import random
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest

from backup_runner.spec import CatalogSpec, Retention
from tests.history.site import Site
from tests.restoring.build import tree

FULL = os.environ.get("PROOF") == "full"
SEEDS, STEPS = (range(40), 60) if FULL else ((1, 19), 40)
JOBS = {"one": "bucket-a", "two": "bucket-a", "three": "bucket-b"}


@dataclass
class Home:
    """Three jobs with sources of their own; `trees` are what their complete snapshots hold, oldest first."""

    root: str
    sites: dict[str, Site] = field(default_factory=dict)
    trees: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for name, bucket in JOBS.items():
            site = Site(f"{self.root}/{name}", bucket=f"{self.root}/{bucket}", retention=Retention(keep_last=3))
            site.job_changes = {"name": name}
            self.sites[name] = site
            self.at(name, "here")

    def at(self, name: str, machine: str) -> None:
        """Work with that machine's catalog from now on."""
        self.sites[name].job_changes["catalog"] = CatalogSpec(f"{self.root}/{machine}.db")

    def apply(self, name: str) -> None:
        self.sites[name].apply()
        self.trees[name].append(tree(os.fsencode(self.sites[name].data)))

    def step(self, chance: random.Random) -> None:
        name = chance.choice(list(JOBS))
        site = self.sites[name]
        what = chance.choice(
            ["write", "write", "write", "delete", "apply", "apply", "apply", "prune", "pull", "lose", "elsewhere"]
        )
        path = f"{site.data}/{chance.randrange(8)}"
        if what == "write":
            # Few contents, so that jobs of one lineage share many of them.
            site.write(os.path.basename(path), random.Random(chance.randrange(12)).randbytes(900))
        elif what == "delete" and os.path.exists(path):
            os.unlink(path)
        elif what == "apply":
            self.apply(name)
        elif what == "prune" and self.trees[name]:
            site.prune()
        elif what == "pull" and self.trees[name]:
            getattr(site, chance.choice(["pull", "rebuild"]))()
        elif what == "elsewhere" and self.trees[name]:
            # On a machine whose catalog holds nothing else, so that nothing is renumbered there.
            self.at(name, JOBS[name])
            site.pull()
            self.apply(name)
            self.at(name, "here")
            site.pull()
        elif what == "lose":
            for suffix in ("", "-wal", "-shm", ".seen", ".lock"):
                if os.path.exists(f"{self.root}/here.db{suffix}"):
                    os.unlink(f"{self.root}/here.db{suffix}")
            for name in chance.sample(list(JOBS), len(JOBS)):
                if self.trees[name]:
                    self.sites[name].pull()

    def check(self) -> None:
        for name, site in self.sites.items():
            if not self.trees[name]:
                continue
            session = site.session()
            cat, store = session.need_catalog(), session.store()
            assert store is not None
            job_id = cat.job_id(store.id, name)
            assert job_id is not None
            kept = [snapshot.id for snapshot in cat.snapshots(job_id)]
            assert cat.conn.execute("PRAGMA foreign_key_check").fetchall() == []
            for table in ("snapshot", "path", "object", "content"):
                (least,) = cat.conn.execute(f"SELECT min(id) FROM {table}").fetchone()
                assert least is None or least > 0, table
            session.close()
            assert len(kept) == min(3, len(self.trees[name]))
            for number, expected in zip(kept, self.trees[name][-3:], strict=True):
                goal = f"{self.root}/out"
                assert site.restore(goal, at=number).problems == []
                assert tree(os.fsencode(goal)) == expected
                shutil.rmtree(goal)


@pytest.mark.proof
@pytest.mark.parametrize("seed", SEEDS)
def test_jobs_that_share_a_catalog(folder: str, seed: int) -> None:
    home, chance = Home(folder), random.Random(seed)
    for number in range(STEPS):
        home.step(chance)
        if number % 5 == 4:
            home.check()
    home.check()
    print(f"seed {seed}: {STEPS} steps, snapshots made: { {name: len(found) for name, found in home.trees.items()} }")
