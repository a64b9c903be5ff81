"""Opening and looking at entries: long paths, fifos, permissions, attributes."""

import errno
import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from backup_runner.records import Entry, Problem
from backup_runner.source.tree import Tree
from backup_runner.source.walk import (
    ScanOptions,
    ScanSource,
    ScanTotals,
    is_mount_point,
    mount_point_of,
    read_changed,
    read_xattrs,
    scan,
)
from backup_runner.spec import Symlinks

T = TypeVar("T")
NOBODY = 65534


def below(base: bytes) -> Tree:
    return Tree([(b"", base)])


def read(base: bytes, key: bytes) -> bytes:
    with open(below(base).open(key)[0], "rb") as file:
        return file.read()


@pytest.fixture
def base() -> Iterator[bytes]:
    """Removed by rm, which, unlike shutil, is not afraid of depth. Others may enter it."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    yield os.fsencode(folder)
    subprocess.run(["rm", "-rf", "--", folder], check=True)


def dig(base: bytes, name: bytes, levels: int) -> bytes:
    """A chain of folders with a file and a symlink at its end; returns the end's key."""
    at = os.open(base, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    file = os.open(b"file", os.O_CREAT | os.O_WRONLY, dir_fd=at)
    os.write(file, b"deep")
    os.close(file)
    os.symlink(b"over/there", b"link", dir_fd=at)
    os.close(at)
    return (name + b"/") * levels


@pytest.mark.parametrize(("name", "levels"), [(b"d", 3000), (b"n" * 255, 40), (b"five5", 681), (b"five5", 682)])
def test_paths_beyond_path_max_are_scanned_and_read(base: bytes, name: bytes, levels: int) -> None:
    end = dig(base, name, levels)
    totals, problems = ScanTotals(), list[Problem]()
    options = ScanOptions(symlinks=Symlinks.STORE)
    batches = scan([ScanSource(base, b"")], options, totals=totals, on_problem=problems.append)
    keys = [entry.key for batch in batches for entry in batch]
    assert keys == [*((name + b"/") * level for level in range(levels + 1)), end + b"file", end + b"link"]
    assert (problems, totals.unlisted) == ([], [])
    assert read(base, end + b"file") == b"deep"
    assert below(base).status(end + b"file").st_size == 4
    assert below(base).link(end + b"link") == b"over/there"


def test_lengths_around_path_max(base: bytes) -> None:
    """One byte below, at, and above what one call takes: the file is read all the same."""
    end = dig(base, b"n" * 205, 19)
    for total in range(4090, 4101):
        name = b"x" * (total - len(base) - 1 - len(end))
        parent = open_folder_of(base, end)
        os.close(os.open(name, os.O_CREAT, dir_fd=parent))
        os.close(parent)
        assert read(base, end + name) == b""


def open_folder_of(base: bytes, key: bytes) -> int:
    at = os.open(base, os.O_RDONLY)
    for name in key.rstrip(b"/").split(b"/"):
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    return at


def test_an_impossible_name_is_an_os_error(base: bytes) -> None:
    with pytest.raises(OSError, match="too long"):
        below(base).open(b"x" * 5000)


def test_a_fifo_never_blocks_and_a_symlink_is_never_opened(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    os.mkfifo(root + b"/fifo")
    os.symlink(b"/etc/hostname", root + b"/link")
    with pytest.raises(OSError, match="regular") as fifo:
        below(root).open(b"fifo")
    assert fifo.value.errno == errno.EINVAL
    with pytest.raises(OSError) as link:
        below(root).open(b"link")
    assert link.value.errno == errno.ELOOP


def test_only_the_way_to_a_source_leads_through_symlinks(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    os.makedirs(root + b"/real/d")
    (tmp_path / "real/d/f").write_bytes(b"data")
    os.symlink(b"real", root + b"/link")
    os.symlink(b"d", root + b"/real/e")
    tree = Tree([(b"link/", root + b"/link"), (b"one", root + b"/link/e/f")])
    for key in (b"link/d/f", b"one"):
        fd, status = tree.open(key)
        os.close(fd)
        assert tree.status(key).st_ino == status.st_ino == os.stat(root + b"/real/d/f").st_ino
    for look in (tree.open, tree.status, tree.link, tree.xattrs):
        with pytest.raises(OSError) as refused:
            look(b"link/e/f")
        assert refused.value.errno in (errno.ELOOP, errno.ENOTDIR)
    for key in (b"link/../link/d/f", b"elsewhere"):
        with pytest.raises(OSError) as outside:
            tree.status(key)
        assert outside.value.errno in (errno.EXDEV, errno.ENOENT)


def test_entries_are_looked_at_without_following(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    os.symlink(b"/", root + b"/d")
    os.setxattr(root, b"user.colour", b"blue")
    assert below(root).status(b"d/").st_ino == os.lstat(root + b"/d").st_ino
    assert below(root).link(b"d") == b"/"
    assert below(root).status(b"").st_ino == os.stat(root).st_ino
    assert below(root).xattrs(b"") == {b"user.colour": b"blue"}
    assert below(b"/").status(b"").st_ino == os.stat("/").st_ino
    assert below(b"/").status(root[1:] + b"/d").st_ino == os.lstat(root + b"/d").st_ino


def test_access_times_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"data")
    os.utime(file, ns=(10**18, 2 * 10**18))
    assert read(os.fsencode(tmp_path), b"f") == b"data"
    assert file.stat().st_atime_ns == 10**18


def as_nobody(act: Callable[[], T]) -> T:
    """Run in a child without root's rights; directly where this is no root to begin with."""
    if os.geteuid() != 0:
        return act()
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            os.write(there, pickle.dumps(act()))
        finally:
            os._exit(0)
    os.close(there)
    with open(here, "rb") as answer:
        data = answer.read()
    os.waitpid(child, 0)
    value: T = pickle.loads(data)
    return value


def test_what_cannot_be_read_is_named_and_protected(base: bytes) -> None:
    os.makedirs(base + b"/closed/below")
    os.makedirs(base + b"/blind/below")
    os.close(os.open(base + b"/blind/file", os.O_CREAT))
    os.makedirs(base + b"/open")
    os.chmod(base + b"/closed", 0)
    os.chmod(base + b"/blind", 0o744 if os.geteuid() == 0 else 0o400)

    def act() -> tuple[list[Entry], list[bytes], list[Problem]]:
        totals, problems = ScanTotals(), list[Problem]()
        batches = scan([ScanSource(base, b"")], ScanOptions(), totals=totals, on_problem=problems.append)
        return [entry for batch in batches for entry in batch], totals.unlisted, problems

    entries, unlisted, problems = as_nobody(act)
    os.chmod(base + b"/closed", 0o755)
    os.chmod(base + b"/blind", 0o755)
    assert [entry.key for entry in entries] == [b"", b"blind/", b"closed/", b"open/"]
    assert [(problem.key, problem.kind) for problem in problems] == [
        (b"blind/below/", "unreadable"), (b"blind/file", "unreadable"), (b"closed/", "unreadable"),
    ]  # fmt: skip
    assert {problem.message for problem in problems} == {"Permission denied"}
    assert unlisted == [b"blind/below/", b"blind/file", b"blind/file/", b"closed/"]


def test_a_source_behind_a_closed_folder_is_unreadable_not_missing(base: bytes) -> None:
    os.makedirs(base + b"/closed/s")
    os.chmod(base + b"/closed", 0)

    def act() -> tuple[list[bytes], list[Problem]]:
        totals, problems = ScanTotals(), list[Problem]()
        source = ScanSource(base + b"/closed/s", b"s")
        assert not list(scan([source], ScanOptions(), totals=totals, on_problem=problems.append))
        return totals.missing, problems

    missing, problems = as_nobody(act)
    os.chmod(base + b"/closed", 0o755)
    assert missing == [b"s"]
    assert problems == [Problem(b"s", "unreadable", "Permission denied")]


def test_files_of_others_are_read_all_the_same(base: bytes) -> None:
    """O_NOATIME is for owners; everyone else reads without it."""
    with open(base + b"/f", "wb") as out:
        out.write(b"data")
    assert as_nobody(lambda: read(base, b"f")) == b"data"


def test_xattrs_by_path_and_by_descriptor(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "f")
    (tmp_path / "f").write_bytes(b"")
    assert read_xattrs(path) == {}
    try:
        os.setxattr(path, "user.colour", b"blue\0green")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    os.symlink(path, tmp_path / "link")
    fd, _ = below(os.fsencode(tmp_path)).open(b"f")
    assert read_xattrs(fd) == read_xattrs(path) == {b"user.colour": b"blue\0green"}
    os.close(fd)
    assert read_xattrs(os.fsencode(tmp_path / "link")) == {}


def test_a_moved_file_shows(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"1")
    before = file.stat()
    assert not read_changed(before, file.stat())
    file.write_bytes(b"22")
    assert read_changed(before, file.stat())


def test_mount_points(tmp_path: Path) -> None:
    assert is_mount_point(b"/")
    assert not is_mount_point(os.fsencode(tmp_path))
    assert not is_mount_point(os.fsencode(tmp_path / "none"))
    if os.path.exists("/proc/self/mountinfo"):
        os.symlink("/proc", tmp_path / "link")
        assert is_mount_point(os.fsencode(tmp_path / "link"))
        assert mount_point_of(b"/proc/self/no/such/thing").startswith(b"/proc")
    assert is_mount_point(mount_point_of(os.fsencode(tmp_path / "none" / "below")))
