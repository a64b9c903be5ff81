"""A tree of everything a file system has, changed in every way: the plan a person expects, and the way back."""

from __future__ import annotations

import os
import shutil

import pytest

from backup_runner.spec import Detect, Overwrite
from tests.support.jobs import Home, assert_same, photograph, stored_contents, stored_twice

MIB = 1 << 20
ODD = b"caf\xe9\n\xff"


def plant(home: Home) -> None:
    home.write("docs/a.txt", "alpha")
    home.write("docs/b.txt", "beta")
    home.write("docs/old.txt", "to be renamed, long enough to tell")
    home.write("docs/gone.txt", "to be deleted")
    home.write("docs/zero", "")
    home.write(b"odd/" + ODD, "name that is no UTF-8")
    home.write("links/first", "one file, two names")
    os.link(home.path("links/first"), home.path("links/second"))
    os.symlink("../docs/a.txt", home.path("links/sym"))
    os.symlink(b"dangling\xff", home.path("links/dangling"))
    os.mkdir(home.path("empty"), 0o750)
    home.write("big", os.urandom(5 * MIB))
    with open(home.write("sparse", b""), "r+b") as file:
        file.truncate(6 * MIB)
        file.seek(3 * MIB)
        file.write(b"island")
    os.setxattr(home.path("docs/a.txt"), "user.colour", b"blue\0")
    os.chmod(home.path("docs/b.txt"), 0o4751)
    home.write("kind/file", "file becomes folder")
    home.write("kind/folder/inner", "folder becomes file")
    home.write("kind/tosym", "file becomes symlink")
    os.symlink("x", home.path("kind/fromsym"))
    os.symlink("x", home.path("kind/symtodir"))


def change(home: Home) -> None:
    home.write("docs/a.txt", "ALPHA")
    os.utime(home.path("docs/b.txt"), ns=(1, 1))
    os.rename(home.path("docs/old.txt"), home.path("docs/new.txt"))
    os.unlink(home.path("docs/gone.txt"))
    home.write("docs/zero", "no more")
    shutil.copy(home.path("big"), home.path("copy-of-big"))
    home.write("copy-of-beta", "beta")
    os.chmod(home.path("sparse"), 0o600)
    os.link(home.path("links/first"), home.path("links/third"))
    os.unlink(home.path("links/dangling"))
    os.symlink("elsewhere", home.path("links/dangling"))
    os.rmdir(home.path("empty"))
    os.unlink(home.path("kind/file"))
    home.write("kind/file/now", "folder")
    shutil.rmtree(home.path("kind/folder"))
    home.write("kind/folder", "file")
    os.unlink(home.path("kind/tosym"))
    os.symlink("y", home.path("kind/tosym"))
    os.unlink(home.path("kind/fromsym"))
    home.write("kind/fromsym", "file")
    os.unlink(home.path("kind/symtodir"))
    os.mkdir(home.path("kind/symtodir"))


EXPECTED = [
    "link copy-of-beta: new, content stored already",
    "link copy-of-big: new, content stored already",
    "link docs/new.txt: new, content stored already",
    "link links/second: hard link to links/first",
    "link links/third: hard link to links/first",
    "remove docs/gone.txt: gone",
    "remove docs/old.txt: gone",
    "remove empty/: gone",
    "remove kind/file: is a folder now",
    "remove kind/folder/: is no folder any more",
    "remove kind/folder/inner: gone",
    "remove kind/symtodir: is a folder now",
    "touch /: mtime changed",
    "touch docs/: mtime changed",
    "touch docs/b.txt: mtime changed, content equal",
    "touch kind/: mtime changed",
    "touch links/: mtime changed",
    "touch links/first: ctime changed, content equal",
    "update sparse: ctime changed",
    "update docs/a.txt: content changed (mtime changed)",
    "update docs/zero: size changed",
    "update kind/fromsym: was a symlink",
    "update kind/tosym: was a file",
    "update links/dangling: mtime changed",
    "upload kind/file/: new",
    "upload kind/file/now: new",
    "upload kind/folder: new",
    "upload kind/symtodir/: new",
]


def test_every_change_has_its_action_and_the_earlier_tree_comes_back(home: Home) -> None:
    plant(home)
    before = photograph(home.data)
    first = home.apply()
    assert (first.status, first.problems) == ("complete", [])
    assert home.changes() == 0
    home.check()
    assert os.stat(f"{home.root}/back/sparse").st_blocks * 512 < 4 * MIB
    change(home)
    assert home.said() == sorted(EXPECTED)
    second = home.apply()
    assert (second.status, second.problems, second.changed_since_plan) == ("complete", [], [])
    assert home.said() == []
    home.check()
    assert home.restore("then", at=str(first.snapshot_id)).problems == []
    assert_same(before, photograph(f"{home.root}/then"))
    assert stored_twice(stored_contents(home.bucket)) == []


def test_an_apply_without_changes_records_a_snapshot(home: Home) -> None:
    home.write("a")
    home.apply()
    objects = home.data_objects()
    outcome = home.apply()
    assert (outcome.status, outcome.counts, outcome.serial) == ("complete", {}, 2)
    assert home.data_objects() == objects
    assert home.rows("SELECT count(*) FROM snapshot WHERE status = 'complete'") == [(2,)]


def test_equal_files_of_one_run_are_stored_once(home: Home) -> None:
    large = os.urandom(5 * MIB)
    for number in range(3):
        home.write(f"small{number}", "equal bytes")
        home.write(f"large{number}", large)
    for number in range(40):
        home.write(f"deep/{number}", os.urandom(200_000) if number % 2 else b"e" * 300_000)
    outcome = home.apply()
    assert outcome.counts == {"upload": 46}
    assert stored_twice(stored_contents(home.bucket)) == []
    assert home.changes() == 0
    home.check()


@pytest.mark.parametrize("detect", list(Detect))
def test_what_detect_notices(home: Home, detect: Detect) -> None:
    home.settings["detect"] = detect
    at = 1_600_000_000_000_000_000
    home.write("same-times", "first", mtime_ns=at)
    home.write("touched", "first", mtime_ns=at)
    home.apply()
    home.write("same-times", "other", mtime_ns=at)
    os.utime(home.path("touched"), ns=(at + 5, at + 5))
    touched = "touch touched: mtime changed, content equal"
    expected = {
        Detect.CTIME: [touched, "update same-times: content changed (ctime changed)"],
        Detect.MTIME: [touched],
        Detect.CHECKSUM: [touched, "update same-times: content changed (content changed)"],
    }
    assert home.said() == expected[detect]
    home.apply()
    if detect is not Detect.MTIME:
        home.check()
    assert home.said() == []


def test_checksum_finds_what_mtime_misses(home: Home) -> None:
    home.settings["detect"] = Detect.MTIME
    home.write("a", "first", mtime_ns=5)
    home.apply()
    home.write("a", "other", mtime_ns=5)
    assert home.said() == []
    assert home.said(checksum=True) == ["update a: content changed (content changed)"]


def test_overwrite_never(home: Home) -> None:
    home.settings["overwrite"] = Overwrite.NEVER
    home.write("a", "first")
    home.write("first", "shared")
    os.link(home.path("first"), home.path("second"))
    home.apply()
    before = photograph(home.data)
    home.write("a", "second, longer")
    home.write("new", "is stored")
    with open(home.path("first"), "wb") as file:
        file.write(b"both names changed")
    assert home.said() == [
        "hold a: size changed, overwrite: never",
        "hold first: size changed, overwrite: never",
        "hold second: size changed, overwrite: never",
        "touch /: mtime changed",
        "upload new: new",
    ]
    outcome = home.apply()
    assert sorted(outcome.held) == [b"a", b"first", b"second"]
    assert outcome.problems == []
    assert home.said() == []
    assert home.plan().header.totals.held_before == 3
    home.restore()
    back = photograph(f"{home.root}/back")
    for key in (b"a", b"first", b"second"):
        assert back[key] == before[key]
    assert back[b"new"] == photograph(home.data)[b"new"]


def test_what_never_held_back_is_stored_when_it_may_or_must_be(home: Home) -> None:
    home.settings["overwrite"] = Overwrite.NEVER
    for name in ("freed", "lost", "touched"):
        home.write(name, f"first {name}")
    home.apply()
    os.utime(home.path("touched"), ns=(7, 7))
    for name in ("freed", "lost"):
        home.write(name, f"second {name}")
    home.apply()
    assert home.changes() == 0
    # The bucket loses the pack: nothing is left to protect, and one of the files still has its bytes.
    for name in home.data_objects():
        os.unlink(f"{home.bucket}/{name}")
    assert home.said() == [
        "repair touched: object missing in bucket", "update freed: size changed", "update lost: size changed",
    ]  # fmt: skip
    home.apply()
    home.check()
    home.write("freed", "third freed")
    home.apply()
    assert (home.changes(), home.plan().header.totals.held_before) == (0, 1)
    home.settings["overwrite"] = Overwrite.CHANGED
    assert [line.split(":")[0] for line in home.said()] == ["update freed"]
    home.apply()
    home.check()


def test_what_was_held_back_is_stored_once_the_job_says_so(home: Home) -> None:
    home.settings["overwrite"] = Overwrite.NEVER
    home.write("a", "first")
    home.write("first", "shared")
    os.link(home.path("first"), home.path("second"))
    home.apply()
    home.write("a", "second, longer")
    with open(home.path("first"), "wb") as file:
        file.write(b"both names changed")
    home.apply()
    assert home.said() == []
    home.settings["overwrite"] = Overwrite.CHANGED
    assert home.said() == [
        "link second: hard link to first (size changed)",
        "update a: size changed",
        "update first: size changed",
    ]
    home.apply()
    home.settings["overwrite"] = Overwrite.NEVER
    assert home.said() == []
    assert home.plan().header.totals.held_before == 0
    home.restore()
    assert photograph(f"{home.root}/back") == photograph(home.data)


def test_overwrite_never_lets_an_unmoved_file_be(home: Home) -> None:
    home.settings |= {"overwrite": Overwrite.NEVER, "detect": Detect.MTIME}
    home.write("a", "first", mtime_ns=10)
    home.apply()
    home.write("a", "second", mtime_ns=20)
    home.apply()
    home.write("a", "first", mtime_ns=10)
    assert home.said() == []


def test_overwrite_always_seals_what_moved_again(home: Home) -> None:
    home.settings["overwrite"] = Overwrite.ALWAYS
    home.write("a", "equal")
    home.write("b", "equal")
    home.write("large", b"x" * 5 * MIB)
    home.apply()
    objects = len(home.data_objects())
    for name in ("a", "b", "large"):
        os.utime(home.path(name), ns=(7, 7))
    assert home.said() == [f"update {name}: mtime changed, overwrite: always" for name in ("a", "b", "large")]
    home.apply()
    assert len(home.data_objects()) == objects + 2
    assert home.changes() == 0
    home.check()


def test_overwrite_changed_stores_the_new(home: Home) -> None:
    home.write("a", "first")
    home.apply()
    home.write("a", "second")
    home.apply()
    home.check()


def test_a_source_that_is_a_symlink_and_one_that_is_a_file(home: Home) -> None:
    from backup_runner.spec import Source

    home.write("real/inner", "through the link")
    home.write("single", "one file")
    link = home.path("link")
    os.symlink("real", link)
    os.symlink("single", home.path("file-link"))
    home.settings["sources"] = (
        Source(home.path("file-link"), b"file-link"), Source(link, b"link/"), Source(home.path("single"), b"single"),
    )  # fmt: skip
    assert home.said() == [
        "upload file-link: new", "upload link/: new", "upload link/inner: new", "upload single: new",
    ]  # fmt: skip
    outcome = home.apply()
    assert outcome.problems == []
    assert home.changes() == 0
    assert home.restore().problems == []
    assert sorted(photograph(f"{home.root}/back")) == [b".", b"file-link", b"link", b"link/inner", b"single"]
    with open(f"{home.root}/back/file-link", "rb") as file:
        assert file.read() == b"one file"
    home.write("single", "changed")
    assert home.said() == [
        "update file-link: size changed", "update single: size changed",
    ]  # fmt: skip
    home.apply()
    assert home.changes() == 0


def test_a_source_taken_out_of_the_job(home: Home) -> None:
    from backup_runner.spec import Source

    home.write("one/a")
    home.write("two/b")
    sources = [Source(home.path(name), name + b"/") for name in (b"one", b"two")]
    home.settings["sources"] = tuple(sources)
    home.apply()
    home.settings["sources"] = tuple(sources[:1])
    assert home.said() == [
        "remove two/: source taken out of the job", "remove two/b: source taken out of the job",
    ]  # fmt: skip
    home.apply()
    assert home.said() == []


def test_two_jobs_two_targets_two_keys_in_one_catalog(home: Home) -> None:
    from backup_runner.targets.directory.spec import DirectoryTargetSpec
    from tests.support.jobs import OTHER_KEYRING

    home.write("a", "shared by all")
    home.write("large", os.urandom(5 * MIB))
    second = home.other(name="second")
    elsewhere = home.other(name="third", target=DirectoryTargetSpec(f"{home.root}/bucket2"))
    locked = home.other(name="fourth")
    locked.keyring = OTHER_KEYRING
    everyone = [home, second, elsewhere, locked]
    for one in everyone:
        assert one.apply().status == "complete"
    assert home.rows("SELECT count(*) FROM store") == [(3,)]
    # Jobs of one target and key share contents; another target or key has its own.
    assert home.rows("SELECT store_id, count(*) FROM object GROUP BY 1 ORDER BY 1") == [(1, 2), (2, 2), (3, 2)]
    home.write("a", "changed")
    for one in everyone:
        assert one.changes() == 1
        one.apply()
        one.check()
        assert one.changes() == 0
    # Losing one bucket leaves the jobs of the other whole.
    shutil.rmtree(home.bucket)
    elsewhere.check()
    assert elsewhere.changes() == 0


def test_an_empty_source_is_stopped_by_a_guard(home: Home) -> None:
    assert [guard["name"] for guard in home.plan().header.guards] == ["min_files"]
    home.apply()
    home.check()
    home.write("a")
    home.apply()
    os.unlink(home.path("a"))
    assert [guard["name"] for guard in home.plan().header.guards] == ["source_empty", "min_files"]
