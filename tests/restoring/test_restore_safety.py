"""Restore writes below its goal and nowhere else, and over nothing that it was not told to replace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backup_runner.catalog.recording import Meta, NewVersion, Recorder
from backup_runner.errors import BackupRunnerError, WrongKeyError
from backup_runner.progress import Silent
from backup_runner.records import Kind
from backup_runner.restoring.goal import Goal
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.restoring.write import FileWriter
from backup_runner.spec import Overwrite
from tests.restoring.build import OTHER_KEYRING, World, tree


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _strays(root: bytes) -> list[bytes]:
    return [name for _, _, names in os.walk(root) for name in names if name.endswith(b".brtmp")]


@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_a_symlink_planted_in_the_goal_is_not_followed(world: World, overwrite: Overwrite) -> None:
    world.write(b"docs/inner/file", b"ours")
    world.write(b"other")
    world.back_up()
    outside = os.fsencode(world.root) + b"/outside"
    os.makedirs(outside + b"/inner")
    os.makedirs(world.out)
    os.symlink(outside, world.out + b"/docs")
    outcome = world.restore(overwrite=overwrite)
    assert os.listdir(outside + b"/inner") == []
    assert {(one.key, one.kind) for one in outcome.problems} == {
        (b"docs/", "blocked"), (b"docs/inner/", "blocked"), (b"docs/inner/file", "blocked"),
    }  # fmt: skip
    assert _read(world.out + b"/other") == b"text"


def test_a_symlink_where_a_file_goes_is_replaced_not_written_through(world: World) -> None:
    world.write(b"file", b"ours")
    world.back_up()
    outside = os.fsencode(world.root) + b"/outside"
    with open(outside, "wb") as file:
        file.write(b"theirs")
    os.makedirs(world.out)
    os.symlink(outside, world.out + b"/file")
    assert [one.kind for one in world.restore().problems] == ["kept"]
    assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert (_read(outside), _read(world.out + b"/file")) == (b"theirs", b"ours")
    assert not os.path.islink(world.out + b"/file")


@pytest.mark.parametrize("key", [b"../out of it", b"a/../../b", b"/etc/passwd2", b"a//b", b"./c", b"nul\0byte", b".."])
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY])
def test_keys_that_lead_out_are_refused(world: World, key: bytes, kind: Kind) -> None:
    world.write(b"fine")
    world.write(b"a/fine")
    snapshot = world.back_up()
    (content,) = world.catalog.conn.execute("SELECT content_id FROM version WHERE content_id IS NOT NULL").fetchone()
    meta = Meta(kind, 4, 0, 0, 0o644, 0, 0, link=b"x" if kind == Kind.SYMLINK else None)
    recorder = Recorder(world.catalog, world.store.id, world.job_id, snapshot)
    stored = key + b"/" if kind == Kind.DIRECTORY else key
    recorder.put_versions([NewVersion(stored, meta, content if kind == Kind.FILE else None)])
    before = sorted(os.listdir(world.root))
    outcome = world.restore()
    assert [(one.key, one.kind) for one in outcome.problems] == [(stored, "refused")]
    assert sorted({*os.listdir(world.root)} - {"out"}) == before
    assert sorted(os.listdir(world.out)) == [b"a", b"fine"]


def test_a_file_that_differs_is_kept_and_named(world: World) -> None:
    world.write(b"same")
    world.write(b"touched")
    world.write(b"changed", b"stored")
    world.back_up()
    world.restore()
    os.utime(world.out + b"/touched", ns=(0, 0))
    with open(world.out + b"/changed", "wb") as file:
        file.write(b"edited")
    outcome = world.restore()
    assert outcome.counts == {"unchanged": 2, "kept": 1, "folders": 1}
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"changed", "kept")]
    assert _read(world.out + b"/changed") == b"edited"
    assert os.stat(world.out + b"/touched").st_mtime_ns == 0
    replaced = world.restore(overwrite=Overwrite.CHANGED)
    assert replaced.counts == {"unchanged": 2, "restored": 1, "folders": 1}
    assert tree(world.out) == tree(world.base)
    assert world.restore(overwrite=Overwrite.ALWAYS).counts == {"restored": 3, "folders": 1}


def test_the_same_size_and_another_text_is_seen(world: World) -> None:
    world.write(b"file", b"stored")
    world.back_up()
    world.restore()
    with open(world.out + b"/file", "wb") as file:
        file.write(b"edited")
    assert world.restore(overwrite=Overwrite.CHANGED).counts["restored"] == 1
    assert _read(world.out + b"/file") == b"stored"


@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_a_folder_is_never_removed_for_a_file_nor_the_reverse(world: World, overwrite: Overwrite) -> None:
    world.write(b"file")
    world.write(b"folder/below")
    os.symlink(b"x", world.base + b"/link")
    world.back_up()
    for name in (b"file", b"link"):
        os.makedirs(world.out + b"/" + name + b"/precious")
    with open(world.out + b"/folder", "wb") as file:
        file.write(b"precious")
    outcome = world.restore(overwrite=overwrite)
    assert {one.key for one in outcome.problems} == {b"file", b"folder/", b"folder/below", b"link"}
    assert os.path.isdir(world.out + b"/file/precious")
    assert os.path.isdir(world.out + b"/link/precious")
    assert _read(world.out + b"/folder") == b"precious"


def test_hard_links_of_a_file_that_was_kept_come_as_files(world: World) -> None:
    world.write(b"a", b"stored")
    for name in (b"b", b"c"):
        os.link(world.base + b"/a", world.base + b"/" + name)
    world.back_up()
    os.makedirs(world.out)
    with open(world.out + b"/a", "wb") as file:
        file.write(b"mine")
    outcome = world.restore()
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"a", "kept")]
    assert [_read(world.out + b"/" + name) for name in (b"a", b"b", b"c")] == [b"mine", b"stored", b"stored"]


def test_hard_links_of_a_file_that_cannot_be_written_come_as_files(world: World) -> None:
    world.write(b"a", b"stored")
    world.write(b"large", os.urandom(17 << 20))
    for first in (b"a", b"large"):
        for more in (b"2", b"3"):
            os.link(world.base + b"/" + first, world.base + b"/" + first + more)
    world.back_up()
    for name in (b"a", b"large"):
        os.makedirs(world.out + b"/" + name)
    outcome = world.restore()
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"a", "blocked"), (b"large", "blocked")]
    for name in (b"a2", b"a3", b"large2", b"large3"):
        assert _read(world.out + b"/" + name) == _read(world.base + b"/" + name)


def test_hard_links_of_a_damaged_content_are_all_named(world: World) -> None:
    world.write(b"a", b"stored")
    os.link(world.base + b"/a", world.base + b"/b")
    world.back_up()
    (name,) = world.object_names()
    os.unlink(world.object_path(name))
    assert [(one.key, one.kind) for one in world.restore().problems] == [(b"a", "missing"), (b"b", "missing")]
    assert os.listdir(world.out) == []


def test_a_wrong_key_writes_nothing(world: World) -> None:
    world.write(b"file")
    world.back_up()
    with pytest.raises(WrongKeyError, match="not the key"):
        restore(world.session(keyring=OTHER_KEYRING), RestoreOptions(to=world.out), Silent())
    assert not os.path.exists(world.out)


def test_dry_run_reads_no_object_and_writes_nothing(world: World) -> None:
    for name in (b"a", b"b", b"c"):
        world.write(name)
    world.back_up()
    os.makedirs(world.out)
    with open(world.out + b"/a", "wb") as file:
        file.write(b"mine")
    for name in world.object_names():
        os.unlink(world.object_path(name))
    told: list[tuple[str, bytes, int]] = []
    outcome = world.restore(dry_run=True, listen=lambda *what: told.append(what))
    assert outcome.counts == {"restored": 2, "kept": 1, "folders": 1}
    assert sorted(told) == [("kept", b"a", 0), ("restored", b"b", 4), ("restored", b"c", 4)]
    assert os.listdir(world.out) == [b"a"]
    assert world.restore(dry_run=True, to=world.out + b"/not there").counts["restored"] == 3


def test_without_to_files_go_back_where_they_were(world: World) -> None:
    path = world.write(b"docs/file")
    world.back_up()
    before = tree(world.base)
    os.unlink(path)
    assert world.restore(to=None).counts == {"restored": 1, "folders": 2}
    assert tree(world.base) == before


def test_a_goal_that_is_a_file(world: World) -> None:
    world.write(b"file")
    world.back_up()
    with pytest.raises(BackupRunnerError, match="cannot restore to"):
        world.restore(to=world.base + b"/file")


def test_stopping_leaves_whole_files_and_no_temporary_ones(world: World) -> None:
    for number in range(5):
        world.write(b"large%d" % number, os.urandom(17 << 20))
    world.back_up()
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 6

    outcome = world.restore(stop=stop, workers=2)
    assert outcome.interrupted
    assert _strays(world.out) == []
    for name in os.listdir(world.out):
        assert _read(world.out + b"/" + name) == _read(world.base + b"/" + name)
    assert 0 < len(os.listdir(world.out)) < 5
    assert world.restore(workers=2).problems == []


def test_hard_links_that_are_there_are_left_without_a_trace(world: World) -> None:
    world.write(b"a")
    os.link(world.base + b"/a", world.base + b"/b")
    world.back_up()
    for _ in range(2):
        assert world.restore(overwrite=Overwrite.CHANGED).problems == []
        assert sorted(os.listdir(world.out)) == [b"a", b"b"]
        assert os.path.samefile(world.out + b"/a", world.out + b"/b")


def test_equal_files_become_hard_links_only_when_they_may_be_replaced(world: World) -> None:
    world.write(b"a")
    os.link(world.base + b"/a", world.base + b"/b")
    world.back_up()
    os.makedirs(world.out)
    for name in (b"a", b"b"):
        with open(world.out + b"/" + name, "wb") as file:
            file.write(b"text")
    assert world.restore().problems == []
    assert not os.path.samefile(world.out + b"/a", world.out + b"/b")
    assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert os.path.samefile(world.out + b"/a", world.out + b"/b")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_a_set_id_bit_survives_the_change_of_owner(world: World) -> None:
    os.chmod(world.write(b"program"), 0o6755)
    os.utime(world.base + b"/program", ns=(5, 5))
    world.back_up()
    world.restore()
    os.chown(world.out + b"/program", 12345, 12345)
    os.chmod(world.out + b"/program", 0o6755)
    assert world.restore(overwrite=Overwrite.CHANGED).counts["restored"] == 1
    found = os.stat(world.out + b"/program")
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, 0, 0o6755)


def test_nothing_is_open_to_others_until_it_has_its_own_mode(world: World) -> None:
    os.makedirs(world.out)
    before = os.umask(0)
    try:
        writer = FileWriter(Goal.open(world.out), Overwrite.NEVER)
        writer.make_folder(b"folder/")
        fd, name = writer.create(b"folder/secret")
        assert os.fstat(fd).st_mode & 0o7777 == 0o600
        assert os.stat(world.out + b"/folder").st_mode & 0o777 == 0o700
        assert os.path.exists(world.out + b"/folder/" + name)
        os.close(fd)
        writer.goal.close()
    finally:
        os.umask(before)


def test_folders_on_the_way_that_the_snapshot_does_not_know_have_ordinary_modes(world: World) -> None:
    world.write(b"on/the/way/file")
    world.back_up()
    world.forget(b"on/", b"on/the/way/")
    before = os.umask(0o022)
    try:
        assert world.restore().problems == []
    finally:
        os.umask(before)
    assert _read(world.out + b"/on/the/way/file") == b"text"
    assert os.stat(world.out + b"/on").st_mode & 0o7777 == 0o755
    assert os.stat(world.out + b"/on/the/way").st_mode & 0o7777 == 0o755


def test_a_private_folder_on_the_way_to_a_file_is_private_all_the_time(world: World) -> None:
    world.write(b"private/inner/file")
    os.chmod(world.base + b"/private", 0o700)
    world.back_up()
    seen: list[int] = []

    def listen(what: str, key: bytes, size: int) -> None:
        seen.append(os.stat(world.out + b"/private").st_mode & 0o777)

    before = os.umask(0)
    try:
        assert world.restore(b"private/inner/file", listen=listen).problems == []
    finally:
        os.umask(before)
    assert seen == [0o700]


def test_an_error_on_the_way_is_told_and_the_catalog_is_fit_for_the_next_restore(world: World) -> None:
    for number in range(3):
        world.write(b"file%d" % number)
    world.back_up()

    def stop() -> bool:
        raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        world.restore(stop=stop)
    assert world.restore().problems == []


def test_a_full_disk_stops_with_an_error_that_says_so(world: World, tmp_path: Path) -> None:
    for number in range(40):
        world.write(b"file%02d" % number, os.urandom(100_000))
    world.back_up()
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with pytest.raises(BackupRunnerError, match=r"No space left on device; [1-9]0? files were restored") as caught:
            world.restore(to=os.fsencode(small))
        assert "free some space" in str(caught.value.hint)
        assert _strays(os.fsencode(small)) == []
        assert 5 <= len(list(small.iterdir())) <= 11
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_large_file_that_finds_no_room_is_not_counted_as_restored(world: World, tmp_path: Path) -> None:
    world.segment_size = 1 << 20
    world.write(b"large", os.urandom(40 << 20))
    world.back_up()
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    told: list[str] = []
    try:
        with pytest.raises(BackupRunnerError, match="No space left on device; 0 files were restored"):
            world.restore(to=os.fsencode(small), workers=2, listen=lambda what, key, size: told.append(what))
        assert told == ["unwritable"]
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_folder_without_write_permission_costs_its_files_only(world: World) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    world.write(b"closed/file")
    world.write(b"open/file")
    world.back_up()
    os.makedirs(world.out + b"/closed", mode=0o500)
    assert [(one.key, one.kind) for one in world.restore().problems] == [(b"closed/file", "unwritable")]
    assert _read(world.out + b"/open/file") == b"text"


def test_what_a_killed_restore_left_is_taken_away_by_the_next(world: World) -> None:
    world.write(b"docs/file")
    world.back_up()
    world.restore()
    dead = subprocess.Popen(["true"])
    dead.wait()
    kept = [f".{os.getpid()}-0123456789.brtmp".encode(), b".notes.brtmp", b".1-xyz.brtmp"]
    for name in [*kept, f".{dead.pid}-0123456789.brtmp".encode()]:
        with open(world.out + b"/docs/" + name, "wb") as file:
            file.write(b"part of a file")
        os.chmod(world.out + b"/docs/" + name, 0o600)
    assert world.restore().problems == []
    assert sorted(os.listdir(world.out + b"/docs")) == sorted([*kept, b"file"])


def test_temporary_files_name_the_process_that_writes_them(tmp_path: Path) -> None:
    goal = Goal.open(os.fsencode(tmp_path))
    assert goal.temporary_name().startswith(f".{os.getpid()}-".encode())
    assert goal.temporary_name() != goal.again().temporary_name()
