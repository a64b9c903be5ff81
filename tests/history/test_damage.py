"""Every object of a bucket damaged in turn: the plan names the files concerned, apply repairs what sources have."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from blake3 import blake3

from backup_runner.planning.file import key_of
from backup_runner.records import ActionKind, Kind
from backup_runner.repository import commits as committing
from backup_runner.spec import Retention
from backup_runner.verifying.run import Level
from tests.history.site import Site
from tests.restoring.build import tree
from tests.support.jobs import CUT
from tests.support.places import HELD


@pytest.fixture
def old(site: Site) -> Site:
    """Three snapshots: packs, large files in several objects, and files that only older snapshots have."""
    site.policy = CUT
    for number in range(6):
        site.write(f"small-{number}", os.urandom(100 + number))
    site.write("large-1", os.urandom(6000))
    site.write("gone-large", os.urandom(4000))
    site.apply()
    os.unlink(f"{site.data}/gone-large")
    os.unlink(f"{site.data}/small-0")
    site.write("small-1", os.urandom(300))
    os.link(f"{site.data}/small-2", f"{site.data}/small-2-too")
    site.apply()
    os.rename(f"{site.data}/small-3", f"{site.data}/renamed")
    site.apply()
    return site


def concerned(site: Site, name: str, now: dict[bytes, tuple[Any, ...]]) -> tuple[set[bytes], set[bytes]]:
    """Paths that need something in this object: those whose file still has it, and those for which no file has it."""
    here = {blake3(entry[5]).digest() for entry in now.values() if entry[0] == Kind.FILE}
    cat = site.catalog()
    rows = cat.conn.execute(
        f"SELECT p.key, v.until IS NULL, c.blake3 FROM object o JOIN {HELD} e ON e.object_id = o.id "
        "JOIN version v ON v.content_id = e.content_id JOIN path p ON p.id = v.path_id "
        "JOIN content c ON c.id = v.content_id WHERE o.name = ?",
        (name,),
    ).fetchall()
    cat.close()
    return {key for key, current, _ in rows if current}, {key for key, _, digest in rows if digest not in here}


@pytest.mark.parametrize("how", ["deleted", "cut", "overwritten"])
def test_each_object_in_turn(old: Site, how: str) -> None:
    names = old.names()
    assert len(names) >= 4
    now = tree(os.fsencode(old.data))
    for folder in ("bucket", "state0"):
        shutil.copytree(f"{old.root}/{folder}", f"{old.root}/kept/{folder}")
    for at, name in enumerate(names):
        path = f"{old.bucket}/{name}"
        _damage(path, how, f"{old.bucket}/{names[at - 1]}")
        current, gone = concerned(old, name, now)
        header, actions = old.actions()
        assert {action.key for action in actions if action.kind is ActionKind.REPAIR} == current
        lost = {key_of(fields) for fields in header.problems if fields["problem"] == "lost"}
        assert lost == gone
        _, outcome = old.apply()
        assert {problem.key for problem in outcome.problems} == lost
        assert old.plan().totals.changes == 0
        goal = f"{old.root}/out"
        assert old.restore(goal).problems == []
        assert tree(os.fsencode(goal)) == now
        shutil.rmtree(goal)
        for folder in ("bucket", "state0"):
            shutil.rmtree(f"{old.root}/{folder}")
            shutil.copytree(f"{old.root}/kept/{folder}", f"{old.root}/{folder}")


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("how", ["deleted", "cut", "overwritten"])
def test_each_record_and_copy_in_turn(old: Site, how: str, copy: bool) -> None:
    """A run that has the catalog notices and puts a full copy there, so that the disk may die after it."""
    trees = {number: _tree_at(old, number) for number in old.snapshots()}
    if copy:
        session = old.session()
        store = session.store()
        assert store is not None
        committing.write_copy(session.need_catalog(), store, session.target, session.keys(store))
        session.close()
        old.apply()
    for folder in ("bucket", "state0"):
        shutil.copytree(f"{old.root}/{folder}", f"{old.root}/kept/{folder}")
    newest = f"{4 if copy else 3:016}"
    for name in old.names("records") + old.names("copies"):
        _damage(f"{old.bucket}/{name}", how, f"{old.bucket}/{old.names()[0]}")
        if how == "overwritten" and not name.endswith(newest):
            # Of older ones only the length is looked at.
            os.truncate(f"{old.bucket}/{name}", os.path.getsize(f"{old.bucket}/{name}") + 1)
        overrides = {"rolled_back"} if name.endswith(newest) and how == "deleted" else set()
        old.apply(overrides=frozenset(overrides))
        old.lose_catalog()
        old.pull()
        assert {number: _tree_at(old, number) for number in trees} == trees
        for folder in ("bucket", "state0"):
            shutil.rmtree(f"{old.root}/{folder}")
            shutil.copytree(f"{old.root}/kept/{folder}", f"{old.root}/{folder}")


def _damage(path: str, how: str, other: str) -> None:
    if how == "deleted":
        os.unlink(path)
    elif how == "cut":
        os.truncate(path, os.path.getsize(path) - 1)
    else:
        shutil.copyfile(other, path)


def _tree_at(site: Site, number: int) -> dict[bytes, tuple[Any, ...]]:
    goal = f"{site.root}/at"
    assert site.restore(goal, at=number).problems == []
    found = tree(os.fsencode(goal))
    shutil.rmtree(goal)
    return found


def test_a_record_that_verify_found_damaged_is_bridged_by_a_copy(old: Site) -> None:
    """As many bytes as were put, but not these: no listing tells."""
    trees = {number: _tree_at(old, number) for number in old.snapshots()}
    path = f"{old.bucket}/{old.names('records')[1]}"
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 1
    with open(path, "wb") as file:
        file.write(data)
    found = old.verify(level=Level.DATA, workers=1)
    assert [name for name, _ in found.damaged if "/records/" in name]
    old.apply()
    old.lose_catalog()
    old.pull()
    assert {number: _tree_at(old, number) for number in trees} == trees


def test_a_lost_content_under_another_name_heals_all_that_need_it(old: Site) -> None:
    for name in old.names():
        os.unlink(f"{old.bucket}/{name}")
    os.rename(f"{old.data}/large-1", f"{old.data}/large-2")
    os.rename(f"{old.data}/small-4", f"{old.data}/sub")
    header, _ = old.actions()
    lost = {key_of(fields) for fields in header.problems if fields["problem"] == "lost"}
    assert lost == {b"gone-large", b"small-0", b"small-1"}
    old.apply()
    outcome = old.restore(f"{old.root}/first", at=1)
    assert {problem.key for problem in outcome.problems} == lost


def _rot(site: Site) -> None:
    """Flip a byte of the one pack there is, so that nothing but its own MACs can tell."""
    (name,) = site.names()
    path = f"{site.bucket}/{name}"
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(status.st_size // 3)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _lost(site: Site) -> set[bytes]:
    return {key_of(fields) for fields in site.plan().problems if fields["problem"] == "lost"}


def test_a_pack_that_cannot_be_repacked_is_damaged_from_then_on(site: Site) -> None:
    for name in ("a", "b", "gone"):
        site.write(name, os.urandom(2000))
    site.apply()
    for name in ("b", "gone"):
        os.unlink(f"{site.data}/{name}")
    site.apply()
    site.write("b", os.urandom(10))
    _rot(site)
    assert site.plan().totals.counts == {"upload": 1}
    site.retention = Retention(keep_last=1)
    _, outcome = site.apply()
    (problem,) = outcome.problems
    assert "was not repacked: " in problem.message
    assert site.plan().totals.counts["repair"] == 1
    site.apply()
    site.prune()
    assert site.restore(f"{site.root}/out").problems == []
    assert tree(os.fsencode(f"{site.root}/out")) == tree(os.fsencode(site.data))


def test_what_repacking_found_lost_is_named_by_the_next_plan(site: Site) -> None:
    for name in ("a", "b", "gone"):
        site.write(name, os.urandom(2000))
    site.apply()
    os.unlink(f"{site.data}/b")
    site.apply()
    os.unlink(f"{site.data}/gone")
    site.apply()
    site.retention = Retention(keep_last=3)
    _rot(site)
    site.apply()
    assert _lost(site) == {b"gone"}


def test_what_another_job_lost_is_named_as_that_jobs(site: Site) -> None:
    """Its own plan repairs what its own source still has."""
    site.write("a", os.urandom(2000))
    site.apply()
    before = set(site.names())
    site.job_changes = {"name": "other"}
    site.write("b", os.urandom(2000))
    site.apply()
    (name,) = set(site.names()) - before
    os.unlink(f"{site.bucket}/{name}")
    os.unlink(f"{site.data}/b")
    site.job_changes = {}
    _, outcome = site.apply()
    (problem,) = outcome.problems
    assert problem.key == b"b"
    assert 'of job "other"' in problem.message


def test_what_verify_found_is_named_though_a_plan_made_offline_was_applied_since(site: Site) -> None:
    for name in ("a", "gone"):
        site.write(name, os.urandom(2000))
    site.apply()
    os.unlink(f"{site.data}/gone")
    site.apply()
    _rot(site)
    site.verify(level=Level.DATA, workers=1)
    site.apply(offline=True)
    assert _lost(site) == {b"gone"}
