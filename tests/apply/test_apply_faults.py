"""Faults of the bucket: parts that never arrive, runs that die between two parts, objects that are lost or damaged."""

from __future__ import annotations

import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

import orjson
import pytest

from backup_runner.applying import large
from backup_runner.catalog.failures import explained
from backup_runner.catalog.journal import JournalPart
from backup_runner.container import Index
from backup_runner.errors import TargetError, TransientError
from backup_runner.planning.making import open_plan
from backup_runner.progress import Silent
from backup_runner.spec import CatalogSpec
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.support.faulty import FailAt, FaultyTarget, corrupt_reads, no_fault, short_reads
from tests.support.jobs import Home, files_below, stored_contents, stored_twice

MIB = 1 << 20

DYING = """
import sys
from backup_runner.applying import large
from backup_runner.targets.directory.target import DirectoryTarget
from tests.support.faulty import DieAt, FaultyTarget
from tests.support.jobs import Home
root, name, number, stretch, holding = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
large.STRETCH = stretch
home = Home(root)
home.target = FaultyTarget(DirectoryTarget(home.bucket), DieAt(name, number, holding))
home.apply()
"""


def die(home: Home, name: str, number: int = 0, *, stretch: int = 1 << 30, holding: str = "") -> None:
    """An apply that dies before the given call of its target."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, home.root, name, str(number), str(stretch), holding],
        cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr


def watched(home: Home) -> FaultyTarget:
    """The real target, which counts."""
    target = FaultyTarget(DirectoryTarget(home.bucket), no_fault)
    home.target = target  # type: ignore[assignment]
    return target


def nothing_left(home: Home) -> None:
    left = [name for name in files_below(home.bucket) if name.startswith((".tmp", ".uploads"))]
    assert left == []
    assert home.rows("SELECT count(*) FROM upload") == [(0,)]
    assert stored_twice(stored_contents(home.bucket)) == []


@pytest.mark.parametrize(
    ("name", "number", "most"), [("put_part", 1, 7), ("put_part", 4, 6), ("commit_upload", 1, 1), ("put", 0, 0)]
)
def test_a_run_that_died_is_taken_up(home: Home, name: str, number: int, most: int) -> None:
    """100 MiB go up in seven parts, the last of them with the index; what was confirmed is not sent again.

    Before the fourth part is sent, the first has arrived; two more may still be on their way."""
    home.write("large", os.urandom(100 * MIB))
    home.write("small", "s")
    die(home, name, number, holding="" if number else "/records/")
    target = watched(home)
    home.apply()
    assert target.calls.count("put_part") <= most
    home.target = None
    assert home.changes() == 0
    home.check()
    nothing_left(home)


DYING_IN_COMMIT = """
import os, signal, sys
from backup_runner.applying import large
from backup_runner.targets.directory import uploads as dir_uploads
from tests.support.jobs import Home
def die(*_):
    os.killpg(0, signal.SIGKILL)
large.STRETCH = int(sys.argv[2])
dir_uploads.remove_upload = die
Home(sys.argv[1]).apply()
"""


@pytest.mark.parametrize("stretch", [65 * MIB, 1 << 30])
def test_a_run_that_died_once_the_object_had_its_name(
    home: Home, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload's own folder is still there, and the next plan takes the object for an orphan."""
    home.write("large", os.urandom(70 * MIB))
    done = subprocess.run(
        [sys.executable, "-c", DYING_IN_COMMIT, home.root, str(stretch)],
        cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    monkeypatch.setattr(large, "STRETCH", stretch)
    assert [line.split()[0] for line in home.said()] == ["adopt", "upload"]
    assert home.apply().problems == []
    assert home.changes() == 0
    home.check()
    nothing_left(home)
    # An upload whose data has an object's name already is not gone on with, so its stretch is stored again.
    assert len(home.data_objects()) == (3 if stretch < 70 * MIB else 1)


def test_a_file_that_changed_since_the_run_died_starts_anew(home: Home) -> None:
    path = home.write("large", os.urandom(80 * MIB), mtime_ns=10**18)
    die(home, "put_part", 4)
    with open(path, "r+b") as file:
        file.write(b"changed in the first part")
    os.utime(path, ns=(10**18, 10**18))
    home.apply()
    home.check()
    nothing_left(home)


def test_a_file_that_is_cut_while_a_lost_part_is_sent_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.write("large", os.urandom(80 * MIB))
    die(home, "put_part", 4)
    real = large._Stretch._compare

    def compare(self: large._Stretch, part: JournalPart, sums: object) -> None:
        real(self, part, sums)  # type: ignore[arg-type]
        if sums is None:
            os.truncate(path, part.start + 5 * MIB + 7)

    monkeypatch.setattr(large._Stretch, "_compare", compare)
    home.apply()
    monkeypatch.undo()
    home.apply()
    home.check()
    assert home.rows("SELECT count(*) FROM upload") == [(0,)]
    assert not list(pathlib.Path(home.bucket).glob(".uploads/*"))


def test_a_part_that_is_not_the_one_that_was_sent_is_sent_again(home: Home) -> None:
    home.write("large", os.urandom(80 * MIB))
    die(home, "put_part", 4)
    (parts,) = pathlib.Path(home.bucket).glob(".uploads/*/parts")
    lines = [orjson.loads(line) for line in parts.read_bytes().split(b"\n") if line]
    second = next(line for line in lines if line["number"] == 2)
    second["md5"] = "b3RoZXIgYnl0ZXMgaGVyZQ=="
    parts.write_bytes(b"".join(b"\n" + orjson.dumps(line) + b"\n" for line in lines))
    with (parts.parent / "data").open("r+b") as file:
        file.seek(second["offset"] + 1000)
        file.write(b"other bytes here")
    home.apply()
    home.check()
    nothing_left(home)


def test_a_file_that_went_since_the_run_died_leaves_nothing(home: Home) -> None:
    path = home.write("large", os.urandom(80 * MIB))
    home.write("other")
    die(home, "put_part", 4)
    assert any(name.startswith(".uploads") for name in files_below(home.bucket))
    os.unlink(path)
    home.apply()
    home.check()
    nothing_left(home)


def test_compressible_files_go_up_in_parts_too(home: Home) -> None:
    home.write("large", (os.urandom(1 << 19) + bytes(1 << 19)) * 90)
    die(home, "put_part", 2)
    home.apply()
    home.check()
    nothing_left(home)


def test_failing_parts_end_the_run_and_the_next_goes_on(home: Home) -> None:
    home.write("large", os.urandom(80 * MIB))
    home.target = FaultyTarget(DirectoryTarget(home.bucket), FailAt("put_part", 3))  # type: ignore[assignment]
    with pytest.raises(TransientError):
        home.apply()
    target = watched(home)
    home.apply()
    assert target.calls.count("put_part") <= 4
    home.target = None
    home.check()
    nothing_left(home)


def test_failing_packs_end_the_run(home: Home) -> None:
    for number in range(30):
        home.write(f"f{number}", os.urandom(2 * MIB))
    home.target = FaultyTarget(DirectoryTarget(home.bucket), FailAt("put", 1))  # type: ignore[assignment]
    with pytest.raises(TargetError):
        home.apply()
    home.target = None
    home.apply()
    home.check()
    nothing_left(home)


def test_a_file_over_several_objects(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "STRETCH", 3 * MIB)
    home.write("large", os.urandom(10 * MIB + 5))
    home.write("exact", os.urandom(6 * MIB))
    home.apply()
    home.check()
    found = stored_contents(home.bucket)
    assert sorted(entry.length for _, index in found for entry in index.entries) == sorted(
        [3 * MIB, 3 * MIB, 3 * MIB, MIB + 5, 3 * MIB, 3 * MIB]
    )
    assert groups(found) == 2
    assert home.changes() == 0
    assert home.rows("SELECT count(*) FROM upload") == [(0,)]


def groups(found: list[tuple[str, Index]]) -> int:
    return len({entry.group for _, index in found for entry in index.entries})


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_stretches_keep_their_group_over_a_death(home: Home, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`put` 1 is the lease; 2 to 5 are the stretches."""
    monkeypatch.setattr(large, "STRETCH", 3 * MIB)
    home.write("large", os.urandom(10 * MIB + 5))
    die(home, "put", number, stretch=3 * MIB)
    target = watched(home)
    home.apply()
    home.target = None
    # The dead run's lease is met and taken over; then the stretches that were missing, and the record.
    assert target.calls.count("put") == 2 + (6 - number) + 1
    home.check()
    assert groups(stored_contents(home.bucket)) == 1
    nothing_left(home)


def test_a_first_stretch_that_differs_takes_the_others_along(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "STRETCH", 3 * MIB)
    path = home.write("large", os.urandom(10 * MIB + 5), mtime_ns=10**18)
    die(home, "put", 4, stretch=3 * MIB)
    with open(path, "r+b") as file:
        file.write(b"changed")
    os.utime(path, ns=(10**18, 10**18))
    home.apply()
    home.check()
    used = {name for (name,) in home.rows("SELECT o.name FROM extent e JOIN object o ON o.id = e.object_id")}
    assert groups([item for item in stored_contents(home.bucket) if item[0] in used]) == 1
    assert home.rows("SELECT count(*) FROM upload") == [(0,)]


def lose(home: Home, number: int = 0) -> str:
    name = home.data_objects()[number]
    os.unlink(f"{home.bucket}/{name}")
    return name


def test_lost_objects_are_repaired_from_the_source(home: Home) -> None:
    home.write("a", "first")
    home.write("twin", "first")
    home.write("large", os.urandom(5 * MIB))
    home.write("large-twin", home.read("large"))
    home.apply()
    for _ in range(2):
        lose(home)
    why = "object missing in bucket"
    assert home.said() == [f"repair {name}: {why}" for name in ("a", "large-twin", "large", "twin")]
    versions = home.rows("SELECT count(*) FROM version")
    assert home.apply().problems == []
    # The files are as they were, so no path has another version for it.
    assert home.rows("SELECT count(*) FROM version") == versions
    assert home.said() == []
    home.check()
    nothing_left(home)
    # The first snapshot has its bytes again as well.
    assert home.restore(at="1").problems == []


def test_a_lost_content_is_stored_for_a_new_file(home: Home) -> None:
    """The catalog still knows the bytes, but the bucket does not: nothing may refer to them."""
    for name, data in (("small", b"only here"), ("large", os.urandom(5 * MIB))):
        home.write(name, data)
    home.apply()
    data = {name: home.read(name) for name in ("small", "large")}
    for name in data:
        os.unlink(home.path(name))
        home.write(f"new-{name}", data[name])
    home.write("keeps-it", "not empty")
    for _ in range(2):
        lose(home)
    assert [line for line in home.said() if "new-" in line] == ["upload new-large: new", "upload new-small: new"]
    home.apply()
    home.check()
    assert home.said() == []


def test_a_damaged_content_under_a_new_name_is_not_lost(home: Home) -> None:
    """Found by verify, that is, known to the catalog before the plan is made."""
    for name, data in (("small", b"only here"), ("large", os.urandom(5 * MIB))):
        home.write(name, data)
    home.apply()
    for name in ("small", "large"):
        os.rename(home.path(name), home.path(f"new-{name}"))
    for name in home.data_objects():
        with open(f"{home.bucket}/{name}", "r+b") as file:
            file.seek(-200, os.SEEK_END)
            file.write(b"damage")
            file.seek(250)
            file.write(b"damage")
    session = home.session()
    assert len(verify(session, VerifyOptions(Level.DATA), Silent()).files) == 2
    session.close()
    plan = home.plan()
    assert plan.header.problems == []
    assert home.apply(plan).problems == []
    home.check()
    assert home.restore(at="1").problems == []
    assert home.said() == []


def test_a_lost_content_without_source_is_named_once(home: Home) -> None:
    home.write("a", "first")
    home.write("b", "stays")
    home.apply()
    os.unlink(home.path("a"))
    home.write("b", "changed")
    home.apply()
    first = next(name for name, index in stored_contents(home.bucket) if len(index.entries) == 2)
    os.unlink(f"{home.bucket}/{first}")
    plan = home.plan()
    assert [(item["path"], item["problem"]) for item in plan.header.problems] == [("a", "lost"), ("b", "lost")]
    outcome = home.apply(plan)
    assert len(outcome.problems) == 2
    assert home.plan().header.problems == []
    home.check()


def test_a_file_that_changed_before_it_could_repair(home: Home) -> None:
    home.write("a", "first")
    home.write("b", "other")
    home.apply()
    lose(home)
    plan = home.plan()
    home.write("a", "second, longer")
    outcome = home.apply(plan)
    assert [(problem.key, problem.kind) for problem in outcome.problems] == [(b"a", "lost")]
    home.check()


def test_an_offline_apply_names_no_loss_and_so_takes_none_for_named(home: Home) -> None:
    home.write("a", "first")
    home.apply()
    lose(home)
    home.write("a", "second, so that no source has the first")
    session = home.session()
    verify(session, VerifyOptions(Level.LISTING), Silent())
    session.close()
    home.write("c", "makes a change")
    home.apply(offline=True)
    assert [item["problem"] for item in home.plan().header.problems] == ["lost"]


def test_damage_in_place_is_seen_though_the_size_is_the_same(home: Home) -> None:
    home.write("a", "first")
    home.apply()
    path = f"{home.bucket}/{home.data_objects()[0]}"
    with open(path, "r+b") as file:
        file.seek(100)
        file.write(b"xx")
    assert home.said() == ["repair a: object replaced in bucket: its checksum differs"]
    home.apply()
    home.check()
    assert home.said() == []


def test_a_full_disk_under_the_catalog(home: Home, tmp_path: pathlib.Path) -> None:
    """Wherever the catalog finds no more room, a later apply goes on, and nothing is stored twice."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        home.settings["catalog"] = CatalogSpec(f"{small}/catalog.db")
        failures: list[Exception] = []
        for number in range(1500):
            home.write(f"{number % 10}/a file with a name that takes some room {number}", str(number))
        for size in (420, 560, 700, 8000):
            try:
                home.apply()
            except sqlite3.Error as error:
                failures.append(error)
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(small)], check=True)
        assert len(failures) >= 2
        assert all("make room" in str(getattr(explained(error, ""), "hint", "")) for error in failures)
        home.apply()
        assert home.changes() == 0
        home.check()
        nothing_left(home)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def copied(home: Home) -> None:
    """The bucket on another disk, under its old name: the same bytes in files that are not the same."""
    os.rename(home.bucket, f"{home.bucket}-before")
    shutil.copytree(f"{home.bucket}-before", home.bucket)
    shutil.rmtree(f"{home.bucket}-before")


def test_a_copied_bucket_is_read_once(home: Home) -> None:
    home.write("a", "first")
    home.write("large", os.urandom(70 * MIB))
    home.apply()
    copied(home)
    home.write("b", "makes a change")
    target = watched(home)
    assert home.said() == ["touch /: mtime changed", "upload b: new"]
    assert "get" in target.calls
    home.apply()
    target = watched(home)
    assert home.changes() == 0
    assert "get" not in target.calls
    home.target = None
    with open(f"{home.bucket}/{home.data_objects()[0]}", "r+b") as file:
        file.seek(100)
        file.write(b"xx")
    assert any("replaced in bucket" in line for line in home.said())


def know_nothing(home: Home) -> None:
    """As if the run had died before it recorded any of the objects that it put."""
    for table in ("version", "upload", "extent", "content", "object"):
        home.rows(f"DELETE FROM {table}")


def test_a_stretch_that_is_adopted_is_not_taken_for_the_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one has the hashes of all of it."""
    home.write("large", os.urandom(7 * MIB))
    die(home, "put", stretch=3 * MIB, holding="/records/")
    know_nothing(home)
    monkeypatch.setattr(large, "STRETCH", 3 * MIB)
    assert home.apply().problems == []
    home.check()
    assert home.changes() == 0


def test_a_listing_that_lags_is_no_loss(home: Home) -> None:
    home.write("a", "first")
    home.apply()

    def lagging(name: str, result: object) -> object:
        return (item for item in result if "/data/" not in item.name) if name == "list" else result  # type: ignore

    home.target = FaultyTarget(DirectoryTarget(home.bucket), no_fault, altered=lagging)  # type: ignore[assignment]
    assert home.said() == []


def test_large_files_after_one_that_failed_have_their_journal(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is noted on disk before it goes out, whatever happened to the file before."""
    for name in ("a", "b"):
        home.write(name, os.urandom(5 * MIB))
    real = large.LargeLane.store

    def store(self: large.LargeLane, key: bytes) -> object:
        assert not self._s.cat.conn.in_transaction
        if key == b"a":
            raise OSError(5, "Input/output error")
        return real(self, key)

    monkeypatch.setattr(large.LargeLane, "store", store)
    assert [problem.key for problem in home.apply().problems] == [b"a"]


def test_adopted_objects_in_a_copied_bucket(home: Home) -> None:
    """Nobody noted the checksum of an object that a killed run left, and a directory keeps none."""
    home.write("a", os.urandom(4000))
    home.write("b", os.urandom(5 * MIB))
    die(home, "put", holding="/records/")
    lineage = home.data_objects()[0].split("/")[0]
    know_nothing(home)
    home.apply()
    assert home.rows("SELECT lineage FROM store") == [(lineage,)]
    assert {row[0] for row in home.rows("SELECT checksum FROM object")} == {""}
    copied(home)
    assert home.said() == []
    home.apply()
    with open(f"{home.bucket}/{home.data_objects()[0]}", "r+b") as file:
        file.seek(20)
        file.write(b"xxxx")
    assert any("replaced in bucket" in line for line in home.said())


def test_an_object_that_comes_back_is_used_again(home: Home) -> None:
    home.write("a", "first")
    home.apply()
    name = lose(home)
    plan = home.plan()
    plan.close()
    home.settings["overwrite"] = "changed"
    home.write("b", "other")
    home.apply()
    assert home.rows("SELECT count(*) FROM object WHERE state = 'missing'") == [(0,)]
    with open(f"{home.bucket}/{name}", "wb") as file:
        file.write(b"not it")
    home.check()


def test_orphans_are_adopted_and_not_sent_again(home: Home) -> None:
    for number in range(20):
        home.write(f"f{number}", os.urandom(3 * MIB))
    home.write("large", os.urandom(20 * MIB))
    die(home, "put", holding="/records/")
    objects = set(home.data_objects())
    assert objects
    home.apply()
    home.check()
    assert objects <= set(home.data_objects())
    nothing_left(home)


def test_a_saved_plan_goes_on_after_its_own_death(home: Home) -> None:
    for number in range(20):
        home.write(f"f{number}", os.urandom(3 * MIB))
    home.apply()
    for number in range(20):
        home.write(f"f{number}", os.urandom(3 * MIB))
    saved = f"{home.root}/saved.plan"
    home.plan().save(saved)
    target = FaultyTarget(DirectoryTarget(home.bucket), FailAt("put", 2))
    home.target = target  # type: ignore[assignment]
    with pytest.raises(TransientError):
        home.apply(open_plan(saved))
    home.target = None
    assert home.apply(open_plan(saved)).status == "complete"
    home.check()
    nothing_left(home)


def answer_lost(name: str, result: object) -> object:
    """A large object is stored, and nobody hears of it."""
    if name == "put" and result.size > MIB:  # type: ignore[attr-defined]
        raise TransientError("no answer")
    return result


def test_a_saved_plan_takes_over_what_its_own_death_left(home: Home) -> None:
    home.write("large", os.urandom(5 * MIB))
    saved = f"{home.root}/saved.plan"
    home.plan().save(saved)
    home.target = FaultyTarget(DirectoryTarget(home.bucket), no_fault, altered=answer_lost)  # type: ignore[assignment]
    with pytest.raises(TransientError):
        home.apply(open_plan(saved))
    home.target = None
    assert home.apply(open_plan(saved)).status == "complete"
    assert len(home.data_objects()) == 1
    home.check()
    nothing_left(home)


def test_a_first_plan_goes_on_after_its_own_death(home: Home) -> None:
    home.write("a", "first")
    saved = f"{home.root}/saved.plan"
    home.plan().save(saved)
    home.target = FaultyTarget(DirectoryTarget(home.bucket), FailAt("put", 2))  # type: ignore[assignment]
    with pytest.raises(TransientError):
        home.apply(open_plan(saved))
    home.target = None
    assert home.apply(open_plan(saved)).status == "complete"
    home.check()


def test_dying_between_the_record_and_the_catalog(home: Home) -> None:
    """The record is in the bucket, the catalog's serial has not moved: the next apply simply goes on."""
    from backup_runner.repository import commits as committing

    home.write("a", "first")
    home.apply()
    home.write("a", "second")
    old_plan = home.plan()
    real = committing._settle

    def died(*args: object) -> None:
        raise KeyboardInterrupt

    committing._settle = died  # type: ignore[assignment]
    try:
        with pytest.raises(KeyboardInterrupt):
            home.apply()
    finally:
        committing._settle = real
    assert home.rows("SELECT serial, pending IS NULL FROM store") == [(1, 0)]
    from backup_runner.errors import StalePlanError

    home.write("b", "more")
    assert home.apply().serial == 3
    home.check()
    with pytest.raises(StalePlanError):
        home.apply(old_plan)


@pytest.mark.parametrize("altered", [short_reads, corrupt_reads])
def test_bad_reads_never_make_a_wrong_file(home: Home, altered: object) -> None:
    home.write("a", os.urandom(300_000))
    home.write("large", os.urandom(20 * MIB))
    home.apply()
    home.target = FaultyTarget(DirectoryTarget(home.bucket), no_fault, altered=altered)  # type: ignore
    outcome = home.restore()
    assert sorted(problem.key for problem in outcome.problems) == [b"a", b"large"]
    assert files_below(f"{home.root}/back") == []
    home.target = None
    home.check()
