"""Files whose size says nothing, attributes that cannot be read, and what becomes of files that were never stored."""

from __future__ import annotations

import errno
import fcntl
import importlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_runner.policy import StoringPolicy
from backup_runner.records import Flag
from backup_runner.source.xattrs import decode_xattrs
from backup_runner.spec import Source
from tests.support.jobs import Home
from tests.support.seccomp import LISTXATTR, with_refused

ODD = ("/proc/self/limits", "/proc/version", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled")
FROZEN = ("/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled")
GET_FLAGS, SET_FLAGS, APPEND_ONLY, NO_DUMP = 0x80086601, 0x40086602, 0x20, 0x40


def from_root(root: Path, *paths: str, **settings: object) -> Home:
    sources = tuple(Source(os.fsencode(path), os.fsencode(path[1:])) for path in paths)
    return Home(str(root), settings={"base": b"", "sources": sources} | settings)


def messages(outcome: object) -> list[tuple[bytes, str, str]]:
    return sorted(tuple(problem) for problem in outcome.problems)  # type: ignore[attr-defined]


def test_files_of_size_0_or_of_a_page_are_read_to_their_end(tmp_path: Path) -> None:
    home = from_root(tmp_path, *ODD)
    assert home.apply().problems == []
    home.restore()
    for path in FROZEN:
        assert Path(f"{home.root}/back{path}").read_bytes() == Path(path).read_bytes()
    assert Path(f"{home.root}/back/proc/cpuinfo").stat().st_size > 100
    assert home.apply().problems == []


def test_an_endless_file_of_size_0_is_named(tmp_path: Path) -> None:
    """A file of a few megabytes that says 0: /proc/kallsyms, about 10 MB on any kernel."""
    if len(Path("/proc/kallsyms").read_bytes()) < 5 << 20:
        pytest.skip("no file in /proc is large enough here")
    home = from_root(tmp_path, "/proc/kallsyms")
    assert home.apply().problems == []
    home.restore()
    assert Path(f"{home.root}/back/proc/kallsyms").read_bytes() == Path("/proc/kallsyms").read_bytes()
    again = from_root(tmp_path / "again", "/proc/kallsyms")
    again.policy = StoringPolicy(unsized=1 << 20)
    (named,) = again.apply().problems
    assert (named.kind, "more than" in named.message) == ("unreadable", True)


def test_attributes_that_cannot_be_read_do_not_lose_the_file(home: Home) -> None:
    home.write("folder/small")
    home.write("large", os.urandom(5 << 20))
    os.symlink("x", home.path("link"))

    def apply() -> list[tuple[bytes, str, str]]:
        return messages(home.apply())

    text = "its extended attributes cannot be read; it is stored without them"
    first = with_refused(dict.fromkeys(LISTXATTR, errno.EIO), apply)
    keys = [b"", b"folder/", b"folder/small", b"large", b"link"]
    assert first == [(key, "attributes", text) for key in keys]
    flagged = home.rows("SELECT p.key, flags & ? FROM version v JOIN path p ON p.id = path_id", Flag.NO_ATTRIBUTES)
    assert dict(flagged) == dict.fromkeys(keys, Flag.NO_ATTRIBUTES)
    # A restore brings the bytes, and names what it may lack.
    assert {problem.kind for problem in home.restore().problems} <= {"attributes"}
    assert Path(f"{home.root}/back/large").read_bytes() == home.read("large")
    os.setxattr(home.path("large"), "user.colour", b"blue")
    os.utime(home.path("large"), ns=(1, 1))
    # They are read again, with nothing else to do: no bytes are sent.
    again = home.apply()
    assert (again.problems, again.stored_objects <= 1) == ([], True)
    rows = home.rows("SELECT flags FROM version WHERE until IS NULL")
    assert {row[0] & Flag.NO_ATTRIBUTES for row in rows} == {0}


@pytest.fixture
def open_home() -> Iterator[Home]:
    """In a folder that other users may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Home(folder)


def test_what_was_never_stored_is_not_said_to_be_kept(open_home: Home) -> None:
    if os.geteuid():
        pytest.skip("needs root, to take the right away from another user")
    home = open_home
    home.write("old")

    def apply() -> list[tuple[bytes, str, str]]:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        return messages(home.apply())

    # Once as root: what is imported on the way may lie where another user cannot read.
    importlib.import_module("multiprocessing.popen_fork")
    home.apply()
    subprocess.run(["chown", "-R", "65534:65534", home.root], check=True)
    assert with_refused({}, apply) == []
    home.write("new")
    os.chmod(home.path("old"), 0)
    os.chmod(home.path("new"), 0)
    os.utime(home.path("old"), ns=(1, 1))
    os.chown(home.path("new"), 65534, 65534)
    assert with_refused({}, apply) == [
        (b"new", "unreadable", "Permission denied; it is not in the backup"),
        (b"old", "unreadable", "Permission denied; the last stored version is kept"),
    ]


def test_what_cannot_be_read_now_was_well_in_the_snapshots_before(home: Home) -> None:
    home.write("f", "first")
    home.apply()
    os.utime(home.path("f"), ns=(1, 1))
    plan = home.plan()
    os.unlink(home.path("f"))
    assert [problem.kind for problem in home.apply(plan).problems] == ["vanished"]
    statement = "SELECT first, until, flags & 1, content_id FROM version v JOIN path p ON p.id = path_id WHERE key = ?"
    assert home.rows(statement, b"f") == [(1, 2, 0, 1), (2, None, 1, 1)]
    home.write("other")
    home.apply()
    home.write("f", "second")
    home.apply()
    home.check()


def test_attributes_of_all_kinds_are_stored(home: Home) -> None:
    if os.geteuid():
        pytest.skip("trusted attributes are root's")
    home.write("f")
    os.symlink("f", home.path("link"))
    kinds = {b"user.colour": b"blue", b"trusted.note": b"mine", b"security.label": b"high"}
    for name, value in kinds.items():
        os.setxattr(home.path("f"), name, value)
    os.setxattr(home.path("link"), b"trusted.note", b"of the link", follow_symlinks=False)
    assert home.apply().problems == []
    stored = dict(home.rows("SELECT p.key, xattrs FROM version v JOIN path p ON p.id = path_id"))
    assert decode_xattrs(stored[b"f"]) == kinds
    assert decode_xattrs(stored[b"link"]) == {b"trusted.note": b"of the link"}


def test_flags_of_chattr_are_stored(home: Home) -> None:
    home.write("f")
    home.write("d/in")
    for name, flags in (("f", APPEND_ONLY | NO_DUMP), ("d", NO_DUMP)):
        fd = os.open(home.path(name), os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SET_FLAGS, flags.to_bytes(8, "little"))
        except OSError:
            pytest.skip("this file system, or this user, cannot set them")
        finally:
            os.close(fd)
    try:
        home.apply()
        # A file that is only touched has them too.
        os.chmod(home.path("d/in"), 0o640)
        home.apply()
        rows = home.rows("SELECT p.key, flags FROM version v JOIN path p ON p.id = path_id WHERE until IS NULL")
        stored = {key: flags >> Flag.CHATTR_SHIFT for key, flags in rows}
        assert (stored[b"f"], stored[b"d/"], stored[b"d/in"]) == (APPEND_ONLY | NO_DUMP, NO_DUMP, 0)
    finally:
        subprocess.run(["chattr", "-a", home.path("f")], check=True)
