"""After the disk died: exact from copies and records, as much as there is from the objects alone, and in what time."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from backup_runner.records import Kind
from backup_runner.repository import commits as committing
from backup_runner.spec import Retention
from tests.history.many import fill
from tests.history.site import Site
from tests.restoring.build import tree
from tests.support.jobs import CUT

FULL = os.environ.get("PROOF") == "full"
SIZES = (100_000, 1_000_000) if FULL else (3_000,)


@pytest.fixture
def lived(site: Site) -> tuple[Site, dict[int, dict[bytes, tuple[Any, ...]]]]:
    """Three snapshots with all that a file system knows, large contents over several objects among it."""
    site.policy = CUT
    site.write("small", b"small")
    site.write("large", os.urandom(7000))
    site.write("deep/er/file", b"deep")
    os.makedirs(f"{site.data}/empty/folder")
    os.symlink("small", f"{site.data}/link")
    os.symlink(b"\xff/nowhere", f"{site.data}/dangling")
    os.link(f"{site.data}/large", f"{site.data}/large-too")
    if os.getuid() == 0:
        os.chown(f"{site.data}/small", 1234, 4321)
        os.lchown(f"{site.data}/link", 99, 98)
    trees = {}
    for step in range(3):
        if step == 1:
            os.rename(f"{site.data}/deep", f"{site.data}/moved")
            site.write("small", b"other bytes")
        if step == 2:
            os.unlink(f"{site.data}/large")
            os.chmod(f"{site.data}/moved/er/file", 0o4711)
            os.utime(f"{site.data}/empty", ns=(1, 2))
        _, outcome = site.apply()
        assert outcome.snapshot_id is not None
        trees[outcome.snapshot_id] = tree(os.fsencode(site.data))
    return site, trees


def exact(site: Site, trees: dict[int, dict[bytes, tuple[Any, ...]]]) -> None:
    for number, expected in trees.items():
        goal = f"{site.root}/out"
        assert site.restore(goal, at=number).problems == []
        assert tree(os.fsencode(goal)) == expected
        shutil.rmtree(goal)


def remove(site: Site, *kinds: str) -> None:
    for kind in kinds:
        for name in site.names(kind):
            os.unlink(f"{site.bucket}/{name}")


@pytest.mark.parametrize("how", ["pull", "rebuild"])
def test_all_snapshots_come_back_exact(lived: tuple[Site, dict[int, Any]], how: str) -> None:
    site, trees = lived
    site.lose_catalog()
    if how == "rebuild":
        remove(site, "copies")
    found = getattr(site, how)()
    assert found.missing == []
    assert (found.serial, found.snapshots, found.jobs) == (3, 3, ["work"])
    exact(site, trees)
    # And life goes on: nothing is stored twice, and another pull finds the same.
    _, outcome = site.apply()
    assert outcome.stored_objects == 0
    site.lose_catalog()
    site.pull()
    exact(site, trees)


def test_without_records_every_content_has_a_name_it_had(lived: tuple[Site, dict[int, Any]]) -> None:
    site, trees = lived
    site.lose_catalog()
    remove(site, "records", "copies")
    found = site.rebuild()
    assert any("only the records contained" in line for line in found.missing)
    _every_content_back(site, trees)
    # What was made of the indexes is in the next record: a pull has it all.
    site.apply()
    site.lose_catalog()
    site.pull()
    _every_content_back(site, trees)
    assert site.plan().totals.changes == 0


def test_what_a_rebuild_gave_back_outlives_retention(lived: tuple[Site, dict[int, Any]]) -> None:
    site, trees = lived
    site.lose_catalog()
    remove(site, "records", "copies")
    site.rebuild()
    site.retention = Retention(keep_last=1)
    for _ in range(2):
        site.apply()
    site.prune()
    _every_content_back(site, trees)
    site.retention = Retention(keep_last=1, keep_rebuilt=False)
    site.prune()
    assert list(site.snapshots().values()) == ["complete"]


def _every_content_back(site: Site, trees: dict[int, dict[bytes, tuple[Any, ...]]]) -> None:
    """Each content of any snapshot, under a name, with the mode and time that it had with that content."""
    had = {(key, *entry[1:2], *entry[4:6]) for found in trees.values() for key, entry in found.items() if not entry[0]}
    back = set()
    for number in site.snapshots():
        goal = f"{site.root}/made"
        assert site.restore(goal, at=number).problems == []
        for key, entry in tree(os.fsencode(goal)).items():
            if entry[0] == Kind.FILE:
                back.add((key, *entry[1:2], *entry[4:6]))
        shutil.rmtree(goal)
    assert {item[3] for item in had} <= {item[3] for item in back}
    stored_as = {(item[0], item[3]) for item in had}
    assert {(item[0], item[3]) for item in back} <= stored_as


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_record_is_bridged_by_the_next_apply(lived: tuple[Site, dict[int, Any]], lost: int) -> None:
    site, trees = lived
    (name,) = [name for name in site.names("records") if name.endswith(f"{lost:016}")]
    os.unlink(f"{site.bucket}/{name}")
    overrides = frozenset({"rolled_back"})
    header, _ = site.apply(overrides=overrides)
    assert any(f"record {lost} of the catalog is missing" in note for note in header.notes)
    site.lose_catalog()
    site.pull()
    exact(site, trees)


def _put_copy(site: Site) -> str:
    """A full copy as of now, and away with what it makes superfluous; the path of the copy."""
    before = set(site.names("copies"))
    session = site.session()
    cat, store = session.need_catalog(), session.store()
    assert store is not None
    committing.write_copy(cat, store, session.target, session.keys(store))
    committing.trim(cat, cat.store(store.id), session.target, records=True)
    session.close()
    (new,) = set(site.names("copies")) - before
    return f"{site.bucket}/{new}"


def test_a_copy_that_is_gone_makes_nothing_superfluous(lived: tuple[Site, dict[int, Any]]) -> None:
    """Older copies and records go once two newer copies are there, and not once they were put."""
    site, trees = lived
    _put_copy(site)
    site.apply()
    os.unlink(_put_copy(site))
    site.apply()
    os.unlink(_put_copy(site))
    site.lose_catalog()
    site.pull()
    exact(site, trees)


def test_a_damaged_copy_is_not_taken_for_a_way_back(site: Site) -> None:
    """Its header line can be read, what comes a mebibyte later cannot."""
    deep = "/".join([name * 240 for name in "abcdefgh"])
    for number in range(900):
        site.write(f"{deep}/{number}", b"%d" % number)
    site.apply()
    for number in range(2):
        site.write("changing", b"changed %d" % number)
        site.apply()
    path = _put_copy(site)
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) * 3 // 4)
        file.write(b"damaged")
    site.lose_catalog()
    assert any(line.startswith("not from the copy of serial 3") for line in site.pull().notes)
    cat = site.catalog()
    assert cat.stores()[0].copies == "[]"
    cat.close()
    assert site.plan().totals.changes == 0
    # Nor does it end a rebuild, though no way is whole any more.
    os.unlink(f"{site.bucket}/{site.names('records')[1]}")
    site.lose_catalog()
    assert any(line.startswith("record 2 and all after it") for line in site.rebuild().missing)
    assert site.restore(f"{site.root}/out", at=max(site.snapshots())).problems == []
    assert tree(os.fsencode(f"{site.root}/out")).keys() == tree(os.fsencode(site.data)).keys()


def test_life_goes_on_after_a_rebuild_that_ended_before_the_newest_record(lived: tuple[Site, dict[int, Any]]) -> None:
    site, _ = lived
    (name,) = [name for name in site.names("records") if name.endswith(f"{2:016}")]
    os.unlink(f"{site.bucket}/{name}")
    site.lose_catalog()
    site.rebuild()
    # Objects that are not where they should be make a run look at the end of the chain.
    os.unlink(f"{site.bucket}/{site.names()[0]}")
    site.apply()
    site.lose_catalog()
    assert site.pull().serial == 4
    assert site.restore(f"{site.root}/out").problems == []


@pytest.mark.proof
@pytest.mark.parametrize("files", SIZES)
def test_times(on_disk: Site, files: int) -> None:
    site = on_disk
    fill(site, files)
    for how in ("pull", "rebuild"):
        site.lose_catalog()
        print(f"{files} files: {how} from records {_measured(getattr(site, how))}", flush=True)
        assert _known(site) == files
    session = site.session()
    cat, store = session.need_catalog(), session.store()
    assert store is not None
    committing.write_copy(cat, store, session.target, session.keys(store))
    session.close()
    site.lose_catalog()
    print(f"{files} files: pull from a full copy {_measured(site.pull)}", flush=True)
    assert _known(site) == files
    print(f"{files} files: catalog of {os.path.getsize(site.catalog_path) >> 20} MiB", flush=True)
    site.lose_catalog()
    remove(site, "records", "copies")
    print(f"{files} files: rebuild from indexes {_measured(site.rebuild)}", flush=True)
    assert _known(site) == files


def _known(site: Site) -> int:
    cat = site.catalog()
    (count,) = cat.conn.execute("SELECT count(*) FROM version WHERE kind = 0").fetchone()
    cat.close()
    return int(count)


@pytest.fixture
def on_disk() -> Iterator[Site]:
    """A million files are too much for memory."""
    folder = tempfile.mkdtemp(prefix="history-")
    yield Site(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _measured(action: Any) -> str:
    """Seconds, those of its processor, and the peak memory of a process that does nothing else."""
    started = time.monotonic()
    child = os.fork()
    if not child:
        code = 1
        try:
            action()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    cpu = usage.ru_utime + usage.ru_stime
    return f"{time.monotonic() - started:.1f} s ({cpu:.1f} s of CPU, {usage.ru_maxrss >> 10} MiB)"
