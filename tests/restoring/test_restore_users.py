"""Restores by ordinary users, and attributes: all that may be set is set, the rest is named, and nobody gains."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backup_runner.progress import Silent
from backup_runner.records import Flag
from backup_runner.restoring import fresh, write
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.restoring.write import write_at
from backup_runner.source.xattrs import encode_xattrs
from backup_runner.spec import Overwrite
from tests.restoring.build import World
from tests.support.settling import settled
from tests.support.users import USER, as_user, give_away, open_folder

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs other users"),
    pytest.mark.skipif(not shutil.which("setfacl"), reason="needs the acl tools"),
]
GROUP, STRANGER = 2345, 1234


@pytest.fixture
def open_world() -> Iterator[World]:
    """One that every user can reach."""
    with open_folder() as root:
        yield World(root)


def _tool(*words: str | bytes) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def _mode(path: bytes) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _acl(path: bytes) -> list[str]:
    lines = _tool("getfacl", "-cpE", "-n", path).split()
    return sorted(line for line in lines if line)


def _allowed(path: bytes, uid: int, *groups: int) -> set[str]:
    """What a user may do with a file, tried for real."""

    def trying() -> set[str]:
        found = set()
        for name, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY)):
            try:
                os.close(os.open(path, flags))
                found.add(name)
            except PermissionError:
                pass
        return found | ({"run"} if os.access(path, os.X_OK, effective_ids=True) else set())

    return as_user(trying, uid=uid, gid=groups[0], groups=groups)


# -- read-only folders


@pytest.mark.parametrize("mode", [0o555, 0o444, 0o055, 0o600])
@pytest.mark.parametrize("chosen", [(), (b"top/closed/inner/b",)])
def test_what_is_missing_in_a_read_only_folder_comes_back(
    open_world: World, mode: int, chosen: tuple[bytes, ...]
) -> None:
    world = open_world
    for key in (b"top/closed/a", b"top/closed/inner/b", b"top/closed/inner/c"):
        world.write(key)
    for name in (b"/top/closed/inner", b"/top/closed"):
        os.chmod(world.base + name, mode)
    give_away(os.fsdecode(world.base))
    world.back_up()
    assert world.restore_by_user().problems == []
    os.unlink(world.out + b"/top/closed/inner/b")
    outcome = world.restore_by_user(*chosen)
    assert outcome.problems == []
    assert Path(os.fsdecode(world.out + b"/top/closed/inner/b")).read_bytes() == b"text"
    assert (_mode(world.out + b"/top/closed"), _mode(world.out + b"/top/closed/inner")) == (mode, mode)


def test_a_read_only_folder_in_which_nothing_is_missing_is_left_without_a_trace(open_world: World) -> None:
    world = open_world
    world.write(b"closed/a")
    os.chmod(world.base + b"/closed", 0o555)
    give_away(os.fsdecode(world.base))
    world.back_up()
    world.restore_by_user()
    before = settled(lambda: os.stat(world.out + b"/closed").st_ctime_ns)
    assert world.restore_by_user().problems == []
    assert os.stat(world.out + b"/closed").st_ctime_ns == before


def test_a_folder_of_somebody_else_is_not_opened(open_world: World) -> None:
    world = open_world
    world.write(b"theirs/a")
    give_away(os.fsdecode(world.base))
    world.back_up()
    os.makedirs(world.out + b"/theirs")
    os.chown(world.out, USER, USER)
    promised = world.restore_by_user(dry_run=True)
    outcome = world.restore_by_user()
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"theirs/a", "unwritable")]
    assert promised.problems == outcome.problems
    assert _mode(world.out + b"/theirs") == 0o755


# -- owners, groups, set-id bits


def test_a_user_sets_the_groups_that_the_user_is_in(open_world: World) -> None:
    world = open_world
    os.makedirs(world.base + b"/shared")
    world.write(b"shared/program")
    give_away(os.fsdecode(world.base), USER, GROUP)
    os.chmod(world.base + b"/shared", 0o2770)
    os.chmod(world.base + b"/shared/program", 0o2750)
    world.back_up()
    assert world.restore_by_user(groups=(GROUP,)).problems == []
    assert (os.stat(world.out + b"/shared").st_gid, _mode(world.out + b"/shared")) == (GROUP, 0o2770)
    assert (os.stat(world.out + b"/shared/program").st_gid, _mode(world.out + b"/shared/program")) == (GROUP, 0o2750)


def test_a_group_that_a_user_may_not_set_is_named_and_gives_no_rights(open_world: World) -> None:
    world = open_world
    os.chmod(world.write(b"program"), 0o2750)
    give_away(os.fsdecode(world.base), USER, GROUP)
    os.chmod(world.base + b"/program", 0o2750)
    world.back_up()
    outcome = world.restore_by_user(b"program")
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"program", "attributes")]
    assert f"group {GROUP}" in outcome.problems[0].message
    assert outcome.counts["restored"] == 1
    assert _mode(world.out + b"/program") == 0o700


def test_a_program_does_not_run_with_the_rights_of_who_restores_it(open_world: World) -> None:
    world = open_world
    path = world.write(b"program")
    os.chown(path, STRANGER, USER)
    os.chmod(path, 0o4755)
    world.back_up()
    outcome = world.restore_by_user(b"program")
    assert f"owner {STRANGER}" in outcome.problems[0].message
    assert _mode(world.out + b"/program") == 0o755


# -- ACLs and other attributes


def test_one_attribute_that_fails_is_named_and_costs_no_other(open_world: World) -> None:
    world = open_world
    shutil.copy("/bin/true", world.base + b"/program")
    os.setxattr(world.base + b"/program", "user.a", b"1")
    os.setxattr(world.base + b"/program", "user.z", b"2")
    _tool("setfacl", "-m", f"u:{STRANGER}:rwx", world.base + b"/program")
    give_away(os.fsdecode(world.base))
    _tool("setcap", "cap_net_raw+ep", world.base + b"/program")
    world.back_up()
    outcome = world.restore_by_user()
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"program", "attributes")]
    assert outcome.problems[0].message == "could not be set: security.capability (Operation not permitted)"
    assert os.getxattr(world.out + b"/program", "user.a") == b"1"
    assert os.getxattr(world.out + b"/program", "user.z") == b"2"
    assert _acl(world.out + b"/program") == _acl(world.base + b"/program")


def test_a_mask_does_not_become_the_rights_of_the_group_where_there_are_no_acls(world: World, tmp_path: Path) -> None:
    path = world.write(b"file")
    os.chmod(path, 0o604)
    _tool("setfacl", "-m", f"u:{STRANGER}:rw,u:4321:---,g::---", path)
    world.back_up()
    plain = tmp_path / "plain"
    plain.mkdir()
    mounted = subprocess.run(["mount", "-t", "ramfs", "ramfs", str(plain)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        outcome = world.restore(to=os.fsencode(plain))
        assert "the ACL (Operation not supported)" in outcome.problems[0].message
        assert _mode(os.fsencode(plain / "file")) == 0o600
    finally:
        subprocess.run(["umount", str(plain)], check=True)


@pytest.mark.parametrize("overwrite", [Overwrite.CHANGED, Overwrite.ALWAYS])
def test_what_was_added_since_goes(world: World, overwrite: Overwrite) -> None:
    path = world.write(b"folder/file")
    os.chmod(path, 0o640)
    world.back_up()
    world.restore()
    for name in (b"/folder", b"/folder/file"):
        _tool("setfacl", "-m", f"u:{STRANGER}:rwx", world.out + name)
        os.setxattr(world.out + name, "user.new", b"1")
    _tool("setfacl", "-d", "-m", f"u:{STRANGER}:rwx", world.out + b"/folder")
    _tool("setcap", "cap_net_raw+ep", world.out + b"/folder/file")
    assert world.restore(overwrite=overwrite).problems == []
    for name in (b"/folder", b"/folder/file"):
        assert os.listxattr(world.out + name) == []
    assert (_mode(world.out + b"/folder"), _mode(world.out + b"/folder/file")) == (0o755, 0o640)


@pytest.mark.parametrize("new", [False, True])
def test_default_acls_of_the_goal_are_not_handed_down(world: World, *, new: bool) -> None:
    os.chmod(world.write(b"folder/file"), 0o640)
    world.back_up()
    if not new:
        os.makedirs(world.out)
    # A new goal inherits them from the folder above.
    _tool("setfacl", "-d", "-m", f"u:{STRANGER}:rwx", world.root if new else world.out)
    assert world.restore().problems == []
    for name in (b"/folder", b"/folder/file"):
        assert os.listxattr(world.out + name) == []
    assert (_mode(world.out + b"/folder"), _mode(world.out + b"/folder/file")) == (0o755, 0o640)


def test_a_new_goal_below_a_folder_with_a_group_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chmod(world.write(b"folder/file"), 0o640)
    world.back_up()
    os.chown(world.root, -1, GROUP)
    os.chmod(world.root, 0o2755)
    written: list[os.stat_result] = []

    def watched(fd: int, *given: Any, **options: Any) -> None:
        written.append(os.fstat(fd))
        write_at(fd, *given, **options)

    for module in (fresh, write):
        monkeypatch.setattr(module, "write_at", watched)
    assert world.restore().problems == []
    # Until the file has its group, nobody else may read what is in it.
    assert [(one.st_gid, stat.S_IMODE(one.st_mode)) for one in written] == [(GROUP, 0o600)]
    for name, mode in ((b"/folder", 0o755), (b"/folder/file", 0o640)):
        there = os.stat(world.out + name)
        assert (there.st_gid, stat.S_IMODE(there.st_mode)) == (os.getegid(), mode)


def test_what_appears_while_a_new_goal_is_filled_is_kept(world: World) -> None:
    world.write(b"folder/file")
    world.write(b"folder/other")
    world.back_up()
    events = Silent()
    events.phase = lambda *_, **__: _fill(world.out + b"/folder/file")  # type: ignore[method-assign]
    found = restore(world.session(), RestoreOptions(to=world.out), events)
    assert [(one.key, one.kind) for one in found.problems] == [(b"folder/file", "kept")]
    with open(world.out + b"/folder/file", "rb") as file:
        assert file.read() == b"of another program"
    assert sorted(os.listdir(world.out + b"/folder")) == [b"file", b"other"]


def _fill(path: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"of another program")


def test_acls_and_capabilities_come_back_with_another_owner(world: World) -> None:
    shutil.copy("/bin/true", world.base + b"/program")
    os.chown(world.base + b"/program", STRANGER, GROUP)
    os.chmod(world.base + b"/program", 0o4750)
    _tool("setfacl", "-m", "u:4321:rx", world.base + b"/program")
    _tool("setcap", "cap_net_raw+ep", world.base + b"/program")
    world.write(b"folder/file")
    _tool("setfacl", "-d", "-m", f"u:{STRANGER}:rwx", world.base + b"/folder")
    world.back_up()
    for overwrite in (Overwrite.NEVER, Overwrite.CHANGED):
        assert world.restore(overwrite=overwrite).problems == []
        for name in (b"/program", b"/folder", b"/folder/file"):
            assert _acl(world.out + name) == _acl(world.base + name)
            assert _mode(world.out + name) == _mode(world.base + name)
        names = os.listxattr(world.out + b"/program")
        assert {name: os.getxattr(world.out + b"/program", name) for name in names} == {
            name: os.getxattr(world.base + b"/program", name) for name in os.listxattr(world.base + b"/program")
        }


def test_attributes_of_symlinks_come_back(open_world: World) -> None:
    world = open_world
    os.symlink(b"x", world.base + b"/link")
    os.setxattr(world.base + b"/link", "trusted.a", b"1", follow_symlinks=False)
    world.back_up()
    blob = encode_xattrs({b"trusted.a": b"1"})
    world.catalog.conn.execute("UPDATE version SET xattrs = ? WHERE link IS NOT NULL", (blob,))
    assert world.restore().problems == []
    assert os.getxattr(world.out + b"/link", "trusted.a", follow_symlinks=False) == b"1"
    shutil.rmtree(world.out)
    outcome = world.restore_by_user(b"link")
    assert {(one.key, one.kind) for one in outcome.problems} == {(b"link", "attributes")}
    assert [one.message.partition(" (")[0] for one in outcome.problems] == [
        "could not be set: owner 0",
        "could not be set: trusted.a",
    ]


def test_a_mode_that_may_hide_a_mask_gives_no_rights(world: World) -> None:
    os.chmod(world.write(b"file"), 0o664)
    world.back_up(flags=Flag.NO_ATTRIBUTES)
    outcome = world.restore()
    assert [one.message for one in outcome.problems] == [
        "could not be set: extended attributes (the backup could not read them all)"
    ]
    assert _mode(world.out + b"/file") == 0o600


def test_attributes_of_read_only_files_are_set_too(open_world: World) -> None:
    world = open_world
    path = world.write(b"file")
    os.setxattr(path, "user.a", b"1")
    give_away(os.fsdecode(world.base))
    os.chmod(path, 0o000)
    world.back_up()
    assert world.restore_by_user().problems == []
    os.removexattr(world.out + b"/file", "user.a")
    os.setxattr(world.out + b"/file", "user.b", b"1")
    assert world.restore_by_user(overwrite=Overwrite.CHANGED).problems == []
    assert os.listxattr(world.out + b"/file") == ["user.a"]
    assert _mode(world.out + b"/file") == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o606, 0o077, 0o755, 0o464])
@pytest.mark.parametrize("entries", ["", f"u:{STRANGER}:r", f"u:{STRANGER}:---,g:{GROUP}:rw", "g:3456:---,m::r"])
def test_nobody_has_more_access_than_before(open_world: World, mode: int, entries: str) -> None:
    """An ordinary user, in none of the file's groups, restores the file of another; each asks what may be done."""
    world = open_world
    path = world.write(b"file")
    os.chown(path, 4321, GROUP)
    os.chmod(path, mode)
    if entries:
        _tool("setfacl", "-m", entries, path)
    people = [
        (4321, 4321),
        (4321, GROUP),
        (STRANGER, STRANGER),
        (STRANGER, GROUP),
        (5555, GROUP),
        (5555, USER),
        (5555, 3456),
    ]
    before = [_allowed(path, *one) for one in people]
    world.back_up()
    outcome = world.restore_by_user(b"file")
    assert [one.kind for one in outcome.problems] == ["attributes"]
    os.chmod(world.out, 0o755)
    after = [_allowed(world.out + b"/file", *one) for one in people]
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
