"""What killed restores left is continued by the next one, and nothing else is taken for it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Callable

import pytest

from backup_runner.restoring import attributes, write
from backup_runner.spec import Overwrite
from tests.restoring.build import World

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs other users")
STRANGER = 1234


def _facts(path: bytes) -> tuple[int, int]:
    there = os.stat(path)
    return stat.S_IMODE(there.st_mode), there.st_uid


def _killed(act: Callable[[], object]) -> None:
    """Run something in a process that it kills."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def _kill(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dead() -> int:
    dead = subprocess.Popen(["true"])
    dead.wait()
    return dead.pid


def _put(path: bytes, mode: int) -> None:
    with open(path, "wb") as file:
        file.write(b"text")
    os.chmod(path, mode)


@pytest.mark.parametrize("overwrite", list(Overwrite))
@pytest.mark.parametrize("key", [b"top/inner/file", b"file"])
def test_a_killed_restore_of_one_file_is_continued(
    world: World, key: bytes, overwrite: Overwrite, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(key)
    for name in (b"/top/inner", b"/top") if b"/" in key else ():
        os.chmod(world.base + name, 0o750)
    world.back_up()
    os.mkdir(world.out)
    with monkeypatch.context() as patch:
        patch.setattr(write, "write_at", _kill)
        _killed(lambda: world.restore(key))
    folder = os.path.dirname(world.out + b"/" + key)
    assert len(os.listdir(folder)) == 1
    assert world.restore(key, overwrite=overwrite).problems == []
    assert os.listdir(folder) == [os.path.basename(key)]
    for name in (b"/top/inner", b"/top") if b"/" in key else ():
        assert _facts(world.out + name) == (0o750, os.geteuid())


def test_temporary_files_in_the_restored_folder_itself_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write(b"file")
    os.chmod(world.base, 0o750)
    world.back_up()
    with monkeypatch.context() as patch:
        patch.setattr("backup_runner.restoring.fresh.write_at", _kill)
        _killed(world.restore)
    assert len(os.listdir(world.out)) == 1
    assert world.restore().problems == []
    assert os.listdir(world.out) == [b"file"]
    assert _facts(world.out)[0] == 0o750


@ROOT_ONLY
@pytest.mark.parametrize("mode", [0o555, 0o755, 0o070])
@pytest.mark.parametrize("after", ["narrow", "owner"])
@pytest.mark.parametrize("paths", [(), (b"folder/file",)])
def test_a_folder_whose_owner_was_set_last_is_finished(
    world: World, mode: int, after: str, paths: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(b"folder/file")
    os.chmod(world.base + b"/folder", mode)
    os.chown(world.base + b"/folder", STRANGER, STRANGER)
    world.back_up()
    change = attributes._change_owner

    def killed(where: attributes.Where, there: os.stat_result, row: attributes.Attributes) -> OSError | None:
        if not stat.S_ISDIR(there.st_mode):
            return change(where, there, row)
        if after == "owner":
            change(where, there, row)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(attributes, "_change_owner", killed)
        _killed(lambda: world.restore(*paths))
    assert _facts(world.out + b"/folder")[0] & stat.S_ISVTX
    assert world.restore(*paths).problems == []
    assert _facts(world.out + b"/folder") == (mode, STRANGER)


@ROOT_ONLY
@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_a_folder_of_another_user_on_the_way_is_not_taken_for_a_new_one(world: World, overwrite: Overwrite) -> None:
    world.write(b"folder/file")
    world.back_up()
    os.makedirs(world.out + b"/folder")
    os.chown(world.out + b"/folder", STRANGER, STRANGER)
    os.chmod(world.out + b"/folder", 0o1700)
    assert world.restore(b"folder/file", overwrite=overwrite).problems == []
    assert _facts(world.out + b"/folder") == (0o1700, STRANGER)


@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_files_of_the_user_that_look_like_temporary_ones_stay(world: World, overwrite: Overwrite) -> None:
    pid = _dead()
    stored, later = b".%d-abcdef0123.brtmp" % pid, b".%d-abcdef0124.brtmp" % pid
    for folder in (b"", b"folder/"):
        os.chmod(world.write(folder + stored), 0o600)
    world.back_up()
    assert world.restore().counts["restored"] == 2
    for folder in (b"/", b"/folder/"):
        _put(world.out + folder + later, 0o644)
    outcome = world.restore(overwrite=overwrite)
    assert outcome.problems == []
    assert outcome.counts["restored" if overwrite is Overwrite.ALWAYS else "unchanged"] == 2
    assert {stored, later} <= set(os.listdir(world.out))
    assert set(os.listdir(world.out + b"/folder")) == {stored, later}
    # Nor are they deleted when only others are restored.
    assert world.restore(b"folder/" + stored, overwrite=overwrite).problems == []
    assert stored in os.listdir(world.out)


@ROOT_ONLY
def test_unfinished_files_of_other_users_stay(world: World) -> None:
    world.write(b"file")
    world.back_up()
    world.restore()
    theirs = b"/.%d-abcdef0123.brtmp" % _dead()
    _put(world.out + theirs, 0o600)
    os.chown(world.out + theirs, STRANGER, STRANGER)
    world.restore()
    assert os.path.exists(world.out + theirs)


def test_a_symlink_that_gets_no_attributes_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    os.symlink(b"x", world.base + b"/link")
    world.back_up()

    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(write, "restore_symlink_attributes", fails)
    assert [one.kind for one in world.restore().problems] == ["unwritable"]
    assert os.listdir(world.out) == []
