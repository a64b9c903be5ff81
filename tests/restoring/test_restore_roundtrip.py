"""What was backed up comes back: bytes, names, links, holes, modes, owners, times, attributes."""

from __future__ import annotations

import os
import pathlib
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_runner.spec import Overwrite
from tests.restoring.build import World, tree

_NAME = (
    st.one_of(
        st.binary(min_size=1, max_size=12),
        st.sampled_from(
            [b"\xff\xfe", b"new\nline", b"-rf", b"a" * 255, "\N{SNOWMAN}".encode(), b".hidden", b"*?[", b" "]
        ),
    )
    .map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0"))
    .filter(lambda name: name not in (b".", b".."))
)
_FILE = st.tuples(st.just("file"), st.binary(max_size=9000), st.sampled_from([0o600, 0o644, 0o755, 0o444, 0o4750]))
_LINK = st.tuples(st.just("symlink"), st.sampled_from([b"/etc/passwd", b"../..", b"\xff", b"x" * 300]))
_NODE = st.recursive(
    st.one_of(_FILE, _LINK, st.just(("hardlink",))),
    lambda children: st.tuples(st.just("folder"), st.dictionaries(_NAME, children, max_size=4), st.just(0o750)),
    max_leaves=12,
)  # fmt: skip


def _make(path: bytes, node: tuple, files: list[bytes]) -> None:
    match node:
        case ("file", data, mode):
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, mode)
            os.utime(path, ns=(0, 1_500_000_000_000_000_000 + len(data)))
            files.append(path)
        case ("symlink", target):
            os.symlink(target, path)
        case ("hardlink",) if files:
            os.link(files[-1], path)
        case ("folder", children, mode):
            os.mkdir(path)
            for name, child in children.items():
                _make(path + b"/" + name, child, files)
            os.chmod(path, mode)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_NAME, _NODE, max_size=5))
def test_any_tree_comes_back(nodes: dict[bytes, tuple]) -> None:
    with tempfile.TemporaryDirectory() as root:
        world = World(root)
        files: list[bytes] = []
        for name, node in nodes.items():
            _make(world.base + b"/" + name, node, files)
        world.back_up()
        outcome = world.restore()
        assert outcome.problems == []
        assert tree(world.out) == tree(world.base)
        again = world.restore()
        assert (again.problems, again.bytes) == ([], 0)
        assert tree(world.out) == tree(world.base)


def test_paths_longer_than_the_system_takes_at_once(world: World) -> None:
    at = os.open(world.base, os.O_RDONLY)
    for level in range(90):
        name = b"%02d" % level + b"d" * 60
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
        with open(os.open(b"file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at), "wb") as file:
            file.write(b"%d" % level)
    os.close(at)
    world.back_up()
    outcome = world.restore()
    assert (outcome.problems, outcome.notes) == ([], [])
    assert outcome.counts == {"restored": 90, "folders": 91}
    assert tree(world.out) == tree(world.base)


def test_holes_come_back_as_holes(world: World) -> None:
    with open(world.base + b"/sparse", "wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"middle")
        file.truncate(3 << 20)
    world.back_up()
    world.restore()
    status = os.stat(world.out + b"/sparse")
    assert status.st_blocks * 512 <= 64 << 10
    assert tree(world.out) == tree(world.base)


def test_large_files_over_several_objects_and_workers(tmp_path: pathlib.Path) -> None:
    world = World(str(tmp_path), object_size=9 << 20, segment_size=1 << 20)
    data = os.urandom(1 << 20) * 5 + bytes(10 << 20) + os.urandom(5 << 20) + b"end"
    world.write(b"large", data)
    world.write(b"small")
    os.link(world.base + b"/large", world.base + b"/large too")
    world.back_up()
    for workers in (1, 3):
        outcome = world.restore(workers=workers, overwrite=Overwrite.ALWAYS)
        assert (outcome.problems, outcome.bytes) == ([], len(data) + 4)
        assert tree(world.out) == tree(world.base)


def test_attributes_come_back(world: World) -> None:
    path = world.write(b"file")
    try:
        os.setxattr(path, "user.mime", b"text/\xff")
        os.setxattr(world.base, "user.folder", b"1")
    except OSError:
        pytest.skip("no extended attributes here")
    world.back_up()
    world.restore()
    assert os.getxattr(world.out + b"/file", "user.mime") == b"text/\xff"
    assert os.getxattr(world.out, "user.folder") == b"1"


def test_times_and_modes_of_folders_survive_what_is_written_in_them(world: World) -> None:
    world.write(b"sealed/deep/file")
    for path, mode in ((b"/sealed/deep", 0o555), (b"/sealed", 0o2750), (b"", 0o711)):
        os.chmod(world.base + path, mode)
        os.utime(world.base + path, ns=(5, 1_400_000_000_000_000_005))
    world.back_up()
    world.restore()
    for path, mode in ((b"/sealed/deep", 0o555), (b"/sealed", 0o2750), (b"", 0o711)):
        status = os.stat(world.out + path)
        assert (status.st_mode & 0o7777, status.st_mtime_ns) == (mode, 1_400_000_000_000_000_005)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_and_set_id_bits(world: World) -> None:
    path = world.write(b"program")
    os.chown(path, 1234, 2345)
    os.chmod(path, 0o6755)
    os.symlink(b"program", world.base + b"/link")
    os.chown(world.base + b"/link", 1234, 2345, follow_symlinks=False)
    world.back_up()
    world.restore()
    status = os.stat(world.out + b"/program")
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 2345, 0o6755)
    assert os.lstat(world.out + b"/link").st_uid == 1234
