"""`apply PLANFILE` with a `before` hook: what the hook writes, and the reviewed plan does not have, is named."""

from __future__ import annotations

import time
from typing import Any

import pytest

HOOK = 'hooks: {before: [sh, -c, "rm -f data/dump.sql; echo dump-$(date +%N) > data/dump.sql"]}'


@pytest.fixture
def dumping(place: Any) -> Any:
    """A job whose hook makes a dump among its sources; backed up once, and planned."""
    place.job.write_text(place.job.read_text() + HOOK + "\n")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "docs" / "new").write_text("new")
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    # Not the hook's doing, and as with any saved plan the next one's.
    (place.data / "docs" / "later").write_text("later")
    time.sleep(2.1)
    return place


def dump_in(place: Any, goal: str) -> str:
    assert place.run("restore", "job.yaml", "--to", goal, "dump.sql").code == 0
    return (place.root / goal / "dump.sql").read_text()


def test_a_dump_that_is_not_in_the_plan_is_named(dumping: Any) -> None:
    before = (dumping.data / "dump.sql").read_text()
    applied = dumping.run("apply", "saved.plan", "--json")
    assert applied.code == 3
    (problem,) = applied.lines()[-1]["problems"]
    assert (problem["path"], problem["problem"]) == ("dump.sql", "missed")
    assert "changed by hooks.before after the plan was made" in applied.err
    assert "`apply JOB` plans after the hook" in applied.err
    assert dump_in(dumping, "back") == before != (dumping.data / "dump.sql").read_text()
    # An apply of the job has it.
    assert dumping.run("apply", "job.yaml", "--yes").code == 0
    assert dump_in(dumping, "again") == (dumping.data / "dump.sql").read_text()


def test_a_dump_that_is_in_the_plan_is_backed_up_as_it_is(dumping: Any) -> None:
    (dumping.data / "dump.sql").write_text("changed by hand")
    assert dumping.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    applied = dumping.run("apply", "saved.plan")
    assert applied.code == 0, applied.out
    assert dump_in(dumping, "back") == (dumping.data / "dump.sql").read_text()


def test_what_others_wrote_since_is_the_next_plans(place: Any) -> None:
    """Without a hook, a saved plan is applied as it is, and nothing is said of files that it does not have."""
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    (place.data / "later").write_text("later")
    assert place.run("apply", "saved.plan").code == 0
