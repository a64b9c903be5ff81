"""Plan files that are small and unpack to gigabytes, have endless lines, or are no files at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import zstandard

from backup_runner.errors import PlanFileError
from backup_runner.planning.opening import open_plan
from backup_runner.planning.unpacking import LONGEST
from tests.cli.conftest import Place
from tests.support.forging import digest, parts

MIB = 1 << 20

OPENING = """
import sys, time
from backup_runner.errors import PlanFileError
from backup_runner.planning.opening import open_plan
from tests.support.measured import forget_peak, peak
before, started = forget_peak(), time.process_time()
try:
    open_plan(sys.argv[1])
except PlanFileError as error:
    print(error.message)
else:
    print("taken")
print(time.process_time() - started, (peak() - before) >> 10)
"""


def opened(path: Path) -> tuple[str, float, int]:
    """What opening a plan in a process of its own says, how many seconds of work that is, and how many MiB."""
    done = subprocess.run(
        [sys.executable, "-c", OPENING, str(path)], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    said, figures = done.stdout.rsplit("\n", 2)[0:2]
    seconds, memory = figures.split()
    return said, float(seconds), int(memory)


@pytest.fixture
def header(place: Place) -> bytes:
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    return (place.root / "saved.plan").read_bytes().splitlines(keepends=True)[0]


def packed(path: Path, chunks: Iterable[bytes], **settings: int) -> None:
    with path.open("wb") as raw, zstandard.ZstdCompressor(level=3, **settings).stream_writer(raw) as out:
        for chunk in chunks:
            out.write(chunk)


LINE = b'{"kind":"action","action":"remove","path":"a","type":"file","size":0,"mtime_ns":0,"ctime_ns":0,"why":"x"}\n'
BOMBS: dict[str, Callable[[bytes], Iterable[bytes]]] = {
    "zeros": lambda header: (bytes(MIB) for _ in range(4100)),
    "a header and zeros": lambda header: [header, *(bytes(MIB) for _ in range(1500))],
    "a header without an end": lambda header: [header[:-2], *(b" " * MIB for _ in range(1500))],
    "empty lines": lambda header: [header, *(b"\n" * MIB for _ in range(1500))],
    "equal lines": lambda header: [header, *(LINE * 10_000 for _ in range(1000))],
    "nested lists": lambda header: [header, b'{"a":' + b"[" * (3 * MIB)],
    "many lists": lambda header: [b'{"kind":"header","format":1,"x":[' + b"[]," * MIB + b"0]}\n"],
    "endless header": lambda header: [b'{"kind":"header","format":1,"x":"', *(b"x" * MIB for _ in range(1500))],
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path, header: bytes, bomb: str) -> None:
    path = tmp_path / "bomb.zst"
    packed(path, BOMBS[bomb](header))
    said, seconds, memory = opened(path)
    print(f"{bomb}: {path.stat().st_size} B, {seconds:.2f} s, {memory} MiB: {said}")
    assert said.startswith(f"{path}: ")
    assert seconds < 5
    assert memory < 200


@pytest.mark.parametrize("size", [1 << 40, 64 * MIB])
def test_a_sparse_file(tmp_path: Path, header: bytes, size: int) -> None:
    path = tmp_path / "sparse"
    path.write_bytes(header)
    os.truncate(path, size)
    said, seconds, memory = opened(path)
    assert "a line of the plan is longer than 4 MiB" in said
    assert (seconds < 2, memory < 200) == (True, True)


def test_a_window_of_gigabytes(tmp_path: Path, header: bytes) -> None:
    params = zstandard.ZstdCompressionParameters(window_log=30)
    path = tmp_path / "window.zst"
    with path.open("wb") as raw, zstandard.ZstdCompressor(compression_params=params).stream_writer(raw) as out:
        out.write(header * 1000)
    said, _, memory = opened(path)
    assert "cannot be decompressed" in said
    assert memory < 200


def test_a_plan_that_another_zstd_packed_is_read(place: Place, header: bytes) -> None:
    plain = (place.root / "saved.plan").read_bytes()
    (place.root / "again").write_bytes(zstandard.ZstdCompressor(level=19).compress(plain))
    assert len(list(open_plan(str(place.root / "again")).actions())) == 4


@pytest.mark.parametrize("more", [b"more", b"\n", zstandard.ZstdCompressor().compress(b"more\n")])
def test_nothing_stands_behind_the_end_of_a_packed_plan(place: Place, header: bytes, more: bytes) -> None:
    packed_plan = zstandard.ZstdCompressor().compress((place.root / "saved.plan").read_bytes())
    (place.root / "longer").write_bytes(packed_plan + more)
    with pytest.raises(PlanFileError):
        open_plan(str(place.root / "longer"))


def test_a_fifo_or_a_device_is_not_waited_for(place: Place) -> None:
    os.mkfifo(place.root / "fifo")
    for name in ("fifo", "/dev/zero", "."):
        shown = place.run("show", name)
        assert shown.code == 1
        assert "not a regular file" in shown.err


def test_what_was_checked_is_what_is_read_later(place: Place, header: bytes) -> None:
    saved = place.root / "saved.plan"
    plan = open_plan(str(saved))
    assert plan.marks is not None
    assert plan.marks.file == digest(saved)
    before = list(plan.lines())
    saved.write_bytes(header + LINE)
    assert list(plan.lines()) == before
    assert len(list(plan.actions())) == 4
    plan.close()


def test_a_line_that_could_not_be_read_again_is_not_saved(place: Place, header: bytes) -> None:
    saved = place.root / "saved.plan"
    plan = open_plan(str(saved))
    plan.marks = None
    assert plan.spool is not None
    plan.spool.write(b"x" * (LONGEST + 1) + b"\n")
    plan.spool.flush()
    with pytest.raises(PlanFileError, match="longer than"):
        plan.save(str(place.root / "other"))
    assert not (place.root / "other").exists()
    assert parts(saved)[0]["job"] == "job"
