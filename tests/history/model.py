"""The machine of test_model.py: a real site driven step by step, and a plain dict that says what it must hold."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from backup_runner.errors import CatalogError, StalePlanError
from backup_runner.planning.file import Header, key_of
from backup_runner.progress import Outcome
from backup_runner.records import Kind
from backup_runner.spec import Retention
from backup_runner.verifying.run import Level
from tests.history.model_clock import ZONES, Clocks
from tests.history.model_passing import Passing
from tests.history.model_restore import Restores
from tests.history.site import Crash, Fuse, Site
from tests.restoring.build import tree
from tests.support.jobs import CUT
from tests.support.places import HELD, KEPT

NAMES = st.sampled_from(["a", "b", "c", "sub/a", "sub/b", "sub/deep/x", "\u00e4", "z.bin"])
FOLDERS = st.sampled_from(["sub", "sub/deep", "empty", "empty/too"])
CONTENTS = st.integers(0, 11)
PLACES = st.integers(0, 7)
FUSES = st.integers(0, 24)

Tree = dict[bytes, tuple[Any, ...]]
FAST = "/dev/shm"
counter = itertools.count()
steps = 0
"""Rules run in this process, of all machines."""
tally: Counter[str] = Counter()
"""What these rules came to: applies and prunes that ended, crashes, snapshots restored, ways back."""


def content(number: int) -> bytes:
    """Twelve contents that do not compress, the empty one among them."""
    return random.Random(number).randbytes((0, 1, 50, 400, 900, 1500, 2000, 2500, 3000, 3500, 4000, 6000)[number])


def digest_of(entry: tuple[Any, ...]) -> bytes:
    return blake3(entry[5]).digest()


class Machine(Clocks, Restores, Passing, RuleBasedStateMachine):
    """Model: `trees` {snapshot: {path: everything that a restore must bring back}}; `damaged` contents by BLAKE3,
    which may be lost, and must be named if they are."""

    @initialize(small=st.booleans(), zone=ZONES, theirs=st.booleans(), chance=st.integers(0, 1 << 32))
    def begin(self, small: bool, zone: str, theirs: bool, chance: int) -> None:
        global steps
        # The invariant that follows is the beginning's, and no step.
        steps -= 1
        tally["lives"] += 1
        self.root = tempfile.mkdtemp(prefix="model-", dir=FAST if os.access(FAST, os.W_OK) else None)
        self.site = Site(self.root)
        # In half of all lives most files are "large", composed of several pieces.
        if small:
            self.site.policy = CUT
        self.trees: dict[int, Tree] = {}
        self.past: dict[int, Tree] = {}
        """Every complete snapshot that there ever was."""
        self.written: dict[bytes, set[bytes]] = {}
        self.held: defaultdict[str, set[bytes]] = defaultdict(set)
        self.damaged: set[bytes] = set()
        self.drifted = False
        self.unnamed: set[bytes] = set()
        self.certain = True
        self.tally, self.theirs, self.chance = tally, theirs, random.Random(chance)
        self.begin_clock(zone)
        self.retention(0)
        if self.chance.random() > 0.25:
            self.begin_tree()

    def begin_tree(self) -> None:
        """Of each kind something, so that it does not take a life to come to it."""
        self.write("a", 4)
        self.write("sub/a", 9)
        self.hard_link("b", "a")
        self.symlink("sub/b", "a")
        self.make_folder("empty/too")

    @invariant()
    def count(self) -> None:
        global steps
        steps += 1

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.end_clock()
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    # -- the tree

    def path(self, name: str) -> str:
        return f"{self.site.data}/{name}"

    @rule(name=NAMES, number=CONTENTS)
    def write(self, name: str, number: int) -> None:
        self.clear(name)
        self.site.write(name, content(number))

    @rule(name=NAMES, to=NAMES)
    def symlink(self, name: str, to: str) -> None:
        self.clear(name)
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        os.symlink(to, self.path(name))

    @rule(name=NAMES, other=NAMES)
    def hard_link(self, name: str, other: str) -> None:
        if name != other and os.path.isfile(self.path(other)) and not os.path.islink(self.path(other)):
            self.clear(name)
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            os.link(self.path(other), self.path(name))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.clear(name)

    @rule(name=NAMES, other=NAMES)
    def rename(self, name: str, other: str) -> None:
        if name != other and os.path.lexists(self.path(name)):
            self.clear(other)
            os.makedirs(os.path.dirname(self.path(other)), exist_ok=True)
            os.rename(self.path(name), self.path(other))

    @rule(name=NAMES, mode=st.sampled_from([0o600, 0o644, 0o755, 0o4711]))
    def change_mode(self, name: str, mode: int) -> None:
        if os.path.isfile(self.path(name)) and not os.path.islink(self.path(name)):
            os.chmod(self.path(name), mode)

    @rule(name=FOLDERS)
    def make_folder(self, name: str) -> None:
        os.makedirs(self.path(name), exist_ok=True)

    @rule(name=FOLDERS)
    def remove_folder(self, name: str) -> None:
        shutil.rmtree(self.path(name), ignore_errors=True)

    def clear(self, name: str) -> None:
        if os.path.lexists(self.path(name)):
            os.unlink(self.path(name))

    # -- what the program does

    @rule(keep=st.integers(0, 3))
    def retention(self, keep: int) -> None:
        dead = 20 if keep % 2 else 50
        self.site.retention = Retention(keep_last=keep, repack_dead_percent=dead) if keep else None

    @rule()
    def apply(self) -> None:
        self.run(pruning="retention")

    @rule()
    def prune(self) -> None:
        if self.trees:
            self.run(pruning="only")

    @rule(fuse=FUSES, disk=st.booleans())
    def crash_in_apply(self, fuse: int, disk: bool) -> None:
        self.run(pruning="retention", fuse=Fuse(fuse))
        if disk:
            self.pull()

    @rule(fuse=FUSES, disk=st.booleans())
    def crash_in_prune(self, fuse: int, disk: bool) -> None:
        if self.trees:
            self.run(pruning="only", fuse=Fuse(fuse))
            if disk:
                self.pull()

    @rule(keep=st.integers(1, 2), fuse=FUSES, names=st.sets(NAMES, min_size=1))
    def crash_in_retention(self, keep: int, fuse: int, names: set[str]) -> None:
        """What makes packs worth repacking: most of what a full apply stored goes, then it expires."""
        for number, name in enumerate(["a", "b", "c", "sub/a", "sub/b", "z.bin"]):
            self.write(name, 11 - number)
        self.apply()
        for name in names:
            self.clear(name)
        self.apply()
        self.retention(keep)
        self.crash_in_apply(fuse, disk=False)

    def run(self, *, pruning: str, fuse: Fuse | None = None) -> None:
        self.give_sources()
        now = tree(os.fsencode(self.site.data))
        for key, entry in now.items():
            if entry[0] == Kind.FILE:
                self.written.setdefault(key, set()).add(entry[5])
        before, began_ns = dict(self.trees), self.clock.time_ns()
        self.site.fuse = fuse
        try:
            header, outcome = self.attempt(pruning)
        except BaseException as error:
            if not (fuse and fuse.blown) or not isinstance(error, Crash | Exception):
                raise
            self.certain = False
            tally["crashes"] += 1
        else:
            self.certain = True
            tally["prunes" if pruning == "only" else "applies"] += 1
            self.finished(header, outcome, now, pruning)
        finally:
            self.site.fuse = None
        self.sync(now, before)
        self.note_dates(began_ns, before)
        self.check_retention(before, pruning)
        self.restore_all()
        if self.certain:
            self.restore_over(1)

    def attempt(self, pruning: str) -> tuple[Header, Outcome]:
        try:
            return self.site.apply(pruning=pruning)
        except StalePlanError:
            # A crash between record and catalog is settled by the next apply, which then asks for a new plan.
            assert not self.certain
            return self.site.apply(pruning=pruning)

    def finished(self, header: Header, outcome: Outcome, now: Tree, pruning: str) -> None:
        here = {digest_of(entry) for entry in now.values() if entry[0] == Kind.FILE}
        if pruning == "only":
            self.no_garbage()
        else:
            assert outcome.snapshot_id is not None
            self.damaged -= here
        named = {key_of(fields) for fields in header.problems if fields["problem"] == "lost"}
        for found in self.trees.values():
            for key, entry in found.items():
                if entry[0] == Kind.FILE and digest_of(entry) in self.unnamed - here and pruning != "only":
                    assert key in named, (key, named)
        for fields in header.problems:
            assert self.damaged or fields["problem"] != "lost" or not self.certain, fields
        if pruning != "only":
            self.unnamed.clear()

    def sync(self, now: Tree, before: dict[int, Tree]) -> None:
        """The catalog says which snapshots there are; what is in them is the model's to say."""
        states = self.site.snapshots() if os.path.exists(self.site.catalog_path) else {}
        self.contents()
        self.trees = {}
        for number, status in states.items():
            if number in before:
                self.trees[number] = before[number]
            elif status == "complete":
                self.trees[number] = now
        self.past.update(self.trees)
        if self.certain and before:
            keep = self.site.retention.keep_last if self.site.retention else len(states)
            assert len([one for one in states.values() if one == "complete"]) >= min(keep, 1)
        if before and any(states.get(number) == "complete" for number in [*before, *states]):
            # Whatever happened, the newest complete snapshot that there was is there, or a newer complete one.
            assert max(self.trees) >= max(before)
        assert self.trees or not before, "no complete snapshot is left"

    def no_garbage(self) -> None:
        cat = self.site.catalog()
        needed = {
            row[0]
            for row in cat.conn.execute(
                f"SELECT o.name FROM object o JOIN {KEPT} e ON e.object_id = o.id "
                "JOIN version v ON v.content_id = e.content_id"
            )
        }
        assert cat.conn.execute("PRAGMA foreign_key_check").fetchall() == []
        cat.close()
        assert set(self.site.names()) <= needed

    # -- accidents

    @rule(place=PLACES, how=st.sampled_from(["deleted", "cut", "swapped"]))
    def drift(self, place: int, how: str) -> None:
        names = self.in_order()
        if not names:
            return
        name = names[place % len(names)]
        path = f"{self.site.bucket}/{name}"
        live = {digest for digest, state in self.contents(name).items() if state == "live"}
        if how == "deleted":
            os.unlink(path)
        elif how == "cut":
            os.truncate(path, os.path.getsize(path) // 2)
        else:
            other = f"{self.site.bucket}/{names[(place + 1) % len(names)]}"
            data = random.Random(place).randbytes(os.path.getsize(path))
            if other != path:
                with open(other, "rb") as file:
                    data = file.read()
            # In place, as a tool that restores a wrong copy does it.
            with open(path, "wb") as file:
                file.write(data)
        tally[f"objects {how}"] += 1
        self.drifted = True
        self.damaged |= self.held[name]
        # An object that was known to be bad is no news.
        self.unnamed |= live

    def in_order(self) -> list[str]:
        """Objects as they came to be: their names are random, and a life must be the same when it is lived again."""
        if not os.path.exists(self.site.catalog_path):
            return sorted(self.site.names())
        cat = self.site.catalog()
        known = [name for (name,) in cat.conn.execute("SELECT name FROM object ORDER BY id")]
        cat.close()
        there = self.site.names()
        unknown = sorted(set(there) - set(known), key=lambda name: os.stat(f"{self.site.bucket}/{name}").st_mtime_ns)
        return [name for name in known if name in there] + unknown

    def contents(self, name: str = "") -> dict[bytes, str]:
        """Contents that the catalog puts into an object, with its state. What it ever put where is kept in `held`:
        another machine's catalog, or the one that a pull gives, may still have them there."""
        if not os.path.exists(self.site.catalog_path):
            return {}
        cat = self.site.catalog()
        rows = cat.conn.execute(
            f"SELECT o.name, c.blake3, o.state FROM content c JOIN {HELD} e ON e.content_id = c.id "
            "JOIN object o ON o.id = e.object_id"
        ).fetchall()
        cat.close()
        for holder, digest, _ in rows:
            self.held[holder].add(digest)
        return {digest: state for holder, digest, state in rows if holder == name}

    @rule()
    def verify(self) -> None:
        if not self.trees:
            return
        found = self.site.verify(level=Level.DATA, workers=1)
        assert self.damaged or not found.files
        assert self.drifted or not found.damaged
        # What verify wrote down is known from then on, and no plan calls it news.
        self.unnamed.clear()

    @rule()
    def pull(self) -> None:
        self.come_back("pull")

    @rule()
    def rebuild(self) -> None:
        for name in self.site.names("copies"):
            os.unlink(f"{self.site.bucket}/{name}")
        self.come_back("rebuild")

    @rule()
    def other_machine(self) -> None:
        """Go on from another machine, whose catalog is behind or not there at all."""
        if not self.trees or not self.site.names("records"):
            return
        self.site.machine = 1 - self.site.machine
        cat = self.site.catalog() if os.path.exists(self.site.catalog_path) else None
        store = cat.stores()[0] if cat and cat.stores() else None
        if cat:
            cat.close()
        newest = max(int(name[-16:]) for name in self.site.names("records"))
        if store is None or newest > store.serial + bool(store.pending):
            with pytest.raises(CatalogError):
                self.site.apply()
        self.come_back("pull", lose=False)

    def come_back(self, how: str, *, lose: bool = True) -> None:
        if not self.trees or not self.site.names("records"):
            return
        if lose:
            self.site.lose_catalog()
        found = getattr(self.site, how)()
        tally[f"{how}s"] += 1
        before = set(self.trees)
        states = self.site.snapshots()
        self.contents()
        if self.certain:
            assert {number for number, status in states.items() if status == "complete"} == before
            assert not [line for line in found.missing if not line.startswith("object ")], found.missing
        # Snapshots that a killed run had forgotten here, but not in the bucket, are back.
        self.trees = {number: self.past[number] for number, status in states.items() if status == "complete"}
        # Which objects are gone is news again for a catalog from the bucket.
        self.unnamed.clear()
        self.restore_all()

    # -- what a person wants

    @rule()
    def restore_all(self) -> None:
        self.check_dates()
        for number, expected in self.trees.items():
            self.check(number, expected)

    def check(self, number: int, expected: Tree) -> None:
        goal = f"{self.root}/out{next(counter)}"
        outcome = self.site.restore(goal, at=number)
        tally["snapshots restored"] += 1
        found = tree(os.fsencode(goal))
        shutil.rmtree(goal)
        named = {problem.key for problem in outcome.problems}
        for key in named:
            assert digest_of(expected[key]) in self.damaged, (number, key, outcome.problems)
        if not named:
            assert found == expected, number
            return
        assert set(found) | named == set(expected)
        for key, entry in found.items():
            if entry[0] == Kind.FILE:
                # Hard links to a lost file are not there to be compared.
                assert (entry[4], entry[5]) == (expected[key][4], expected[key][5])
