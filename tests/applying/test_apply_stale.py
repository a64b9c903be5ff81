"""A plan is applied once, to what it was made from; anything else is exit 4 and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from backup_runner.applying.run import apply_plan
from backup_runner.errors import BusyError, GuardError, PlanFileError, StalePlanError
from backup_runner.options import ApplyOptions
from backup_runner.planning import spool as planning_spool
from backup_runner.planning.file import Header
from backup_runner.planning.making import SpooledPlan
from backup_runner.planning.opening import open_plan
from backup_runner.progress import Silent
from backup_runner.workers.interrupt import Interrupt
from tests.support.jobs import KEYRING, Home, bucket_digest, catalog_digest

NO_HEADER = Header("", "", "", "", "", 0, "", 0, 0)


@dataclass
class State:
    """Digests of all that an apply may change."""

    bucket: str
    catalog: str

    @classmethod
    def of(cls, home: Home) -> State:
        return cls(bucket_digest(home.bucket), catalog_digest(home.job().catalog.path))


@pytest.fixture
def planned(home: Home) -> tuple[Home, str]:
    """A job that was applied once, changed, and planned again; the plan is saved."""
    for number in range(5):
        home.write(f"f{number}", f"first {number}")
    home.write("large", os.urandom(5 << 20))
    home.apply()
    home.write("f0", "second")
    home.write("new", "n")
    path = f"{home.root}/saved.plan"
    plan = home.plan()
    plan.save(path)
    plan.close()
    return home, path


def assert_refused(home: Home, path: str, text: str) -> None:
    before = State.of(home)
    with pytest.raises(StalePlanError, match=text) as caught:
        home.apply(open_plan(path))
    assert caught.value.exit_code == 4
    assert State.of(home) == before


def test_applied_twice(planned: tuple[Home, str]) -> None:
    home, path = planned
    assert home.apply(open_plan(path)).counts == {"update": 1, "upload": 1}
    home.check()
    assert_refused(home, path, "already applied")


def test_after_the_job_changed(planned: tuple[Home, str]) -> None:
    home, path = planned
    from backup_runner.spec import Detect

    assert_refused(home.other(detect=Detect.MTIME), path, "job file changed")


def test_after_another_apply(planned: tuple[Home, str]) -> None:
    home, path = planned
    home.apply()
    assert_refused(home, path, "catalog changed")


def test_after_another_job_of_the_catalog(planned: tuple[Home, str]) -> None:
    home, path = planned
    home.other(name="neighbour").apply()
    assert_refused(home, path, "catalog changed")


def drop_object(home: Home) -> None:
    os.unlink(f"{home.bucket}/{home.data_objects()[0]}")


def cut_object(home: Home) -> None:
    path = f"{home.bucket}/{home.data_objects()[0]}"
    os.truncate(path, os.stat(path).st_size - 1)


@pytest.mark.parametrize("happening", [drop_object, cut_object])
def test_after_the_bucket_changed(planned: tuple[Home, str], happening: Callable[[Home], None]) -> None:
    home, path = planned
    happening(home)
    assert_refused(home, path, "bucket changed")


def test_an_upload_that_arrives_late_stops_no_plan(planned: tuple[Home, str]) -> None:
    """The server may finish a killed run's request after the next plan was made; the plan after that reuses it."""
    home, path = planned
    lineage, _, _ = home.data_objects()[0].partition("/")
    late = f"{lineage}/data/{'0' * 32}"
    shutil.copyfile(f"{home.bucket}/{home.data_objects()[0]}", f"{home.bucket}/{late}")
    assert home.apply(open_plan(path)).counts == {"update": 1, "upload": 1}
    home.check()
    plan = home.plan()
    assert plan.header.totals.counts["adopt"] == 1
    plan.close()


def test_an_object_to_reuse_that_is_gone_stops_no_plan(planned: tuple[Home, str]) -> None:
    home, _ = planned
    lineage, _, _ = home.data_objects()[0].partition("/")
    stray = f"{home.bucket}/{lineage}/data/{'0' * 32}"
    shutil.copyfile(f"{home.bucket}/{home.data_objects()[0]}", stray)
    plan = home.plan()
    assert plan.header.totals.counts["adopt"] == 1
    os.unlink(stray)
    outcome = home.apply(plan)
    assert "it was deleted in the meantime" in " ".join(outcome.notes)
    home.check()


def test_a_first_plan_after_another_first_apply(home: Home) -> None:
    home.write("a")
    plan = home.plan()
    home.apply()
    before = State.of(home)
    with pytest.raises(StalePlanError):
        home.apply(plan)
    assert State.of(home) == before


def test_a_plan_with_a_guard_changes_nothing(planned: tuple[Home, str]) -> None:
    home, _ = planned
    for number in range(5):
        os.unlink(home.path(f"f{number}"))
    os.unlink(home.path("large"))
    os.unlink(home.path("new"))
    plan = home.plan()
    before = State.of(home)
    session = home.session()
    with pytest.raises(GuardError, match="empty"):
        apply_plan(session, plan, ApplyOptions(workers=1), Silent(), Interrupt())
    session.close()
    assert State.of(home) == before


def test_a_busy_catalog(planned: tuple[Home, str]) -> None:
    from backup_runner.catalog import CatalogLock

    home, path = planned
    before = State.of(home)
    with CatalogLock(home.job().catalog.path), pytest.raises(BusyError, match=f"process {os.getpid()}"):
        home.apply(open_plan(path))
    assert State.of(home) == before


def test_the_wrong_key_changes_nothing(planned: tuple[Home, str]) -> None:
    from backup_runner.errors import WrongKeyError
    from tests.support.jobs import OTHER_KEYRING

    home, path = planned
    home.keyring = OTHER_KEYRING
    before = State.of(home)
    with pytest.raises(WrongKeyError):
        home.apply(open_plan(path))
    assert State.of(home) == before
    home.keyring = KEYRING


def same_lines(path: str, lines: list[bytes]) -> bool:
    try:
        # The newline after the closing line is covered by no digest, and means nothing.
        return b"".join(SpooledPlan(NO_HEADER, path).lines()).rstrip() == b"".join(lines).rstrip()
    except PlanFileError:
        return False


@pytest.mark.parametrize("name", ["saved.plan", "saved.plan.zst"])
def test_nothing_of_a_damaged_plan_is_done(planned: tuple[Home, str], name: str) -> None:
    """A changed action would be noticed only at the closing line, so that is looked for before the first action."""
    home, _ = planned
    path = f"{home.root}/{name}"
    home.plan().save(path)
    with open(path, "rb") as file:
        whole = file.read()
    before = State.of(home)
    lines = list(open_plan(path).lines())
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            with open(path, "wb") as file:
                file.write(bad)
            if same_lines(path, lines):
                # Some bits of a zstd frame stand for nothing: what comes out is what was reviewed.
                continue
            with pytest.raises(PlanFileError):
                home.apply(open_plan(path))
    assert State.of(home) == before


def test_a_saved_plan_names_what_it_is_not(home: Home) -> None:
    path = f"{home.root}/x.plan"
    with pytest.raises(PlanFileError, match="cannot read"):
        open_plan(path)
    for text in (b"", b"hello", b"[]\n", b'{"kind":"header","format":99}\n', b'{"kind":"header","format":1}\n'):
        with open(path, "wb") as file:
            file.write(text)
        with pytest.raises(PlanFileError):
            open_plan(path)


def test_an_altered_action_that_still_reads_well(planned: tuple[Home, str]) -> None:
    home, path = planned
    with open(path, "rb") as file:
        whole = file.read()
    altered = re.sub(rb'"path":"f0"', b'"path":"f1"', whole)
    assert altered != whole
    with open(path, "wb") as file:
        file.write(altered)
    before = State.of(home)
    with pytest.raises(PlanFileError, match="altered"):
        home.apply(open_plan(path))
    assert State.of(home) == before


def test_planning_leaves_no_file_and_changes_nothing(planned: tuple[Home, str]) -> None:
    home, _ = planned
    before = State.of(home)
    plan = home.plan()
    work = home.job().work_directory
    assert not os.path.exists(work) or os.listdir(work) == []
    assert State.of(home) == before
    assert list(plan.actions()) == list(plan.actions())
    plan.close()
    assert isinstance(plan, SpooledPlan)
    assert planning_spool.SpooledPlan is SpooledPlan
