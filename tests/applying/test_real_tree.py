"""A tree of real files through the command line: applied, planned again, restored, compared; and what it costs."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import subprocess
import sys
import sysconfig
import threading
import time

import pytest

from tests.support.jobs import assert_same, photograph

FULL = os.environ.get("PROOF") == "full"
FILES = 50_000 if FULL else 1_500
HUGE = (10 << 30) if FULL else (80 << 20)
MIB = 1 << 20


def _tree(root: pathlib.Path) -> int:
    """Copies of this Python's library, as it is installed, until there are enough files; some odd ones besides."""
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    count = copies = 0
    while count < FILES:
        goal = root / f"copy-{copies}"
        copies += 1
        for folder, folders, names in os.walk(library):
            below = goal / os.path.relpath(folder, library)
            below.mkdir(parents=True, exist_ok=True)
            for name in names[: max(0, FILES - count)]:
                shutil.copy2(os.path.join(folder, name), below / name, follow_symlinks=False)
                count += 1
            if count >= FILES:
                folders.clear()
    (root / "link").symlink_to("copy-0")
    (root / "empty").mkdir(mode=0o700)
    return count


def _pss(pid: int) -> int:
    """Bytes of memory of a process and its children, shared pages counted once."""
    pids, total = [pid], 0
    while pids:
        one = pids.pop()
        try:
            with open(f"/proc/{one}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            with open(f"/proc/{one}/task/{one}/children") as file:
                pids += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return total * 1024


def _run(place: pathlib.Path, *arguments: str) -> tuple[int, float, int]:
    """Exit code, seconds, and peak memory in bytes of all processes together."""
    env = {"PATH": os.environ["PATH"], "HOME": str(place)}
    started, peak = time.monotonic(), 0
    command = [sys.executable, "-m", "backup_runner", *arguments]
    process = subprocess.Popen(command, cwd=place, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, _pss(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    return code, time.monotonic() - started, peak


def _compare(place: pathlib.Path) -> None:
    if shutil.which("rsync"):
        command = ["rsync", "-ani", "--checksum", "--delete", f"{place}/data/", f"{place}/back/"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b""
    else:
        assert_same(photograph(str(place / "data")), photograph(str(place / "back")))


def _round(place: pathlib.Path, label: str) -> int:
    """Apply, plan, restore, compare; returns the apply's peak memory."""
    code, seconds, peak = _run(place, "apply", "job.yaml", "--yes")
    assert code == 0
    again, planning, _ = _run(place, "plan", "job.yaml", "--detailed-exitcode")
    assert again == 0
    back, restoring, most = _run(place, "restore", "job.yaml", "--to", "back")
    assert back == 0
    _compare(place)
    print(
        f"\n{label}: apply {seconds:.1f} s, {peak / MIB:.0f} MiB; plan again {planning:.1f} s, exit 0; "
        f"restore {restoring:.1f} s, {most / MIB:.0f} MiB; identical"
    )
    shutil.rmtree(place / "back")
    return peak


@pytest.mark.proof
def test_a_real_tree_comes_back_and_a_huge_file_takes_no_memory(tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    count = _tree(data)
    (tmp_path / "key").write_bytes(b"test-key-0123456789-abcdefghijkl")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "job.yaml").write_text(
        "version: 1\nname: tree\nsources: [{path: ./data}]\nrelative_path: ./data\nsymlinks: store\n"
        "target: {type: directory, path: ./bucket}\nencryption: {key_file: ./key}\ncatalog: ./state/catalog.db\n"
    )
    without = _round(tmp_path, f"{count} files")
    rng = random.Random(3)
    with open(data / "huge", "wb") as file:
        for _ in range(HUGE // (8 * MIB)):
            file.write(rng.randbytes(8 * MIB))
    with_huge = _round(tmp_path, f"{count} files and one of {HUGE >> 20} MiB")
    # A large file works in a window of segments and parts, whatever its size.
    assert with_huge < without + 200 * MIB
    shutil.rmtree(tmp_path)
