"""Birth times are stored if the job asks for them, are no reason to read or upload anything, and a restore says what
it cannot do with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backup_runner.catalog.browsing import differences, entries
from backup_runner.progress import Silent
from backup_runner.report.browsing import version_fields
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.spec import Detect
from tests.applying.test_odd_files import from_root
from tests.support.jobs import CUT, Home

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="statx(2), and a system that cannot set them")


def born(path: bytes) -> int:
    seconds, _, rest = subprocess.check_output(["stat", "-c", "%.9W", path]).strip().partition(b".")
    return int(seconds) * 10**9 + int(rest or 0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path), settings={"birth_times": True}, policy=CUT)
    home.write("folder/small", b"small")
    home.write("folder/large", os.urandom(5000))
    home.write("empty", b"")
    os.link(home.path("empty"), home.path("second name"))
    os.symlink("folder", home.path("link"))
    if not born(home.path("empty")):
        pytest.skip("this file system has no birth times")
    return home


def shown(home: Home, snapshot: int = 1) -> dict[bytes, Any]:
    cat = home.catalog()
    try:
        return {row.key: version_fields(row).get("birth_time_ns") for row in entries(cat, 1, snapshot)}
    finally:
        cat.close()


def test_every_kind_of_entry_gets_its_birth_time(home: Home) -> None:
    outcome = home.apply()
    assert (outcome.problems, outcome.notes) == ([], [])
    keys = (b"", b"folder/", b"folder/small", b"folder/large", b"empty", b"second name", b"link")
    assert shown(home) == {key: born(home.path(key)) for key in keys}


def test_without_the_setting_nothing_is_stored(home: Home) -> None:
    home.settings["birth_times"] = False
    home.apply()
    assert set(shown(home).values()) == {None}
    assert home.rows("SELECT count(*) FROM version WHERE xattrs IS NOT NULL") == [(0,)]


def test_the_setting_alone_changes_no_version(home: Home) -> None:
    home.settings["birth_times"] = False
    home.apply()
    home.settings["birth_times"] = True
    assert home.changes() == 0


@pytest.mark.parametrize("detect", [Detect.CTIME, Detect.MTIME])
def test_a_file_copied_anew_is_not_uploaded(home: Home, detect: Detect) -> None:
    home.settings["detect"] = detect
    home.apply()
    before = home.data_objects()
    small, copy = home.path("folder/small"), home.path("copy")
    shutil.copy2(small, copy)
    os.rename(copy, small)
    outcome = home.apply()
    assert outcome.problems == []
    assert home.data_objects() == before
    cat = home.catalog()
    found = {row.key: (row.change, row.what) for row in differences(cat, 1, 1, outcome.snapshot_id or 1)}
    cat.close()
    if detect is Detect.CTIME:
        assert found[b"folder/small"] == ("touched", ("birth_time",))
        assert shown(home, 2)[b"folder/small"] == born(small) != shown(home, 1)[b"folder/small"]
    else:
        assert b"folder/small" not in found


def test_a_restore_here_notes_once_that_this_system_cannot_set_them(home: Home) -> None:
    home.apply()
    outcome = home.restore()
    assert outcome.problems == []
    # Five files and folders, and the symlink; the second name is no file of its own.
    assert outcome.notes == ["not restored: birth time (this system cannot set it): 6 times"]
    home.check()


def test_files_that_are_still_there_have_nothing_to_note(home: Home) -> None:
    """Nor is their birth time a reason to write them again."""
    home.apply()
    before = os.stat(home.path("folder/small"))
    session = home.session()
    outcome = restore(session, RestoreOptions(), Silent())
    session.close()
    assert (outcome.problems, outcome.notes, outcome.counts.get("restored", 0)) == ([], [], 0)
    after = os.stat(home.path("folder/small"))
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_a_file_system_without_them_is_a_note(tmp_path: Path) -> None:
    home = from_root(tmp_path, "/proc/version")
    home.settings["birth_times"] = True
    outcome = home.apply()
    assert outcome.problems == []
    assert any(note.startswith("birth times: the file system has none for ") for note in outcome.notes), outcome.notes
    assert shown(home)[b"proc/version"] is None
