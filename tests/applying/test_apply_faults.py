"""Faults of the bucket: parts that never arrive, runs that die between two parts, objects that are lost or damaged."""

from __future__ import annotations

import os
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

from backup_runner.catalog.failures import explained
from backup_runner.errors import KeyFileError, TargetError, TransientError
from backup_runner.planning.opening import open_plan
from backup_runner.progress import Silent
from backup_runner.spec import CatalogSpec
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.support.dying import die, nothing_left
from tests.support.faulty import FailAt, FaultyTarget, corrupt_reads, no_fault, short_reads
from tests.support.jobs import TINY, Home, files_below, stored_contents

MIB = 1 << 20


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
            file.seek(12)
            file.seek(int.from_bytes(file.read(4), "big") + 20)
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
            except (sqlite3.Error, KeyFileError) as error:
                failures.append(error)
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(small)], check=True)
        assert len(failures) >= 2
        assert all("free space" in str(getattr(explained(error, "") or error, "hint", "")) for error in failures)
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
    target = home.target = FaultyTarget(DirectoryTarget(home.bucket), no_fault)  # type: ignore[assignment]
    assert home.said() == ["touch /: mtime changed", "upload b: new"]
    assert "get" in target.calls
    home.apply()
    target = home.target = FaultyTarget(DirectoryTarget(home.bucket), no_fault)  # type: ignore[assignment]
    assert home.changes() == 0
    # The newest record alone: its length says little, because objects are padded.
    assert target.calls.count("get") == 1
    home.target = None
    with open(f"{home.bucket}/{home.data_objects()[0]}", "r+b") as file:
        file.seek(100)
        file.write(b"xx")
    assert any("replaced in bucket" in line for line in home.said())


def know_nothing(home: Home) -> None:
    """As if the run had died before it recorded any of the objects that it put."""
    for table in ("version", "stretch", "extent", "content", "object"):
        home.rows(f"DELETE FROM {table}")


def test_composed_files_are_adopted_from_what_objects_say(home: Home) -> None:
    """Pieces, small files, and the lists of pieces that lie in packs of other workers."""
    home.policy = TINY
    for name in ("large", "larger"):
        home.write(name, os.urandom(MIB if name == "large" else 2 * MIB))
    home.write("twice", home.read("large"))
    home.write("small", "s")
    die(home, "put", holding="/records/")
    objects = home.data_objects()
    know_nothing(home)
    outcome = home.apply()
    assert outcome.counts["adopt"] == len(objects)
    assert (outcome.new_bytes, outcome.problems) == (0, [])
    assert home.data_objects() == objects
    home.check()
    assert home.changes() == 0


def test_a_listing_that_lags_is_no_loss(home: Home) -> None:
    home.write("a", "first")
    home.apply()

    def lagging(name: str, result: object) -> object:
        return (item for item in result if "/data/" not in item.name) if name == "list" else result  # type: ignore

    home.target = FaultyTarget(DirectoryTarget(home.bucket), no_fault, altered=lagging)  # type: ignore[assignment]
    assert home.said() == []


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
    real = committing._committed

    def died(*args: object) -> None:
        raise KeyboardInterrupt

    committing._committed = died  # type: ignore[assignment]
    try:
        with pytest.raises(KeyboardInterrupt):
            home.apply()
    finally:
        committing._committed = real
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
