"""What keeps a host's junk from pushing good snapshots out: guards on pruning, and doubt that displaces nothing."""

from __future__ import annotations

import os
import random
from contextlib import closing
from dataclasses import replace
from typing import Any

import orjson
import pytest

from backup_runner.applying.run import apply_plan
from backup_runner.errors import GuardError
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.file import Header, action_fields, write
from backup_runner.planning.making import make_plan
from backup_runner.planning.oldreasons import reason_of
from backup_runner.planning.opening import open_plan
from backup_runner.progress import Silent
from backup_runner.records import Action, ActionKind
from backup_runner.spec import PruneGuards, Retention
from backup_runner.workers.interrupt import Interrupt
from tests.history.site import Site

DAY = 86_400


def fill(site: Site, count: int, *, size: int = 2000) -> None:
    """As many complete snapshots, a new file in each."""
    for number in range(count):
        site.write(f"f{number}", random.Random(number).randbytes(size))
        site.apply()


def guard(site: Site, **values: int) -> None:
    site.job_changes["prune_guards"] = replace(PruneGuards(max_forget_percent=100, max_free_percent=100), **values)


def forgotten(site: Site, **options: Any) -> tuple[Header, set[int]]:
    header, actions = site.actions(**options)
    return header, {a.snapshot_id for a in actions if a.kind is ActionKind.FORGET and a.snapshot_id}


def junk(site: Site, snapshots: int) -> None:
    """What somebody who took over the host does: all files go, and snapshots of nothing follow."""
    for name in os.listdir(site.data):
        os.unlink(f"{site.data}/{name}")
    site.retention = None
    for number in range(snapshots):
        site.write("junk", b"%d" % number)
        site.apply()


@pytest.mark.parametrize(
    ("values", "name"),
    [({"max_free_percent": 50}, "max_free_percent"), ({"max_forget_percent": 50}, "max_forget_percent")],
)
def test_junk_pushes_nothing_out_unseen(site: Site, values: dict[str, int], name: str) -> None:
    fill(site, 22)
    junk(site, 3)
    good = set(site.snapshots())
    site.retention = Retention(keep_last=3)
    guard(site, **values)
    header, gone = forgotten(site, pruning="only")
    assert [guard["name"] for guard in header.guards] == [name]
    assert len(gone) == 22
    with pytest.raises(GuardError, match=name):
        site.prune()
    # A backup goes on; it forgets nothing, and says so.
    header, outcome = site.apply()
    assert outcome.status == "complete"
    assert (header.guards, header.totals.counts.get("forget")) == ([], None)
    (note,) = [note for note in header.notes if "nothing is forgotten or deleted" in note]
    assert f"prune JOB --override-guard {name}" in note
    assert set(site.snapshots()) > good
    header, outcome = site.apply(pruning="only", overrides=frozenset({name}))
    assert any(f"guard {name} overridden" in note for note in header.notes)
    assert len(site.snapshots()) == 3
    assert (outcome.counts["forget"], outcome.overridden) == (23, [])


def test_what_expires_in_the_usual_way_passes(site: Site) -> None:
    """One file that is new each time, and the last three kept; also where only the last one is."""
    for keep in (3, 1):
        site.retention = Retention(keep_last=keep)
        guard(site, max_free_percent=50, max_forget_percent=80)
        for number in range(6):
            site.write("dump", random.Random(100 * keep + number).randbytes(3000))
            header, _ = site.apply()
            assert not [note for note in header.notes if "nothing is forgotten" in note]
        assert len(site.snapshots()) == keep


def test_nothing_goes_before_its_age(site: Site) -> None:
    fill(site, 3)
    with closing(site.catalog()) as cat:
        cat.conn.execute(f"UPDATE snapshot SET scanned_ns = scanned_ns - {8 * DAY} * 1000000000 WHERE id = 1")
    site.retention = Retention(keep_last=1)
    assert forgotten(site, pruning="only")[1] == {1, 2}
    guard(site, min_age=7 * DAY)
    assert forgotten(site, pruning="only")[1] == {1}
    guard(site, min_age=9 * DAY)
    assert forgotten(site, pruning="only")[1] == set()


@pytest.mark.parametrize("when", ["the plan", "the apply"])
def test_a_snapshot_made_in_spite_of_guards_displaces_none(site: Site, when: str) -> None:
    fill(site, 30)
    site.retention = Retention(keep_last=2)
    site.apply()
    good = set(site.snapshots())
    assert len(good) == 2
    site.guards = replace(site.guards, max_change_percent=10)
    guard(site)
    for number in range(30):
        site.write(f"f{number}", b"encrypted %d" % number)
    overrides = frozenset({"max_change_percent"})
    planning = PlanOptions(overrides=overrides if when == "the plan" else frozenset())
    with closing(site.session()) as session, closing(make_plan(session, planning, Silent())) as plan:
        (note,) = [note for note in plan.header.notes if "do not replace other snapshots" in note]
        assert "the snapshot that this plan makes" in note
        outcome = apply_plan(session, plan, ApplyOptions(workers=1, overrides=overrides), Silent(), Interrupt())
    made = outcome.snapshot_id
    assert outcome.overridden == ["max_change_percent"]
    assert set(site.snapshots()) == good | {made}
    with closing(site.catalog()) as cat:
        totals = cat.conn.execute("SELECT totals FROM snapshot WHERE id = ?", (made,)).fetchone()[0]
    assert orjson.loads(totals)["overridden"] == ["max_change_percent"]
    # It is in the bucket, so that other machines weigh it alike.
    site.lose_catalog()
    site.pull()
    header, gone = forgotten(site, pruning="only")
    assert gone == set()
    assert any(f"snapshot {made}" in note and "1 more snapshot(s) are kept" in note for note in header.notes)
    # What is made without doubt counts again.
    site.apply()
    assert len(set(site.snapshots()) & good) == 1


def test_a_plan_that_names_more_than_the_retention_lets_go(site: Site) -> None:
    """Forged, or of a time when the rules were others: what a rule keeps stays."""
    fill(site, 4)
    for retention in (None, Retention(keep_last=3)):
        site.retention = retention
        with closing(site.session()) as session:
            plan = make_plan(session, PlanOptions(pruning="only"), Silent())
            header = plan.header
            plan.close()
            lines = [
                orjson.dumps(action_fields(Action(ActionKind.FORGET, reason_of("x"), snapshot_id=n)))
                for n in (1, 2, 3, 4)
            ]
            with open(f"{site.root}/forged", "wb") as file:
                file.writelines(write(header, lines))
            outcome = apply_plan(
                session, open_plan(f"{site.root}/forged"), ApplyOptions(workers=1), Silent(), Interrupt()
            )
        expected = {1, 2, 3, 4} if retention is None else {2, 3, 4}
        assert set(site.snapshots()) == expected
        assert sum("was not forgotten" in note for note in outcome.notes) == len(expected)
