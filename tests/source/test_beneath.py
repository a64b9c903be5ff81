"""Opening below a folder, with openat2(2) and, in a sandbox that refuses it, one folder at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from backup_runner import beneath
from tests.support.seccomp import OPENAT2, with_refused

WAYS = ["openat2", "one by one"]


def both_ways(way: str, act: Callable[[], None]) -> None:
    assert beneath._openat2() is not None
    if way == "openat2":
        return act()

    def refused() -> bool:
        beneath._openat2.cache_clear()
        assert beneath._openat2() is None
        act()
        return True

    assert with_refused({OPENAT2: errno.ENOSYS}, refused)
    return None


@pytest.mark.parametrize("way", WAYS)
def test_only_what_lies_below_is_opened(way: str, tmp_path: Path) -> None:
    (tmp_path / "root/in").mkdir(parents=True)
    (tmp_path / "root/in/file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    (tmp_path / "root/out").symlink_to(tmp_path)
    (tmp_path / "root/in/alias").symlink_to("file")

    def look() -> None:
        at = os.open(tmp_path / "root", os.O_RDONLY | os.O_DIRECTORY)
        fd = beneath.open_beneath(b"in/file", os.O_RDONLY, at=at)
        assert os.read(fd, 100) == b"inside"
        assert not os.get_inheritable(fd)
        made = beneath.open_beneath(b"in/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, at=at)
        assert os.fstat(made).st_mode & 0o777 == 0o600
        refused = {
            b"out/secret": (errno.ELOOP, errno.ENOTDIR), b"in/alias": (errno.ELOOP,), b"../secret": (errno.EXDEV,),
            b"in/../../secret": (errno.EXDEV,), b"/etc/hostname": (errno.EINVAL,), b"in/file\0x": (errno.EINVAL,),
            b"in/none": (errno.ENOENT,), b"in/" + b"x" * 5000: (errno.ENAMETOOLONG,),
        }  # fmt: skip
        for path, numbers in refused.items():
            with pytest.raises(OSError) as error:
                beneath.open_beneath(path, os.O_RDONLY, at=at)
            assert error.value.errno in numbers, path
        for opened in (fd, made, at):
            os.close(opened)

    both_ways(way, look)


@pytest.mark.parametrize("way", WAYS)
def test_paths_longer_than_one_call_takes(way: str, tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(50):
        os.mkdir(b"n" * 200, dir_fd=here)
        below = os.open(b"n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    wanted = os.fstat(here)
    os.close(here)

    def look() -> None:
        at = os.open(tmp_path, os.O_RDONLY)
        fd = beneath.open_beneath(b"/".join([b"n" * 200] * 50), os.O_RDONLY | os.O_DIRECTORY, at=at)
        assert os.path.samestat(os.fstat(fd), wanted)
        os.close(fd)
        os.close(at)

    both_ways(way, look)
