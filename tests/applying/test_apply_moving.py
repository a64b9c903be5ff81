"""Files that change, grow, shrink, vanish or cannot be read between plan and apply, or while they are read."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from backup_runner.applying import worker
from backup_runner.applying.worker import Known
from backup_runner.contents.cutting import FileCut
from backup_runner.errors import GuardError
from backup_runner.planning.facts import hash_file
from backup_runner.policy import StoringPolicy
from backup_runner.progress import Silent
from backup_runner.records import Digests, Flag
from backup_runner.source import reading
from backup_runner.source.tree import Tree
from backup_runner.spec import Detect, Overwrite
from tests.support.jobs import Home, photograph, stored_contents, stored_twice

MIB = 1 << 20


def tree_of(home: Home) -> Tree:
    return Tree([(b"", os.fsencode(home.data))])


def problems(outcome: object) -> list[tuple[bytes, str]]:
    return sorted((problem.key, problem.kind) for problem in outcome.problems)  # type: ignore[attr-defined]


def test_changed_since_the_plan(home: Home) -> None:
    home.write("a", "first")
    home.write("b", "first b")
    home.write("touched", "t")
    home.apply()
    home.write("a", "second")
    os.utime(home.path("touched"), ns=(5, 5))
    plan = home.plan()
    home.write("a", "third, longer")
    home.write("touched", "not only touched")
    os.unlink(home.path("b"))
    outcome = home.apply(plan)
    assert (outcome.status, outcome.problems) == ("complete", [])
    assert sorted(outcome.changed_since_plan) == [b"a", b"touched"]
    home.apply()
    home.check()


def test_vanished_since_the_plan(home: Home) -> None:
    home.write("a", "first")
    home.write("large", os.urandom(5 * MIB))
    home.write("new-one")
    home.apply()
    home.write("a", "second")
    home.write("large", os.urandom(6 * MIB))
    home.write("never-seen")
    home.write("folder/in")
    plan = home.plan()
    for name in ("a", "large", "never-seen"):
        os.unlink(home.path(name))
    shutil.rmtree(home.path("folder"))
    outcome = home.apply(plan)
    assert problems(outcome) == [
        (b"a", "vanished"), (b"folder/", "vanished"), (b"folder/in", "vanished"), (b"large", "vanished"),
        (b"never-seen", "vanished"),
    ]  # fmt: skip
    # What was stored before is kept and flagged, until a scan says that it is gone.
    assert home.rows(
        "SELECT p.key, v.flags FROM version v JOIN path p ON p.id = v.path_id WHERE until IS NULL AND flags ORDER BY 1"
    ) == [(b"a", Flag.STALE), (b"large", Flag.STALE)]
    assert home.said() == ["remove a: gone", "remove large: gone"]
    home.apply()
    home.check()


def test_removed_but_back_again(home: Home) -> None:
    home.write("a", "first")
    home.write("small-then-large", "s")
    home.apply()
    os.unlink(home.path("a"))
    os.unlink(home.path("small-then-large"))
    plan = home.plan()
    home.write("a", "back again")
    home.write("small-then-large", os.urandom(5 * MIB))
    outcome = home.apply(plan)
    assert sorted(outcome.changed_since_plan) == [b"a", b"small-then-large"]
    home.apply()
    home.check()


def test_many_vanished_files_stop_an_apply(home: Home) -> None:
    for number in range(40):
        home.write(f"f{number}", str(number))
    home.apply()
    for number in range(40):
        home.write(f"f{number}", f"again {number}")
    plan = home.plan()
    shutil.rmtree(home.data)
    os.mkdir(home.data)
    with pytest.raises(GuardError):
        home.apply(plan, overrides=frozenset({"max_change_percent"}))
    home.restore()
    assert len(photograph(f"{home.root}/back")) == 41


def test_small_becomes_large_and_large_small(home: Home) -> None:
    home.write("grows", "s")
    home.write("shrinks", os.urandom(5 * MIB))
    home.write("empties", os.urandom(6 * MIB))
    plan = home.plan()
    home.write("grows", os.urandom(7 * MIB))
    home.write("shrinks", "s")
    home.write("empties", "")
    outcome = home.apply(plan)
    assert outcome.problems == []
    assert sorted(outcome.changed_since_plan) == [b"empties", b"grows", b"shrinks"]
    home.check()
    assert home.changes() == 0


def test_a_hard_link_that_is_none_any_more_and_has_grown(home: Home) -> None:
    """Followers come last; one that is a large file by then must not be forgotten."""
    home.write("a", "shared")
    os.link(home.path("a"), home.path("b"))
    home.write("large", os.urandom(5 * MIB))
    plan = home.plan()
    os.unlink(home.path("b"))
    home.write("b", os.urandom(5 * MIB))
    outcome = home.apply(plan)
    assert outcome.problems == []
    assert home.restore().problems == []
    assert photograph(f"{home.root}/back").keys() == photograph(home.data).keys()
    home.apply()
    home.check()


def test_a_hard_link_that_became_a_file_of_the_same_size_and_time(home: Home) -> None:
    home.write("a", "shared", mtime_ns=10**18)
    os.link(home.path("a"), home.path("b"))
    plan = home.plan()
    os.unlink(home.path("b"))
    home.write("b", "single", mtime_ns=10**18)
    assert home.apply(plan).problems == []
    assert home.restore().problems == []
    with open(f"{home.root}/back/b", "rb") as file:
        assert file.read() == b"single"


@pytest.mark.parametrize("detect", [Detect.CTIME, Detect.MTIME])
def test_a_hard_link_whose_bytes_changed_once_the_first_name_was_stored(home: Home, detect: Detect) -> None:
    """Its size and mtime say nothing, and the name that comes last is recorded after the change."""
    home.settings["detect"] = detect
    path = home.write("a", "AAAA\n", mtime_ns=10**18)
    os.link(path, home.path("z"))

    class Meddling(Silent):
        def advance(self, files: int, size: int) -> None:
            if size or not files or home.read("a") != b"AAAA\n":
                return
            home.write("a", "BBBB\n", mtime_ns=10**18)

    assert home.apply(events=Meddling()).problems == []
    assert home.read("z") == b"BBBB\n"
    if detect is Detect.CTIME:
        assert [line.split()[:2] for line in home.said()] == [["link", "z:"], ["update", "a:"]]
        home.apply()
        home.check()
    # Nothing is linked over and over.
    assert home.changes() == 0


def test_a_new_hard_link_of_a_file_that_is_held_back(home: Home) -> None:
    home.settings["overwrite"] = Overwrite.NEVER
    home.write("a", "first.")
    home.apply()
    home.write("a", "second")
    os.link(home.path("a"), home.path("b"))
    assert home.apply().problems == []
    assert home.restore().problems == []
    back = []
    for name in ("a", "b"):
        with open(f"{home.root}/back/{name}", "rb") as file:
            back.append(file.read())
    assert back == [b"first.", b"second"]


def test_a_hard_link_of_a_file_that_cannot_be_read_is_read_itself(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.workers = 1
    home.write("a", "shared")
    os.link(home.path("a"), home.path("b"))
    home.apply()
    home.rows(f"UPDATE version SET flags = {Flag.MOVED} WHERE kind = 0")
    real = Tree.open

    def refuse(tree: Tree, key: bytes) -> tuple[int, os.stat_result]:
        if key == b"a":
            raise PermissionError(13, "Permission denied")
        return real(tree, key)

    plan = home.plan(checksum=True)
    monkeypatch.setattr(Tree, "open", refuse)
    monkeypatch.setattr("backup_runner.applying.paths.PathApplier._refer", lambda self, action: self._lane.add(action))
    assert problems(home.apply(plan)) == [(b"a", "unreadable")]
    flags = dict(home.rows("SELECT key, flags FROM path p JOIN version v ON v.path_id = p.id AND until IS NULL"))
    assert (flags[b"a"], flags[b"b"]) == (Flag.MOVED | Flag.STALE, 0)


def test_a_file_stored_whole_that_changes_once_it_is_hashed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As earlier versions stored it: such a file is hashed first, and cut only if it is another one."""
    home.policy = replace(home.policy, small=8 * MIB)
    home.write("one", os.urandom(5 * MIB))
    home.apply()
    home.policy = StoringPolicy()
    home.workers = 1
    home.write("two", home.read("one"), mtime_ns=5)
    plan = home.plan()
    os.utime(home.path("two"), ns=(6, 6))
    real = Known.has

    def has(known: Known, digests: Digests) -> bool:
        found = real(known, digests)
        if found and not os.path.exists(f"{home.root}/done"):
            open(f"{home.root}/done", "x").close()
            home.write("two", os.urandom(5 * MIB))
        return found

    monkeypatch.setattr(Known, "has", has)
    assert home.apply(plan).problems == []
    monkeypatch.undo()
    assert os.path.exists(f"{home.root}/done")
    home.check()
    assert home.changes() == 0


def test_a_grown_file_with_bytes_that_are_stored(home: Home) -> None:
    data = os.urandom(5 * MIB)
    home.write("stored", data)
    home.write("grows", "s")
    home.apply()
    home.write("grows", "t")
    plan = home.plan()
    home.write("grows", data)
    home.apply(plan)
    home.apply()
    home.check()
    assert stored_twice(stored_contents(home.bucket)) == []


WRITER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
print("ready", flush=True)
number = 0
while True:
    number += 1
    os.pwrite(fd, number.to_bytes(8, "big") * 512, (number * 4096) % (1 << 19))
"""


@pytest.mark.parametrize("size", [1 * MIB, 6 * MIB])
def test_a_file_that_moves_while_it_is_read(home: Home, size: int) -> None:
    path = home.write("moving", os.urandom(size))
    home.write("still")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, os.fsdecode(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        outcome = home.apply()
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    # On a busy machine the writer may have slept through all of it; then the next plan sees what it wrote since.
    assert problems(outcome) in ([(b"moving", "changed")], [])
    assert outcome.status == "complete"
    # What was read is stored, whole and with its own hash.
    assert home.restore().problems == []
    assert home.changes() == 1
    assert home.apply().problems == []
    home.check()
    assert home.changes() == 0


def test_a_small_file_that_moves_at_the_worst_moment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time right after the reader has looked at it; the other one only once, so the second try has it whole."""
    inodes = {os.stat(home.write(name, "first")).st_ino: name for name in ("moving", "once")}
    real = reading.steady
    turns = dict.fromkeys(inodes.values(), 0)

    def settled(fd: int, status: os.stat_result) -> tuple[os.stat_result, bool]:
        found = real(fd, status)
        name = inodes[found[0].st_ino]
        turns[name] += 1
        if name == "moving" or turns[name] == 1:
            home.write(name, os.urandom(8))
        return found

    monkeypatch.setattr(reading, "steady", settled)
    outcome = home.apply()
    monkeypatch.undo()
    assert problems(outcome) == [(b"moving", "changed")]
    assert home.restore().problems == []
    assert home.said() == ["touch moving: changed while it was read last time, content equal"] or home.changes() == 1
    home.apply()
    home.check()


@pytest.mark.parametrize("size", [8, 5 * MIB])
def test_all_names_of_a_file_that_moved_are_looked_at_again(
    home: Home, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of the first name is recorded for the others; torn as it is, none of them may keep it."""
    path = home.write("a", bytes(size))
    os.link(path, home.path("b"))
    real = reading.metadata

    def metadata(status: os.stat_result, fd: int, tree: Tree) -> object:
        # Both readings are over by now, and the bytes that they gave were never all there at one time.
        return real(os.fstat(fd), fd, tree)

    reads = reading.read_changed

    def changed(before: os.stat_result, after: os.stat_result) -> bool:
        with open(path, "r+b") as file:
            file.write(os.urandom(8))
        return reads(before, os.stat(path))

    for module in (reading, worker):
        monkeypatch.setattr(module, "read_changed", changed)
        monkeypatch.setattr(module, "metadata", metadata)
    assert problems(home.apply()) == [(b"a", "changed")]
    monkeypatch.undo()
    assert [line.split()[:2] for line in home.said()] == [["link", "b:"], ["update", "a:"]]
    home.apply()
    home.check()
    assert home.changes() == 0


def test_a_file_that_grows_and_one_that_is_cut_while_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is held between two windows, so that the moment is certain; workers inherit that."""
    home.policy = replace(home.policy, window=2 * MIB)
    home.write("grows", os.urandom(6 * MIB))
    home.write("shrinks", os.urandom(6 * MIB))
    real = FileCut.windows

    def windows(self: FileCut) -> Iterator[list[memoryview]]:
        name = os.readlink(f"/proc/self/fd/{self._fd}")
        for number, pieces in enumerate(real(self)):
            if number == 1:
                with open(f"{home.root}/turns", "ab") as turns, open(name, "r+b") as file:
                    turns.write(name.encode() + b"\n")
                    if name.endswith("grows"):
                        file.seek(0, 2)
                        file.write(b"more")
                    else:
                        file.truncate(os.fstat(file.fileno()).st_size - MIB - 7)
            yield pieces

    monkeypatch.setattr(FileCut, "windows", windows)
    outcome = home.apply()
    monkeypatch.undo()
    assert sorted(problems(outcome)) == [(b"grows", "changed"), (b"shrinks", "changed")]
    with open(f"{home.root}/turns") as file:
        assert sorted(os.path.basename(line) for line in file.read().split()) == ["grows"] * 2 + ["shrinks"] * 2
    # Objects tell by themselves what was read, for a day without catalog and records.
    lists = [entry for _, index in stored_contents(home.bucket) for entry in index.entries if entry.pieces is not None]
    assert {entry.path for entry in lists} == {b"grows", b"shrinks"}
    assert stored_twice(stored_contents(home.bucket)) == []
    assert home.restore().problems == []
    home.apply()
    home.check()


def test_rewritten_while_read_nothing_is_stored_twice(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page is written at each reading: the second one stores the piece around it, and no other one again."""
    home.write("disk", os.urandom(20 * MIB))
    real = FileCut.windows

    def windows(self: FileCut) -> Iterator[list[memoryview]]:
        yield from real(self)
        fd = os.open(home.path("disk"), os.O_WRONLY)
        os.pwrite(fd, os.urandom(4096), 10 * MIB)
        os.close(fd)

    monkeypatch.setattr(FileCut, "windows", windows)
    outcome = home.apply()
    monkeypatch.undo()
    assert problems(outcome) == [(b"disk", "changed")]
    assert outcome.read_bytes == 40 * MIB
    assert outcome.new_bytes <= 20 * MIB + 3 * home.policy.pieces.maximum
    assert stored_twice(stored_contents(home.bucket)) == []
    assert home.restore().problems == []
    home.apply()
    home.check()


def test_unreadable_files_are_named_and_keep_what_was_stored(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is unreadable by its mode, so the error is raised where the file is opened."""
    home.write("a", "first")
    home.write("large", os.urandom(5 * MIB))
    home.apply()
    before = photograph(home.data)
    home.write("a", "second")
    home.write("large", os.urandom(5 * MIB))
    home.write("new", "never read")

    def refuse(*args: object, **named: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Tree, "open", refuse)
    plan = home.plan()
    outcome = home.apply(plan)
    assert problems(outcome) == [(b"a", "unreadable"), (b"large", "unreadable"), (b"new", "unreadable")]
    assert outcome.status == "complete"
    monkeypatch.undo()
    home.restore()
    back = photograph(f"{home.root}/back")
    assert {key: back[key] for key in (b"a", b"large")} == {key: before[key] for key in (b"a", b"large")}
    assert b"new" not in back
    assert home.said() == [
        "update a: could not be read last time",
        "update large: could not be read last time",
        "upload new: new",
    ]
    home.apply()
    home.check()
    assert home.changes() == 0


AS_NOBODY = """
import os, sys
from tests.support.jobs import Home
# As another user this Python may not even find its own modules: all are loaded before.
warm = Home(sys.argv[2])
warm.write("a")
warm.apply()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
outcome = Home(sys.argv[1]).apply()
print(sorted((problem.key, problem.kind) for problem in outcome.problems), outcome.status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_what_another_user_may_not_read() -> None:
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        home = Home(f"{root}/home")
        for name in ("locked/a", "secret", "open"):
            home.write(name, "first")
        for folder, folders, files in os.walk(home.root):
            for name in [folder, *(f"{folder}/{one}" for one in folders + files)]:
                os.chown(name, 65534, 65534)
        assert as_nobody(home, f"{root}/warm1") == "[] complete"
        # Root's now: nobody may neither list the folder nor read the file.
        for name, mode in (("locked", 0o700), ("secret", 0o600)):
            os.chown(home.path(name), 0, 0)
            os.chmod(home.path(name), mode)
        assert as_nobody(home, f"{root}/warm2") == "[(b'locked/', 'unreadable'), (b'secret', 'unreadable')] complete"
        rows = home.rows("SELECT key, flags FROM path p JOIN version v ON v.path_id = p.id AND until IS NULL")
        assert {(b"locked/a", 0), (b"secret", Flag.STALE), (b"open", 0)} <= set(rows)


def as_nobody(home: Home, warm: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, home.root, warm],
        cwd=pathlib.Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_interrupt_between_actions(home: Home) -> None:
    """In this process, so that the moment is certain: after the first file that is handled."""
    from backup_runner.progress import Silent
    from backup_runner.workers.interrupt import Interrupt

    for number in range(5):
        home.write(f"f{number}", str(number))
    home.write("large", os.urandom(5 * MIB))
    interrupt = Interrupt()

    class Stopping(Silent):
        def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
            if name == "backing up":
                interrupt.requested = True

    outcome = home.apply(interrupt=interrupt, events=Stopping())
    assert (outcome.interrupted, outcome.status) == (True, "partial")
    assert home.rows("SELECT status FROM snapshot") == [("partial",)]
    home.apply()
    home.check()


@pytest.mark.parametrize("above", [False, True])
def test_a_folder_that_became_a_symlink_since_the_plan_is_not_followed(home: Home, *, above: bool) -> None:
    """With `above`, the source itself lies behind a symlink, which is followed on purpose."""
    for name in ("docs/small", "docs/deep/large", "other"):
        home.write(name, os.urandom(5 * MIB if name.endswith("large") else 100))
    if above:
        os.symlink(home.root, f"{home.root}/link")
        home = Home(f"{home.root}/link", home.keyring)
    plan = home.plan()
    os.rename(home.path("docs"), f"{home.root}/outside")
    os.symlink(f"{home.root}/outside", home.path("docs"))
    outcome = home.apply(plan)
    named = [(b"docs/", "vanished"), (b"docs/deep/", "vanished"), (b"docs/deep/large", "unreadable")]
    named += [(b"docs/small", "unreadable")]
    assert sorted(problems(outcome)) == named
    stored = home.rows("SELECT key FROM path p JOIN version v ON v.path_id = p.id WHERE kind = 0")
    assert stored == [(b"other",)]


def test_reads_that_come_in_pieces(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network file systems may give less than was asked for; that is no sign of a change."""
    home.write("small", os.urandom(70_000))
    home.write("large", os.urandom(4 * MIB + 70_000))
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, rooms, at: real(fd, [rooms[0][:60_000]], at))
    found = reading.read_small(tree_of(home), b"small", MIB)
    assert found is not None
    assert (found[1], found[0].flags & Flag.MOVED) == (home.read("small"), 0)
    assert home.apply().problems == []
    home.check()


def test_a_file_that_changed_just_now_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writes within one step of the file system's clock have one time; the second would never be noticed."""
    path = home.write("fresh", "x")
    fd = os.open(path, os.O_RDONLY)
    status, still = reading.steady(fd, os.fstat(fd))
    age = time.time_ns() - status.st_ctime_ns
    os.close(fd)
    assert still
    assert age >= 20_000_000
    # Hashing alone waits too: what is linked or touched on its word is compared by times later.
    home.write("fresh", "y")
    before = os.stat(path).st_ctime_ns
    hash_file(tree_of(home), b"fresh", with_md5=False)
    assert time.time_ns() - before >= 20_000_000
    # One that is as fresh again after the wait is taken for moving.
    monkeypatch.setattr(reading, "_fresh", lambda status: True)
    found = reading.read_small(tree_of(home), b"fresh", MIB)
    assert found is not None
    assert found[0].flags & Flag.MOVED
