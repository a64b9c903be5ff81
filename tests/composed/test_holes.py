"""Files that are mostly holes: as fast as their data, compared by their pieces, whatever their holes look like."""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_runner.options import RestoreOptions
from backup_runner.progress import RestoreOutcome, Silent
from backup_runner.restoring.run import restore
from backup_runner.spec import Detect, Overwrite
from tests.support.jobs import Home

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
WHOLE = os.environ.get("PROOF") == "full"


def following(fd: int, at: int) -> int:
    """Where data follows; -1 where none does."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return -1


def data_of(path: str | bytes) -> Iterator[tuple[int, bytes]]:
    """Where a file has bytes other than zeros, and these, in whole blocks."""
    with open(path, "rb", buffering=0) as file:
        at = 0
        while (at := following(file.fileno(), at)) >= 0:
            block = os.pread(file.fileno(), 4096, at)
            if block.strip(b"\0"):
                yield at, block
            at += 4096


def scattered(path: bytes, size: int, data: int, chance: random.Random) -> None:
    """A file of `size` bytes with `data` bytes in ten stretches."""
    with open(path, "wb") as file:
        file.truncate(size)
        for number in range(10):
            file.seek(size // 10 * number + 4096 * chance.randrange(100))
            file.write(chance.randbytes(data // 10))


def restored_again(home: Home) -> RestoreOutcome:
    session = home.session()
    try:
        return restore(
            session, RestoreOptions(to=os.fsencode(f"{home.root}/back"), overwrite=Overwrite.CHANGED), Silent()
        )
    finally:
        session.close()


@pytest.mark.proof
def test_a_terabyte_that_is_mostly_holes(home: Home) -> None:
    scattered(home.path("sparse"), TIB, (100 if WHOLE else 8) * MIB, random.Random(1))
    began = time.monotonic()
    assert home.apply().problems == []
    assert home.restore().problems == []
    took = time.monotonic() - began
    print(f"1 TiB with {100 if WHOLE else 8} MiB of data: {took:.1f} s for apply and restore")
    assert took < (30 if WHOLE else 120)
    back = f"{home.root}/back/sparse"
    assert os.stat(back).st_size == TIB
    assert list(data_of(back)) == list(data_of(home.path("sparse")))
    assert os.stat(back).st_blocks <= os.stat(home.path("sparse")).st_blocks * 1.1


@pytest.fixture
def holes(home: Home) -> Home:
    """A file of 3 GiB that has no hash of all its bytes, backed up and restored."""
    scattered(home.path("sparse"), 3 * GIB, 3 * MIB, random.Random(2))
    home.apply()
    home.restore()
    return home


def touch(path: str | bytes) -> None:
    os.utime(path, (1, 1))


def test_a_second_restore_finds_it_unchanged(holes: Home) -> None:
    back = f"{holes.root}/back/sparse"
    touch(back)
    # Zeros that are written down are zeros.
    with open(back, "r+b") as file:
        file.seek(GIB + 123)
        file.write(bytes(10_000))
    touch(back)
    inode = os.stat(back).st_ino
    outcome = restored_again(holes)
    assert (outcome.counts.get("unchanged"), outcome.counts.get("restored")) == (1, None)
    assert os.stat(back).st_ino == inode


@pytest.mark.parametrize("at", [5000, GIB + 123, 3 * GIB - 1])
def test_a_byte_that_differs_is_found(holes: Home, at: int) -> None:
    back = f"{holes.root}/back/sparse"
    with open(back, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    touch(back)
    assert restored_again(holes).counts.get("restored") == 1
    assert list(data_of(back)) == list(data_of(holes.path("sparse")))


def test_detecting_by_content_sees_no_change(holes: Home) -> None:
    holes.settings["detect"] = Detect.CHECKSUM
    with Path(os.fsdecode(holes.path("sparse"))).open("r+b") as file:
        file.seek(2 * GIB + 321)
        file.write(bytes(200_000))
    assert [line.split()[0] for line in holes.said() if "sparse" in line] == ["touch"]
    with Path(os.fsdecode(holes.path("sparse"))).open("r+b") as file:
        file.seek(2 * GIB + 321)
        file.write(b"x")
    assert [line.split()[0] for line in holes.said() if "sparse" in line] == ["update"]
