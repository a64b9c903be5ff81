"""An owner of a folder swaps it for a symlink and back while root backs it up: nothing from the other side gets in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from backup_runner.errors import GuardError
from tests.support.jobs import Home

SWAPPER = """
import ctypes, os, sys
one, other = (os.fsencode(name) for name in sys.argv[1:3])
call = ctypes.CDLL(None, use_errno=True).renameat2
print("ready", flush=True)
while True:
    assert call(-100, one, -100, other, 2) == 0  # RENAME_EXCHANGE
"""
FILES = 300


@contextmanager
def swapping(one: bytes, other: bytes) -> Iterator[None]:
    """The two change places all the time."""
    process = subprocess.Popen([sys.executable, "-c", SWAPPER, one, other], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def fill(folder: bytes, text: bytes, mode: int) -> None:
    os.makedirs(folder + b"/sub")
    os.symlink(b"to " + text, folder + b"/link")
    for number in range(FILES):
        path = folder + b"/%03d" % number
        with open(path, "wb") as file:
            file.write(text)
        os.setxattr(path, "user.text", text)
        os.chmod(path, mode)
    os.chmod(folder + b"/sub", mode | 0o100)


@pytest.mark.parametrize("detect", ["mtime", "checksum"])
def test_nothing_comes_in_through_a_folder_that_is_swapped(tmp_path: Path, detect: str) -> None:
    home = Home(str(tmp_path))
    secret = os.fsencode(tmp_path / "secret")
    fill(secret, b"of root alone", 0o600)
    with open(secret + b"/only-there", "w"):
        pass
    fill(home.path("d"), b"mine", 0o644)
    os.symlink(secret, home.path("e"))
    mine = os.open(home.path("d"), os.O_RDONLY)
    home.apply()
    with swapping(home.path("d"), home.path("e")):
        for number in range(6):
            for name in range(FILES):
                os.utime(b"%03d" % name, ns=(number, number), dir_fd=mine)
            # So many files that come and go may stop the run, which is as good.
            with suppress(GuardError):
                home.apply(checksum=detect == "checksum")
    rows = home.rows(
        "SELECT p.key, v.kind, v.size, v.mode, v.link, v.xattrs FROM version v JOIN path p ON p.id = v.path_id"
    )
    os.close(mine)
    own = [row for row in rows if row[0].startswith(b"d/") and row[0] != b"d/"]
    assert len({row[0] for row in own}) == FILES + 2
    leaked = [
        row
        for row in rows
        if row[0].endswith(b"only-there") or row[2] == len(b"of root alone") or row[3] in (0o600, 0o700)
        or b"of root" in (row[4] or b"") or (row[1] == 0 and b"b2Ygcm9vdC" in (row[5] or b""))
    ]  # fmt: skip
    assert leaked == []
