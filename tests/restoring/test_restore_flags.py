"""Flags of chattr(1) come back, those that stop all changes last; what this user may not set is named once."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator

import pytest

from backup_runner.records import Flag
from backup_runner.spec import Overwrite
from tests.restoring.build import World
from tests.support.jobs import Home
from tests.support.users import give_away, open_folder

IMMUTABLE, APPEND_ONLY, NO_DUMP, NO_ATIME = 0x10, 0x20, 0x40, 0x80
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and other users")


def _flags(path: str | bytes, add: int = 0) -> int:
    """A file's flags, with some added."""
    fd = os.open(path, os.O_RDONLY)
    try:
        have = int.from_bytes(fcntl.ioctl(fd, GET_FLAGS, bytes(8))[:4], "little")
        if add:
            fcntl.ioctl(fd, SET_FLAGS, (have | add).to_bytes(8, "little"))
        return have & (IMMUTABLE | APPEND_ONLY | NO_DUMP | NO_ATIME)
    except OSError:
        pytest.skip("this file system, or this user, cannot set flags")
    finally:
        os.close(fd)


@pytest.fixture
def place() -> Iterator[str]:
    """A folder on a file system that may have flags; files in it that cannot be changed can go all the same."""
    with open_folder() as root:
        yield root
        subprocess.run(["chattr", "-R", "-ia", root], capture_output=True, check=False)


def test_flags_come_back_whatever_stands_in_their_way(place: str) -> None:
    """Names of one file are linked, large files composed and folders filled before anything is immutable."""
    home = Home(place)
    home.write("folder/immutable", b"x")
    home.write("folder/log", b"x")
    home.write("folder/plain", b"x")
    home.write("folder/large", os.urandom(3 << 20))
    os.link(home.path("folder/immutable"), home.path("folder/second name"))
    wanted = {
        "folder/plain": NO_DUMP | NO_ATIME,
        "folder/log": APPEND_ONLY | NO_DUMP,
        "folder/immutable": IMMUTABLE,
        "folder/large": IMMUTABLE,
        "folder": IMMUTABLE | NO_DUMP,
    }
    for name, flags in wanted.items():
        _flags(home.path(name), flags)
    assert home.apply().problems == []
    outcome = home.restore()
    assert (outcome.problems, outcome.notes) == ([], [])
    back = f"{place}/back"
    assert {name: _flags(f"{back}/{name}") for name in wanted} == wanted
    assert os.path.samefile(f"{back}/folder/immutable", f"{back}/folder/second name")
    assert os.stat(f"{back}/folder").st_mtime_ns == os.stat(home.path("folder")).st_mtime_ns


def test_flags_that_went_are_set_again_where_the_policy_touches(place: str) -> None:
    world = World(place)
    world.write(b"file")
    world.back_up(flags=(IMMUTABLE | NO_DUMP) << Flag.CHATTR_SHIFT)
    _flags(world.write(b"../probe"), NO_DUMP)
    world.restore()
    subprocess.run(["chattr", "-id", world.out + b"/file"], check=True)
    assert world.restore().problems == []
    assert _flags(world.out + b"/file") == 0
    assert world.restore(overwrite=Overwrite.CHANGED).problems == []
    assert _flags(world.out + b"/file") == IMMUTABLE | NO_DUMP


def test_a_folder_that_is_not_complete_stays_open_for_the_next_restore(place: str) -> None:
    home = Home(place)
    home.write("folder/a", b"first")
    home.write("folder/b", os.urandom(5000))
    home.apply()
    home.write("folder/c", b"third")
    _flags(home.path("folder"), IMMUTABLE)
    home.apply()
    (older,) = home.rows("SELECT name FROM object ORDER BY id LIMIT 1")[0]
    os.rename(f"{home.bucket}/{older}", f"{place}/aside")
    outcome = home.restore()
    assert (b"folder/", "attributes") in [(one.key, one.kind) for one in outcome.problems]
    assert _flags(f"{place}/back/folder") == 0


def test_what_a_user_may_not_set_is_named_once(place: str) -> None:
    """A label of the system, as `security.selinux` is where SELinux runs, is on each of the files there."""
    world = World(place)
    for number in range(40):
        os.setxattr(world.write(b"folder/%02d" % number), "security.label", b"system_u:object_r:tmp_t:s0")
    give_away(os.fsdecode(world.base))
    world.back_up(flags=(IMMUTABLE | NO_DUMP) << Flag.CHATTR_SHIFT)
    outcome = world.restore_by_user()
    assert outcome.counts["restored"] == 40
    said = [(one.key, one.kind, one.message) for one in outcome.problems]
    more = "39 more files and folders lack it, too"
    assert said == [
        (b"folder/00", "attributes", f"could not be set: chattr +i (Operation not permitted); {more}"),
        (b"folder/00", "attributes", f"could not be set: security.label (Operation not permitted); {more}"),
    ]
    # What a user may set is set.
    assert {_flags(world.out + b"/folder/%02d" % number) for number in range(40)} == {NO_DUMP}


def test_of_what_opens_a_file_each_one_is_named(place: str) -> None:
    world = World(place)
    for number in range(3):
        os.chown(world.write(b"%d" % number), 1234, 1000)
    world.back_up()
    named = [one.key for one in world.restore_by_user(b"0", b"1", b"2").problems]
    assert named == [b"0", b"1", b"2"]
