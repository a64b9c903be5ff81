"""Large files that change a little: what each tool stores again, and how long it takes.

The first backup is made of the file as it was, then the file is edited in place, and the second backup is measured.
Every tool gets the same bytes: content and edits come from a seed.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import IO

from . import measure
from .data import SEED, compare, describe, fill, programs
from .results import Run
from .rounds import Bench, say
from .tools import TOOLS, Tool, program

SIZE = 512 << 20
IMAGE = 2 << 30
_CHUNK = 1 << 20
_PAGE = 8192
_BLOCK = 4096
_ZERO_RUN = 0.3
"""Share of an image that nobody wrote to."""


def _mixed(rng: random.Random) -> Iterator[bytes]:
    """Random bytes and programs by turns, 1 MiB each or less."""
    code = programs(rng)
    while True:
        yield rng.randbytes(_CHUNK)
        yield next(code)


def _insert(path: str, rng: random.Random) -> None:
    """1,000 bytes near the front."""
    _splice(f"{path}/file", 5_000_000, rng.randbytes(1000))


def _append(path: str, rng: random.Random) -> None:
    with open(f"{path}/file", "ab") as file:
        file.write(rng.randbytes(1000))


def _splice(path: str, at: int, data: bytes) -> None:
    with open(path, "rb") as old, open(f"{path}.new", "wb") as new:
        shutil.copyfileobj(io.BytesIO(old.read(min(at, os.path.getsize(path) // 2))), new)
        new.write(data)
        shutil.copyfileobj(old, new, _CHUNK)
    os.replace(f"{path}.new", path)


def _overwrite(path: str, rng: random.Random, count: int, size: int) -> None:
    """`count` blocks of `size` bytes, aligned, anywhere in the file."""
    with open(f"{path}/file", "r+b") as file:
        blocks = os.path.getsize(f"{path}/file") // size
        for number in rng.sample(range(blocks), min(count, blocks)):
            file.seek(number * size)
            file.write(rng.randbytes(size // 2) + bytes(size // 2))


def _pages(path: str, rng: random.Random) -> None:
    """A database: a few pages in places of their own, and a run of pages at the end of a table."""
    size = os.path.getsize(f"{path}/file")
    _overwrite(path, rng, max(1, size * 60 // (157 << 20)), _PAGE)
    with open(f"{path}/file", "r+b") as file:
        file.seek(size // 2 // _PAGE * _PAGE)
        file.write(b"".join(_page(rng) for _ in range(40)))


def _page(rng: random.Random) -> bytes:
    rows = b"".join(b"%08d|%s|%d\n" % (rng.randrange(10**8), rng.randbytes(12).hex().encode(), n) for n in range(200))
    return rows[:_PAGE].ljust(_PAGE, b"\0")


def _image(path: str, rng: random.Random) -> None:
    """1,000 blocks in an image of 2 GiB."""
    _overwrite(path, rng, max(1, os.path.getsize(f"{path}/file") * 1000 // (2 << 30)), _BLOCK)


def _log(path: str, rng: random.Random) -> None:
    with open(f"{path}/file", "ab") as file:
        fill(file.write, os.path.getsize(f"{path}/file") // 50, lambda: _lines(rng))


def _lines(rng: random.Random) -> bytes:
    return b"".join(
        b"2026-11-%02d %02d:%02d:%02d host-%d service[%d]: request %x took %d ms, status %d\n"
        % (*(rng.randrange(1, 28) for _ in range(4)), rng.randrange(9), rng.randrange(32768), rng.getrandbits(64),
           rng.randrange(5000), rng.choice((200, 200, 200, 304, 404, 500)))
        for _ in range(1000)
    )  # fmt: skip


def _files(rng: random.Random, size: int, changed: random.Random | None) -> Iterator[tuple[str, bytes]]:
    """The files of a tree: with `changed`, one in fifty has other bytes in its middle, and one in a hundred is gone."""
    code, number = programs(rng), 0
    while size > 0:
        data = next(code)[: int(rng.lognormvariate(11, 1.5))]
        size -= len(data) or 1
        number += 1
        if changed is not None and changed.random() < 0.01:
            continue
        if changed is not None and changed.random() < 0.02:
            middle = len(data) // 2
            data = data[:middle] + changed.randbytes(500) + data[middle:]
        yield f"tree/{number % 40}/{number}", data


def _tar(path: str, size: int, changed: random.Random | None) -> None:
    with tarfile.open(f"{path}/file", "w") as archive:
        for name, data in _files(random.Random(SEED), size, changed):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000 + (changed is not None)
            archive.addfile(member, io.BytesIO(data))


def _filled(more: Callable[[random.Random], Iterator[bytes]]) -> Callable[[str, int], None]:
    def make(path: str, size: int) -> None:
        parts = more(random.Random(SEED))
        with open(f"{path}/file", "wb") as file:
            fill(file.write, size, lambda: next(parts))

    return make


def _make_image(path: str, size: int) -> None:
    """Programs, with stretches that nobody wrote to, which are holes."""
    rng = random.Random(SEED)
    code = programs(rng)
    with open(f"{path}/file", "wb") as file:
        file.truncate(size)
        while file.tell() < size:
            _stretch(file, size, code, hole=rng.random() < _ZERO_RUN, length=rng.randrange(1, 16) * _CHUNK)


def _stretch(file: IO[bytes], size: int, code: Iterator[bytes], *, hole: bool, length: int) -> None:
    length = min(length, size - file.tell())
    if hole:
        file.seek(length, os.SEEK_CUR)
    else:
        fill(file.write, length, lambda: next(code))


def _repeat(more: Callable[[random.Random], bytes]) -> Callable[[random.Random], Iterator[bytes]]:
    def parts(rng: random.Random) -> Iterator[bytes]:
        while True:
            yield more(rng)

    return parts


Maker = Callable[[str, int], None]
Edit = Callable[[str, random.Random], None]
EDITS: dict[str, tuple[Maker, Edit | None]] = {
    "insert": (_filled(_mixed), _insert),
    "append": (_filled(_mixed), _append),
    "pages": (_filled(_repeat(_page)), _pages),
    "image": (_make_image, _image),
    "log": (_filled(_repeat(_lines)), _log),
    "tar": (lambda path, size: _tar(path, size, None), None),
}
"""How the file is made, and what is done to it; the tar is written again, of changed files."""
SCATTERED = ("pages", "image")


def run(bench: Bench) -> None:
    """Each edit with each tool, round after round."""
    for name, (make, edit) in EDITS.items():
        size = max(1 << 20, round((IMAGE if name == "image" else SIZE) * bench.scale))
        for number in range(bench.rounds):
            for label in bench.tools:
                if program(TOOLS[label]("", "").name) is None:
                    bench.results.fact(f"absent-{label}", True)
                elif not bench.results.has(f"edits-{name}", label, "edit", number):
                    data = f"{bench.folder}/data/edits-{name}"
                    shutil.rmtree(data, ignore_errors=True)
                    os.makedirs(data)
                    make(data, size)
                    _measure(bench, name, TOOLS[label](f"{bench.folder}/site", data), (label, number), edit)
                    shutil.rmtree(data)


def _measure(bench: Bench, name: str, tool: Tool, run_of: tuple[str, int], edit: Edit | None) -> None:
    bench.results.fact(f"version-{run_of[0]}", tool.version())
    bench.results.fact(f"data-edits-{name}", describe(tool.data))
    tool.begin()
    _work(bench, f"edits-{name}", tool, "new", run_of)
    if edit is None:
        _tar(tool.data, os.path.getsize(f"{tool.data}/file"), random.Random(SEED + 1))
    else:
        edit(tool.data, random.Random(SEED + 1))
    _work(bench, f"edits-{name}", tool, "edit", run_of)
    if run_of == ("us", 0):
        _work(bench, f"edits-{name}", tool, "restore", run_of)
        compare(tool.data, tool.back, times=True)
    tool.end()


def _work(bench: Bench, name: str, tool: Tool, work: str, run_of: tuple[str, int]) -> None:
    before = tool.stored() if work != "new" else 0
    label, number = run_of
    found = measure.run(
        tool.commands(work), folder=tool.work_folder(work), log=f"{tool.site}/output.log", env=tool.env,
        sample=measure.SAMPLE_SECONDS,
    )  # fmt: skip
    run: Run = {
        "set": name, "scale": bench.scale, "tool": label, "work": work, "round": number, "when": int(time.time()),
        "seconds": found.seconds, "cpu": found.cpu, "peak": found.peak, "others": found.others,
        "stored": tool.stored() - before if work != "restore" else None,
    }  # fmt: skip
    bench.results.forget_run(name, label, work, number)
    bench.results.add(run)
    say(f"{name} {label} {work} #{number + 1}: {found.seconds:.2f} s, {found.peak / 1e6:.0f} MB of memory"
        + (f", {run['stored'] / 1e6:.2f} MB stored" if run["stored"] is not None else ""))  # fmt: skip
