"""Two machines that make the first backup of one job at once: one lineage comes of it, and the other says why."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backup_runner.applying import firsts
from backup_runner.applying.run import apply_plan
from backup_runner.errors import BusyError, CatalogError
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.making import make_plan
from backup_runner.progress import Outcome, Silent
from backup_runner.repository.lease import Lease
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.workers.interrupt import Interrupt
from tests.history.site import Site
from tests.history_cli.machines import Site as Places


class Meanwhile(Silent):
    """Something else happens when an apply comes to a phase, in this very process."""

    def __init__(self, phase: str, what: Callable[[], object]) -> None:
        self._phase, self._what = phase, what

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        if name == self._phase:
            self._what()


def apply(site: Site, phase: str, what: Callable[[], object], *, new_lineage: bool = False) -> Outcome:
    with closing(site.session()) as session, closing(make_plan(session, PlanOptions(), Silent())) as plan:
        options = ApplyOptions(workers=1, new_lineage=new_lineage)
        return apply_plan(session, plan, options, Meanwhile(phase, what), Interrupt())


@pytest.fixture
def pair(folder: str) -> Iterator[tuple[Site, Site]]:
    """Two machines with one source and one bucket."""
    one, two = Site(folder), Site(folder, machine=1)
    for number in range(3):
        one.write(f"f{number}", b"content %d" % number)
    return one, two


def lineages(site: Site) -> set[str]:
    """Those with records."""
    return {name.partition("/")[0] for name in site.names("records")}


def test_who_comes_second_stops_before_it_stores_anything(pair: tuple[Site, Site]) -> None:
    one, two = pair
    caught: list[BusyError] = []

    def second() -> None:
        try:
            two.apply()
        except BusyError as error:
            caught.append(error)

    apply(one, "backing up", second)
    (error,) = caught
    assert 'another machine is making the first backup of job "work"' in error.message
    assert "catalog pull JOB" in (error.hint or "")
    assert len(lineages(one)) == 1
    assert len({name.partition("/")[0] for name in one.names()}) == 1
    # It joins.
    with pytest.raises(CatalogError, match="already has backups"):
        two.apply()
    two.pull()
    two.apply()
    assert len(lineages(one)) == 1


def test_without_a_lease_to_be_seen_the_second_to_end_gives_way(pair: tuple[Site, Site]) -> None:
    """As where policy forbids leases: both store, but only one is recorded."""
    one, two = pair

    def second() -> None:
        for name in one.names("lease"):
            os.unlink(f"{one.bucket}/{name}")
        two.apply()

    with pytest.raises(CatalogError, match="was abandoned before it was recorded"):
        apply(one, "backing up", second)
    assert len(lineages(one)) == 1
    with pytest.raises(CatalogError, match="already has backups"):
        one.apply()
    one.pull()
    one.apply()
    assert len(lineages(one)) == 1
    assert one.restore(f"{one.root}/back").problems == []


class AtTheRecord:
    """A bucket in which another machine's record appears just before ours."""

    def __init__(self, inner: DirectoryTarget, what: Callable[[], object]) -> None:
        self._inner, self._what = inner, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put(self, name: str, *args: Any, **options: Any) -> Any:
        if "/records/" in name:
            self._what()
        return self._inner.put(name, *args, **options)


def test_two_records_in_one_moment_are_said(pair: tuple[Site, Site]) -> None:
    one, two = pair

    def second() -> None:
        for name in one.names("lease"):
            os.unlink(f"{one.bucket}/{name}")
        two.apply()

    one.target = AtTheRecord(DirectoryTarget(one.bucket), second)  # type: ignore[assignment]
    _, outcome = one.apply()
    (problem,) = outcome.problems
    assert problem.kind == "two-lineages"
    assert len(lineages(one)) == 2
    assert all(lineage in problem.message for lineage in lineages(one))


def test_new_lineage_asks_nobody(pair: tuple[Site, Site]) -> None:
    one, two = pair
    options = ApplyOptions(workers=1, new_lineage=True)
    outcome = apply(one, "backing up", lambda: two.apply(apply_options=options), new_lineage=True)
    assert outcome.problems == []
    assert len(lineages(one)) == 2


def claim(site: Site, lineage: str, **words: object) -> Lease:
    """A lease of another machine's first apply on a lineage without records."""
    with closing(site.session()) as session:
        cat = session.catalog(create=True)
        assert cat is not None
        key_id = site.keyring.crypto_key.key_id
        with cat.transaction():
            store = cat.add_store(target="x", key_id=key_id, lineage=lineage, salt=session.key.new_salt)
        more = {"job": "work", **words}
        lease = Lease(store, DirectoryTarget(site.bucket), session.keys(store), lambda _: None, more)
        lease.take(0)
    return lease


LOW, HIGH = "0" * 32, "f" * 32


@pytest.mark.parametrize(
    ("lineage", "first", "stops"), [(LOW, "looking", True), (HIGH, "working", True), (HIGH, "looking", False)]
)
def test_of_two_that_look_at_once_one_goes_on(pair: tuple[Site, Site], lineage: str, first: str, stops: bool) -> None:
    """The higher one gives way; the lower one waits for that."""
    one, two = pair
    lease = claim(two, lineage, first=first)
    if stops:
        with pytest.raises(BusyError, match="is making"):
            one.apply()
        lease.release()
        one.apply()
    else:
        threading.Timer(1.2, lease.release).start()
        started = time.monotonic()
        one.apply()
        assert time.monotonic() - started > 1
    assert len(lineages(one)) == 1


def test_a_dead_machines_lease_holds_nobody_up_for_long(
    pair: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "another-pod")
        claim(two, LOW, first="working")
    monkeypatch.setattr(firsts, "LIFETIME", 0.0)
    monkeypatch.setattr(firsts, "_PATIENCE", 1.0)
    one.apply()
    assert len(lineages(one)) == 1


@pytest.mark.parametrize("attempt", range(3))
def test_two_processes_at_once(tmp_path: Path, attempt: int) -> None:
    place = Places(tmp_path)
    for number in range(50):
        place.write(f"f{number}", "text" * number)
    waits = [place.machine(name).start("apply", "--yes") for name in ("one", "two")]
    results = [wait() for wait in waits]
    assert len(place.lineages()) == 1
    codes = sorted(result.code for result in results)
    assert codes[0] == 0
    assert codes[1] in (1, 6), results
    (loser,) = [result for result in results if result.code]
    assert "catalog pull" in loser.err
