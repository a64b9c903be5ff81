"""The data sets: small (files of installed packages), big (half random, half programs), million (8 bytes each).

Made once below the work folder and used again; which files are taken, and the random bytes, come from a seed.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator

SEED = 7
SMALL_FILES, SMALL_LIMIT = 60_000, 16 << 20
BIG_BYTES = 2 << 30
MILLION = 1_000_000
_FOLDER_FILES = 1000
_PROGRAM = 64 << 10
_CHUNK = 1 << 20
_INSTALLED = "/usr"


def make(name: str, scale: float, folder: str) -> str:
    """The folder of a data set, made if it is not there yet, with its bytes in the page cache."""
    path = f"{folder}/{name}-{scale:g}"
    if not os.path.exists(f"{path}.done"):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        _MAKERS[name.partition("-")[0]](path, scale)
        os.sync()
        with open(f"{path}.done", "w", encoding="utf-8") as file:
            file.write(describe(path))
    warm(path)
    return path


def describe(path: str) -> str:
    """How many files and bytes are below a folder."""
    sizes = [os.lstat(file).st_size for file in files(path)]
    return f"{len(sizes):,} files, {sum(sizes) / 1e6:,.1f} MB"


def files(path: str) -> Iterator[str]:
    """All regular files below a folder, in the order of a walk."""
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield f"{folder}/{name}"


def _small(path: str, scale: float) -> None:
    count = max(1, round(SMALL_FILES * scale))
    found = list(_installed(lambda status: status.st_size <= SMALL_LIMIT))
    rng = random.Random(SEED)
    for source, _ in rng.sample(found, min(count, len(found))):
        goal = path + source
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        shutil.copyfile(source, goal)
    for number in range(count - len(found)):
        # A machine with few packages: the rest is text of a small vocabulary.
        with open(f"{path}/generated-{number:06}", "wb") as file:
            words = rng.choices(range(4096), k=int(rng.lognormvariate(7, 2)) % 100_000)
            file.write(b" ".join(b"word%d" % word for word in words))


def _big(path: str, scale: float) -> None:
    quarter = max(1, round(BIG_BYTES * scale)) // 4
    rng = random.Random(SEED)
    with open(f"{path}/random.bin", "wb") as file:
        fill(file.write, 2 * quarter, lambda: rng.randbytes(_CHUNK))
    code = programs(rng)
    for name in ("programs-1.bin", "programs-2.bin"):
        with open(f"{path}/{name}", "wb") as file:
            fill(file.write, quarter, lambda: next(code))


def fill(write: Callable[[bytes], int], size: int, more: Callable[[], bytes]) -> None:
    while size > 0:
        data = more()[:size]
        write(data)
        size -= len(data)


def programs(rng: random.Random) -> Iterator[bytes]:
    """Programs and libraries, each once; from the start again if there are too few of them."""
    kinds = list(
        _installed(
            lambda status: status.st_size >= _PROGRAM and (bool(status.st_mode & 0o100) or status.st_size > 1 << 20)
        )
    )
    rng.shuffle(kinds)
    while True:
        for path, _ in kinds:
            with open(path, "rb") as file:
                while data := file.read(_CHUNK):
                    yield data


def _million(path: str, scale: float) -> None:
    count = max(1, round(MILLION * scale))
    for number in range(count):
        if number % _FOLDER_FILES == 0:
            folder = f"{path}/{number // _FOLDER_FILES:04}"
            os.mkdir(folder)
        with open(f"{folder}/{number % _FOLDER_FILES:03}.txt", "wb", buffering=0) as file:
            file.write(b"%08d" % number)


def _installed(wanted: Callable[[os.stat_result], bool]) -> Iterator[tuple[str, int]]:
    """Readable files of installed packages, sorted; each inode once."""
    seen = set()
    for path in files(_INSTALLED):
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode) and wanted(status) and status.st_ino not in seen and os.access(path, os.R_OK):
            seen.add(status.st_ino)
            yield path, status.st_size


def warm(path: str) -> None:
    """Read everything once, so that it is in the page cache and its atimes are settled."""
    for name in files(path):
        with open(name, "rb", buffering=0) as file:
            while file.read(_CHUNK):
                pass


_MAKERS = {"small": _small, "big": _big, "million": _million}


class Differs(Exception):
    """What came back is not what went in."""


def compare(source: str, back: str, *, times: bool) -> None:
    """Raise Differs unless two trees hold the same files with the same bytes (and, with `times`, mtime and mode)."""
    there, here = list(_relative(source)), list(_relative(back))
    if there != here:
        raise Differs(f"{back}: {len(here)} files instead of {len(there)}")
    for name in there:
        one, two = f"{source}/{name}", f"{back}/{name}"
        first, second = os.stat(one), os.stat(two)
        same = not times or (first.st_mtime_ns, first.st_mode) == (second.st_mtime_ns, second.st_mode)
        if first.st_size != second.st_size or not same or _digest(one) != _digest(two):
            raise Differs(f"{two} is not {one}")


def _relative(path: str) -> Iterator[str]:
    return (name[len(path) + 1 :] for name in files(path))


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").digest()
