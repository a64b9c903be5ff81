"""What `--overwrite` lets a restore do to what is there, and that a dry run says what the restore then does."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from backup_runner.progress import RestoreOutcome
from backup_runner.spec import Overwrite
from tests.restoring.build import World
from tests.support.settling import settled
from tests.support.users import give_away, open_folder

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")


def _facts(path: bytes) -> tuple[int, int, int, int, int]:
    there = os.lstat(path)
    return there.st_mode, there.st_uid, there.st_gid, there.st_mtime_ns, there.st_ctime_ns


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@ROOT_ONLY
def test_never_touches_nothing_that_is_there(world: World) -> None:
    for key in (b"folder/file", b"folder/again", b"folder/third"):
        world.write(key)
    os.symlink(b"x", world.base + b"/folder/link")
    world.back_up()
    world.restore()
    for name, mode in ((b"/folder", 0o700), (b"/folder/file", 0o600), (b"/folder/again", 0o640)):
        os.chmod(world.out + name, mode)
    os.chown(world.out + b"/folder/file", 1234, 2345)
    os.utime(world.out + b"/folder/again", ns=(7, 7))
    os.chown(world.out + b"/folder/link", 1234, 2345, follow_symlinks=False)
    os.utime(world.out + b"/folder/link", ns=(7, 7), follow_symlinks=False)
    names = [b"/folder", b"/folder/file", b"/folder/again", b"/folder/third", b"/folder/link"]
    before = settled(lambda: {name: _facts(world.out + name) for name in names})
    outcome = world.restore()
    assert outcome.problems == []
    assert {name: _facts(world.out + name) for name in names} == before
    assert outcome.notes == [
        "modes, owners or times of existing files differ and were not changed (see --overwrite): 3 times"
    ]
    assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert _facts(world.out + b"/folder/file")[:4] == _facts(world.base + b"/folder/file")[:4]
    assert stat.S_IMODE(os.stat(world.out + b"/folder").st_mode) == 0o755


def test_what_is_as_it_should_be_is_left_without_a_trace(world: World) -> None:
    os.chmod(world.write(b"folder/file"), 0o640)
    world.back_up()
    world.restore()
    names = [b"/folder", b"/folder/file"]
    before = settled(lambda: [_facts(world.out + name) for name in names])
    for overwrite in (Overwrite.NEVER, Overwrite.CHANGED):
        assert world.restore(overwrite=overwrite).problems == []
        assert [_facts(world.out + name) for name in names] == before


@ROOT_ONLY
@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_a_folder_that_the_user_named_keeps_its_mode_and_owner(world: World, overwrite: Overwrite) -> None:
    world.write(b"file")
    os.chmod(world.base, 0o700)
    os.chown(world.base, 1234, 1234)
    world.back_up()
    os.mkdir(world.out)
    os.chmod(world.out, 0o1777)
    assert world.restore(overwrite=overwrite).problems == []
    there = os.stat(world.out)
    assert (stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid) == (0o1777, 0, 0)
    assert world.restore(to=world.out + b"/new").problems == []
    there = os.stat(world.out + b"/new")
    assert (stat.S_IMODE(there.st_mode), there.st_uid) == (0o700, 1234)


def test_folders_of_a_restore_that_was_killed_are_finished_by_the_next(world: World) -> None:
    world.write(b"folder/inner/file")
    world.write(b"mine/file")
    os.chmod(world.base + b"/folder", 0o2750)
    world.back_up()
    os.makedirs(world.out + b"/mine", mode=0o700)
    child = os.fork()
    if child == 0:
        world.restore(listen=lambda *_: os._exit(9))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert stat.S_IMODE(os.stat(world.out + b"/folder").st_mode) != 0o2750
    assert world.restore().problems == []
    modes = [stat.S_IMODE(os.stat(world.out + name).st_mode) for name in (b"/folder", b"/folder/inner", b"/mine")]
    assert modes == [0o2750, 0o755, 0o700]


# -- types


def test_always_changes_types_where_nothing_is_lost(world: World) -> None:
    world.write(b"file")
    world.write(b"folder/below")
    os.symlink(b"x", world.base + b"/link")
    world.back_up()
    os.makedirs(world.out + b"/file")
    os.makedirs(world.out + b"/link")
    Path(os.fsdecode(world.out + b"/folder")).touch()
    for overwrite in (Overwrite.NEVER, Overwrite.CHANGED):
        outcome = world.restore(overwrite=overwrite)
        assert {one.key for one in outcome.problems} == {b"file", b"folder/", b"folder/below", b"link"}
    assert world.restore(overwrite=Overwrite.ALWAYS).problems == []
    assert _read(world.out + b"/file") == b"text"
    assert _read(world.out + b"/folder/below") == b"text"
    assert os.readlink(world.out + b"/link") == b"x"


# -- hard links


def _group(world: World, *names: bytes) -> None:
    world.write(names[0], b"one content")
    for name in names[1:]:
        os.link(world.base + b"/" + names[0], world.base + b"/" + name)
    world.back_up()


def _together(world: World, *names: bytes) -> bool:
    return len({os.stat(world.out + b"/" + name).st_ino for name in names}) == 1


@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.CHANGED, Overwrite.ALWAYS])
@pytest.mark.parametrize("gone", [[b"a"], [b"b"], [b"a", b"c"], [b"b", b"c"]])
def test_a_group_stays_together_whichever_name_is_gone(world: World, overwrite: Overwrite, gone: list[bytes]) -> None:
    _group(world, b"a", b"b", b"c")
    world.restore()
    for name in gone:
        os.unlink(world.out + b"/" + name)
    outcome = world.restore(overwrite=overwrite)
    assert outcome.problems == []
    assert _together(world, b"a", b"b", b"c")
    assert outcome.bytes == (len(b"one content") if overwrite is Overwrite.ALWAYS else 0)


@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.CHANGED])
@pytest.mark.parametrize("gone", [b"a", b"b", b"c"])
def test_a_name_that_is_restored_alone_joins_those_that_are_there(
    world: World, overwrite: Overwrite, gone: bytes
) -> None:
    _group(world, b"a", b"b", b"c")
    world.restore()
    os.unlink(world.out + b"/" + gone)
    for dry_run in (True, False):
        outcome = world.restore(gone, overwrite=overwrite, dry_run=dry_run)
        assert (outcome.problems, outcome.counts.get("linked")) == ([], 1)
    assert _together(world, b"a", b"b", b"c")


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(("gone", "there"), [(b"a", b"b"), (b"b", b"a")])
def test_a_name_does_not_join_one_that_is_open_to_more(world: World, gone: bytes, there: bytes, alone: bool) -> None:
    os.chmod(world.write(b"a"), 0o600)
    os.link(world.base + b"/a", world.base + b"/b")
    world.back_up()
    world.restore()
    os.unlink(world.out + b"/" + gone)
    os.chmod(world.out + b"/" + there, 0o666)
    for dry_run in (True, False):
        outcome = world.restore(*([gone] if alone else []), dry_run=dry_run)
        assert (outcome.problems, outcome.counts.get("linked")) == ([], None)
    modes = [stat.S_IMODE(os.stat(world.out + b"/" + name).st_mode) for name in (gone, there)]
    assert modes == [0o600, 0o666]


def test_names_that_are_gone_join_each_other_if_the_first_has_changed(world: World) -> None:
    _group(world, b"a", b"b", b"c")
    world.restore()
    os.unlink(world.out + b"/b")
    os.unlink(world.out + b"/c")
    os.chmod(world.out + b"/a", 0o666)
    outcome = world.restore()
    assert outcome.problems == []
    assert outcome.notes == ["modes, owners or times of existing files differ and were not changed (see --overwrite)"]
    assert _together(world, b"b", b"c")
    assert not _together(world, b"a", b"b")


def test_a_group_whose_first_name_is_kept_is_gathered_at_another(world: World) -> None:
    _group(world, b"a", b"b", b"c")
    world.restore()
    os.unlink(world.out + b"/a")
    os.unlink(world.out + b"/c")
    world_file = Path(os.fsdecode(world.out + b"/a"))
    world_file.write_bytes(b"mine")
    outcome = world.restore()
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"a", "kept")]
    assert _together(world, b"b", b"c")
    assert world_file.read_bytes() == b"mine"


@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.CHANGED])
@pytest.mark.parametrize("alone", [False, True])
def test_a_name_that_is_gone_gets_the_bytes_that_were_backed_up(
    world: World, overwrite: Overwrite, alone: bool
) -> None:
    """Another name is there, but its bytes rotted: size and time say nothing of it."""
    _group(world, b"a", b"b")
    world.restore()
    os.unlink(world.out + b"/a")
    there = os.stat(world.out + b"/b")
    with open(world.out + b"/b", "r+b") as file:
        file.write(b"ROT")
    os.utime(world.out + b"/b", ns=(there.st_atime_ns, there.st_mtime_ns))
    assert world.restore(*([b"a"] if alone else []), overwrite=overwrite).problems == []
    assert _read(world.out + b"/a") == b"one content"


@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.CHANGED])
def test_a_group_whose_first_name_is_blocked_is_gathered_at_another(world: World, overwrite: Overwrite) -> None:
    _group(world, b"a", b"b", b"c")
    os.makedirs(world.out + b"/a/in the way")
    outcome = world.restore(overwrite=overwrite)
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"a", "blocked")]
    assert _together(world, b"b", b"c")


@ROOT_ONLY
@pytest.mark.parametrize("overwrite", [Overwrite.NEVER, Overwrite.CHANGED])
@pytest.mark.parametrize("alone", [False, True])
def test_a_name_that_may_not_be_a_link_is_a_file(overwrite: Overwrite, alone: bool) -> None:
    """A user may not link to another's file that they cannot write, nor anybody to an immutable one."""
    with open_folder() as root:
        world = World(root)
        _group(world, b"a", b"b")
        world.restore()
        os.unlink(world.out + b"/a")
        if subprocess.run(["chattr", "+i", world.out + b"/b"], capture_output=True, check=False).returncode:
            pytest.skip("the file system has no immutable files")
        try:
            outcome = world.restore(*([b"a"] if alone else []), overwrite=overwrite)
        finally:
            subprocess.run(["chattr", "-i", world.out + b"/b"], check=True)
        assert outcome.problems == []
        assert outcome.notes == ["a hard link was refused, and the file was restored as a separate one"]
        assert _read(world.out + b"/a") == b"one content"


@ROOT_ONLY
def test_restoring_does_not_reach_through_a_hard_link(world: World) -> None:
    """A user gave a file of root's another name, in the place of a file that is restored."""
    path = world.write(b"notes")
    os.chown(path, 1000, 1000)
    os.chmod(path, 0o666)
    world.back_up()
    os.makedirs(world.out)
    secret = os.fsencode(world.root) + b"/secret"
    shutil.copy2(path, secret)
    os.chmod(secret, 0o600)
    os.link(secret, world.out + b"/notes")
    before = _facts(secret)[:4]
    assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert _facts(secret)[:4] == before
    assert _facts(world.out + b"/notes")[:4] == _facts(path)[:4]
    assert not os.path.samefile(secret, world.out + b"/notes")


@ROOT_ONLY
def test_a_file_of_a_foreign_owner_is_written_anew(world: World) -> None:
    path = world.write(b"notes")
    os.chown(path, 1000, 1000)
    world.back_up()
    world.restore()
    os.chown(world.out + b"/notes", 0, 0)
    os.rename(world.out + b"/notes", world.out + b"/moved")
    os.link(world.out + b"/moved", world.out + b"/notes")
    os.unlink(world.out + b"/moved")
    inode = os.stat(world.out + b"/notes").st_ino
    assert world.restore(overwrite=Overwrite.CHANGED).counts["restored"] == 1
    assert os.stat(world.out + b"/notes").st_ino != inode


@ROOT_ONLY
def test_a_symlink_with_another_name_is_made_anew(world: World) -> None:
    os.symlink(b"x", world.base + b"/link")
    os.chown(world.base + b"/link", 1000, 1000, follow_symlinks=False)
    world.back_up()
    os.makedirs(world.out)
    other = os.fsencode(world.root) + b"/other"
    os.symlink(b"x", other)
    os.link(other, world.out + b"/link", follow_symlinks=False)
    before = _facts(other)[:4]
    assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert _facts(other)[:4] == before
    assert os.lstat(world.out + b"/link").st_uid == 1000


# -- dry runs


def _make(path: bytes, dice: random.Random, *, depth: int = 0) -> None:
    names = [b"a", b"b", b"c", b"d"]
    files: list[bytes] = []
    for name in names:
        at = path + b"/" + name
        match dice.choice(["file", "file", "empty", "link", "folder", "hard", "nothing", "fifo"]):
            case "file":
                Path(os.fsdecode(at)).write_bytes(dice.choice([b"one", b"two", b"three"]))
                os.utime(at, ns=(0, dice.choice([10**18, 2 * 10**18])))
                os.chmod(at, dice.choice([0o600, 0o644]))
                files.append(at)
            case "empty":
                Path(os.fsdecode(at)).touch()
            case "link":
                os.symlink(dice.choice([b"x", b"a", b"/nowhere"]), at)
            case "folder":
                os.mkdir(at)
                if depth < 3 and dice.random() < 0.8:
                    _make(at, dice, depth=depth + 1)
            case "hard" if files:
                os.link(dice.choice(files), at)
            case "fifo" if depth:
                os.mkfifo(at)


def _run(
    world: World, paths: list[bytes], overwrite: Overwrite, *, dry_run: bool, mine: bool
) -> tuple[RestoreOutcome, list[tuple[str, bytes]]]:
    told: list[tuple[str, bytes]] = []
    act = world.restore_by_user if mine else world.restore
    outcome = act(*paths, overwrite=overwrite, dry_run=dry_run, listen=lambda what, key, size: told.append((what, key)))
    # What may not be set, only trying tells.
    outcome.problems = [one for one in outcome.problems if one.kind != "attributes"]
    return outcome, sorted(one for one in told if one[0] != "attributes")


def _shape(root: bytes, *, mine: bool) -> list[tuple[object, ...]]:
    """All there is; a folder of the user's own may have been opened and closed again, which its last time tells."""
    found = []
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = folder + b"/" + name
            facts = _facts(path)
            found.append((path, *(facts[:4] if mine and os.path.isdir(path) else facts)))
    return sorted(found)


def _lock(root: bytes, dice: random.Random) -> None:
    """Take rights away from folders, some of which are their owner's no more."""
    folders = [root, *(os.path.join(folder, name) for folder, names, _ in os.walk(root) for name in names)]
    for path in folders:
        if dice.random() < 0.4 and not os.path.islink(path):
            os.chmod(path, dice.choice([0o000, 0o200, 0o300, 0o400, 0o444, 0o500, 0o555, 0o600, 0o755]))
            if dice.random() < 0.2:
                os.chown(path, 0, 0)


@pytest.mark.parametrize("mine", [False, pytest.param(True, marks=ROOT_ONLY)])
@pytest.mark.parametrize("seed", range(130))
def test_a_dry_run_says_what_the_restore_does(seed: int, mine: bool) -> None:
    """`mine`: for an ordinary user, whose own folders may be locked, and others' among them."""
    dice = random.Random(seed)
    with open_folder() as root:
        world = World(root)
        _make(world.base, dice)
        if mine:
            give_away(os.fsdecode(world.base))
            _lock(world.base, dice)
        world.back_up()
        overwrite = dice.choice(list(Overwrite))
        start = dice.random()
        if start < 0.4:
            os.mkdir(world.out)
            _make(world.out, dice)
        elif start < 0.8:
            world.restore()
            shutil.rmtree(world.out + b"/" + dice.choice([b"a", b"b", b"c", b"d"]), ignore_errors=True)
            _unsettle(world.out, dice)
        if mine and os.path.lexists(world.out):
            give_away(os.fsdecode(world.out))
            _lock(world.out, dice)
        stored = [key for (key,) in world.catalog.conn.execute("SELECT key FROM path ORDER BY key") if key]
        paths = dice.sample(stored, k=min(len(stored), 3)) if dice.random() < 0.5 else []
        before = _shape(world.out, mine=mine)
        promised, told = _run(world, paths, overwrite, dry_run=True, mine=mine)
        assert _shape(world.out, mine=mine) == before
        kept, done = _run(world, paths, overwrite, dry_run=False, mine=mine)
        assert told == done
        assert (promised.counts, promised.problems, promised.bytes) == (kept.counts, kept.problems, kept.bytes)


def _unsettle(root: bytes, dice: random.Random) -> None:
    """Change some of what a restore made."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = folder + b"/" + name
            what = dice.choice(["leave", "leave", "remove", "write", "folder", "mode"])
            if what == "leave" or os.path.islink(path):
                continue
            if what == "mode":
                os.chmod(path, 0o640)
                continue
            os.unlink(path)
            if what == "write":
                Path(os.fsdecode(path)).write_bytes(b"four")
            if what == "folder":
                os.mkdir(path)
