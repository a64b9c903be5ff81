"""What looks like an accident stops a run with exit 5 and one sentence, and nothing at all is changed by that."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from backup_runner.errors import GuardError, TargetError
from backup_runner.spec import Guards, Source
from tests.history.site import Site, bucket_state


@pytest.fixture
def guarded(site: Site) -> Site:
    """Fifty files, backed up."""
    site.guards = Guards()
    site.job_changes = {"base": os.fsencode(site.root), "sources": (_source(site, "data"),)}
    for number in range(50):
        site.write(f"{number % 5}/{number}", b"%d" % number * 50)
    site.apply()
    return site


def _source(site: Site, name: str) -> Source:
    return Source(os.fsencode(f"{site.root}/{name}"), f"{name}/".encode())


def refused(site: Site, *guards: str) -> str:
    """The sentence; catalog and bucket are byte for byte what they were, and the override lets it pass."""
    before = bucket_state(site.bucket) | bucket_state(os.path.dirname(site.catalog_path))
    assert {guard["name"] for guard in site.plan().guards} == set(guards)
    with pytest.raises(GuardError) as error:
        site.apply()
    assert bucket_state(site.bucket) | bucket_state(os.path.dirname(site.catalog_path)) == before
    assert error.value.exit_code == 5
    assert all(f"--override-guard {name}" in (error.value.hint or "") for name in guards)
    assert "\n" not in error.value.message
    return error.value.message


def test_a_missing_source(guarded: Site) -> None:
    os.rename(guarded.data, guarded.data + ".away")
    assert "does not exist; is its disk mounted?" in refused(guarded, "source_missing", "min_files")


def test_an_emptied_source(guarded: Site) -> None:
    shutil.rmtree(guarded.data)
    os.mkdir(guarded.data)
    said = refused(guarded, "source_empty", "min_files", "max_delete_percent")
    assert f"source {guarded.data} is empty, but 50 of its files are backed up" in said


def test_a_source_that_must_be_mounted(guarded: Site) -> None:
    source = Source(b"/usr/bin/env", b"usr/bin/env", guards=Guards(require_mount=True))
    guarded.job_changes = {"base": b"", "sources": (source,), "guards": Guards(max_delete_percent=100)}
    assert "is not on a mounted file system of its own" in refused(guarded, "require_mount")


def test_mass_change_by_hard_links(guarded: Site) -> None:
    """One new content under fifty known names is fifty changed files."""
    names = [f"{guarded.data}/{number % 5}/{number}" for number in range(50)]
    with open(names[0], "wb") as file:
        file.write(os.urandom(500))
    for name in names[1:]:
        os.unlink(name)
        os.link(names[0], name)
    assert "mass change: 50 of 50 files" in refused(guarded, "max_change_percent")


def test_what_hard_links_do_without_a_new_content_is_no_mass_change(guarded: Site) -> None:
    equal = [f"{guarded.data}/equal{number}" for number in range(100)]
    for name in equal:
        with open(name, "w") as file:
            file.write("equal")
    guarded.apply()
    # A tool that finds duplicates joins them.
    for name in equal[1:]:
        os.unlink(name)
        os.link(equal[0], name)
    guarded.apply()
    # A change of the inode's times, by another name that then is the first or by touch, concerns all names.
    os.link(equal[0], f"{guarded.data}/another")
    guarded.apply()
    os.utime(equal[0], ns=(5, 5))
    guarded.apply()
    assert guarded.plan().totals.changes == 0


def test_the_wrong_folder(guarded: Site) -> None:
    os.makedirs(f"{guarded.root}/other")
    for number in range(60):
        with open(f"{guarded.root}/other/{number}", "w") as file:
            file.write("x")
    guarded.job_changes["sources"] = (_source(guarded, "other"),)
    assert '50 of 50 files (100 %) of job "work" would be removed' in refused(guarded, "max_delete_percent")


def test_the_wrong_folder_under_the_right_name(guarded: Site) -> None:
    shutil.rmtree(guarded.data)
    guarded.write("something/else", b"x")
    refused(guarded, "max_delete_percent")


def test_most_files_changed(guarded: Site) -> None:
    for number in range(30):
        guarded.write(f"{number % 5}/{number}", b"encrypted %d" % number)
    said = refused(guarded, "max_change_percent")
    assert "mass change: 30 of 50 files (60 %)" in said
    assert "for example data/0/0" in said
    assert "Ransomware looks like this" in said


def test_a_guard_that_is_overridden_lets_this_run_pass(guarded: Site) -> None:
    for number in range(30):
        guarded.write(f"{number % 5}/{number}", b"encrypted %d" % number)
    _, outcome = guarded.apply(overrides=frozenset({"max_change_percent"}))
    assert outcome.counts == {"update": 30}
    assert guarded.plan().totals.changes == 0


def test_a_source_that_is_meant_to_be_gone(guarded: Site) -> None:
    shutil.rmtree(guarded.data)
    _, outcome = guarded.apply(overrides=frozenset({"source_missing", "min_files", "max_delete_percent"}))
    assert outcome.counts == {"remove": 50}


def test_a_bucket_that_was_rolled_back(guarded: Site) -> None:
    shutil.copytree(guarded.bucket, f"{guarded.root}/older")
    guarded.write("later", b"later")
    guarded.apply()
    shutil.rmtree(guarded.bucket)
    os.rename(f"{guarded.root}/older", guarded.bucket)
    said = refused(guarded, "rolled_back")
    assert "its newest record is 1, the catalog ends at 2" in said
    guarded.apply(overrides=frozenset({"rolled_back"}))
    # What went with the rollback is stored again, and the gap in the records is bridged by a full copy.
    guarded.lose_catalog()
    guarded.pull()
    assert guarded.restore(f"{guarded.root}/out").problems == []
    with open(f"{guarded.root}/out/data/later") as file:
        assert file.read() == "later"


@pytest.mark.parametrize("empty", [False, True], ids=["no folder", "an empty mount point"])
def test_a_bucket_whose_disk_is_not_mounted(guarded: Site, *, empty: bool) -> None:
    os.rename(guarded.bucket, f"{guarded.root}/unplugged")
    if empty:
        os.mkdir(guarded.bucket)
    what = f"the folder {guarded.bucket} {'is empty' if empty else 'does not exist'}"
    said = refused(guarded, "rolled_back")
    assert f"{what}, but the catalog has 1 record(s) there; is its disk mounted?" in said
    elsewhere = replace(guarded, machine=2)
    for act in (lambda: guarded.restore(f"{guarded.root}/out"), guarded.verify, elsewhere.pull):
        with pytest.raises(TargetError, match=what) as caught:
            act()
        assert "is its disk mounted?" in caught.value.hint
    assert os.path.exists(guarded.bucket) == empty
    if empty:
        os.rmdir(guarded.bucket)
    os.rename(f"{guarded.root}/unplugged", guarded.bucket)
    assert guarded.plan().totals.changes == 0
