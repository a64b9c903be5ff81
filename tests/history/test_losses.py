"""What guards count: the same while planning and applying, of what the catalog knows, and overridden by name."""

from __future__ import annotations

import os
import random
from contextlib import closing
from dataclasses import replace

import pytest

from backup_runner.applying.run import apply_plan
from backup_runner.errors import GuardError
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.making import make_plan
from backup_runner.progress import Outcome, Silent
from backup_runner.spec import Guards, Source
from backup_runner.workers.interrupt import Interrupt
from tests.history.site import Site

NAME = "max_delete_percent"


@pytest.fixture
def guarded(site: Site) -> Site:
    site.guards = Guards()
    return site


def planned_then(
    site: Site, vanish: list[str], *, plan: set[str] = frozenset(), apply: set[str] = frozenset()
) -> Outcome:  # type: ignore[assignment]
    """Plan, let files go, apply; `plan` and `apply` are what is overridden when."""
    with (
        closing(site.session()) as session,
        closing(make_plan(session, PlanOptions(overrides=frozenset(plan)), Silent())) as made,
    ):
        for name in vanish:
            os.unlink(f"{site.data}/{name}")
        options = ApplyOptions(workers=1, overrides=frozenset(apply))
        return apply_plan(session, made, options, Silent(), Interrupt())


def fill(site: Site, names: list[str]) -> None:
    for name in names:
        site.write(name, f"{name} {site.root}".encode())


@pytest.mark.parametrize("first", [True, False], ids=["a first backup", "a later one"])
def test_files_that_were_never_stored_may_come_and_go(guarded: Site, first: bool) -> None:
    fill(guarded, [f"kept{n}" for n in range(30)])
    if not first:
        guarded.apply()
    passing = [f"passing{n}" for n in range(60)]
    fill(guarded, passing)
    outcome = planned_then(guarded, passing)
    assert outcome.status == "complete"
    assert {os.fsdecode(problem.key) for problem in outcome.problems} == set(passing)
    assert {problem.kind for problem in outcome.problems} == {"vanished"}
    assert guarded.plan().totals.unchanged == 30


def test_a_disk_that_goes_away_in_between_stops_the_apply(guarded: Site) -> None:
    names = [f"f{n}" for n in range(50)]
    fill(guarded, names)
    guarded.apply()
    for name in names:
        guarded.write(name, b"changed " + name.encode())
    with pytest.raises(GuardError, match="11 of 50 files") as caught:
        planned_then(guarded, names, plan={"max_change_percent"}, apply={"max_change_percent"})
    assert f"--override-guard {NAME}" in (caught.value.hint or "")
    for name in names:
        guarded.write(name, b"changed again " + name.encode())
    changes = {"max_change_percent"}
    outcome = planned_then(guarded, names, plan=changes, apply=changes | {NAME})
    assert (outcome.status, len(outcome.problems)) == ("complete", 50)


def test_what_was_overridden_in_the_plan_stays_so(guarded: Site) -> None:
    names = [f"f{n}" for n in range(50)]
    fill(guarded, names)
    guarded.apply()
    for name in names[:30]:
        os.unlink(f"{guarded.data}/{name}")
    guarded.write(names[40], b"to be read again")
    outcome = planned_then(guarded, [names[40]], plan={NAME})
    assert (outcome.status, len(outcome.problems), outcome.counts["remove"]) == ("complete", 1, 30)


@pytest.mark.parametrize("seed", range(12))
def test_an_apply_stops_exactly_where_a_new_plan_would(guarded: Site, seed: int) -> None:
    """Some files go before the plan, some after it; what goes after it was about to be read again."""
    chance = random.Random(seed)
    names = [f"f{n}" for n in range(chance.choice([15, 25, 60]))]
    fill(guarded, names)
    guarded.apply()
    chance.shuffle(names)
    before, after = chance.randrange(len(names) // 5 + 1), chance.randrange(len(names) // 4)
    for name in names[:before]:
        os.unlink(f"{guarded.data}/{name}")
    later = names[before : before + after]
    for name in later:
        guarded.write(name, b"about to be read")
    try:
        stopped = not planned_then(guarded, later)
    except GuardError:
        stopped = True
    # The same losses, met by a plan.
    with closing(guarded.catalog()) as cat:
        known = len(names)
        cat.close()
    assert stopped == (known >= 20 and 100 * (before + after) / known > 20 and after > 0)


def test_a_source_with_guards_of_its_own(site: Site) -> None:
    strict = Guards(max_delete_percent=1)
    base = os.fsencode(site.root)
    sources = (
        Source(base + b"/data", b"data/", guards=strict),
        Source(base + b"/other", b"other/", guards=Guards()),
    )
    site.guards = Guards()
    site.job_changes = {"base": base, "sources": sources}
    os.mkdir(f"{site.root}/other")
    for number in range(100):
        with open(f"{site.root}/other/{number}", "w") as file:
            file.write(f"other {number}")
    fill(site, [f"f{n}" for n in range(30)])
    site.apply()
    site.write("f1", b"to be read again")
    with pytest.raises(GuardError, match=r"1 of 30 files \(3 %\) of source .*/data"):
        planned_then(site, ["f1"])


def test_symlinks_count_as_files_where_they_are_stored(guarded: Site) -> None:
    for number in range(3):
        os.symlink("somewhere", f"{guarded.data}/link{number}")
    header, outcome = guarded.apply()
    assert (header.guards, outcome.counts) == ([], {"upload": 3})
    assert guarded.plan().guards == []
    guarded.guards = replace(guarded.guards, min_files=4)
    assert [guard["name"] for guard in guarded.plan().guards] == ["min_files"]


def test_what_holds_no_content_is_named_once_and_no_problem(guarded: Site) -> None:
    guarded.write("file", b"content")
    for number in range(25):
        os.mkfifo(f"{guarded.data}/pipe{number:02}")
    header, outcome = guarded.apply()
    assert (header.problems, header.problem_count, outcome.problems) == ([], 0, [])
    (note,) = [note for note in [*header.notes, *outcome.notes] if "pipe" in note]
    assert "pipe00 is a fifo" in note
    assert "pipe19" in note
    assert note.endswith("and 5 more")
