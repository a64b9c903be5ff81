"""`kill -9` at random moments of a real apply, and Ctrl-C: the next apply goes on, and nothing is lost or left."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from backup_runner.catalog import Catalog
from backup_runner.container.keys import CryptoKey, Keyring
from tests.support.jobs import assert_same, files_below, photograph, stored_contents, stored_twice

FULL = os.environ.get("PROOF") == "full"
KILLS = 100 if FULL else 6
MIB = 1 << 20
LARGE = (200 if FULL else 70) * MIB
KEY = b"test-key-0123456789-abcdefghijkl"


@dataclass
class Place:
    """A job for the command line, in a folder of its own."""

    root: pathlib.Path

    @property
    def data(self) -> pathlib.Path:
        return self.root / "data"

    @property
    def bucket(self) -> pathlib.Path:
        return self.root / "bucket"

    def set_up(self) -> None:
        self.data.mkdir()
        (self.root / "key").write_bytes(KEY)
        (self.root / "key").chmod(0o600)
        (self.root / "job.yaml").write_text(
            "version: 1\nname: killed\nsources: [{path: ./data}]\nrelative_path: ./data\nsymlinks: store\n"
            "target: {type: directory, path: ./bucket}\nencryption: {key_file: ./key}\ncatalog: ./state/catalog.db\n"
            "guards: {max_change_percent: 100, max_delete_percent: 100}\n"
        )

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "backup_runner", *arguments],
            cwd=self.root,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.root),
                "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.command(*arguments)
        out, _ = process.communicate(timeout=300)
        return process.returncode, out.decode()

    def apply(self) -> None:
        code, out = self.run("apply", "job.yaml", "--yes", "--workers", "2")
        assert code == 0, out

    def check(self) -> None:
        """Exact, nothing stored twice, nothing left lying about."""
        shutil.rmtree(self.root / "back", ignore_errors=True)
        code, out = self.run("restore", "job.yaml", "--to", "back")
        assert code == 0, out
        if FULL:
            code, out = self.run("plan", "job.yaml", "--detailed-exitcode")
            assert code == 0, out
        assert_same(photograph(str(self.data)), photograph(str(self.root / "back")))
        assert stored_twice(stored_contents(str(self.bucket), Keyring(CryptoKey(KEY)))) == []
        assert self.strays() == []

    def strays(self) -> list[str]:
        """What no run should leave: temporary files in bucket, work directory and next to the catalog."""
        bucket = [name for name in files_below(str(self.bucket)) if name.startswith((".tmp", ".uploads"))]
        lease = [name for name in files_below(str(self.bucket)) if "/lease/" in name]
        ours = {f"catalog.db{ending}" for ending in ("", ".lock", ".seen", ".host-key")}
        state = set(files_below(str(self.root / "state"))) - ours
        work = [
            name for name in files_below(str(self.root / ".backup-runner")) if not name.endswith((".log", ".jsonl"))
        ]
        return sorted([*bucket, *lease, *state, *work])

    def catalog_value(self, query: str) -> object:
        cat = Catalog(str(self.root / "state" / "catalog.db"), create=False)
        with contextlib.closing(cat):
            return cat.conn.execute(query).fetchone()[0]


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    found = Place(tmp_path)
    found.set_up()
    return found


def small_files(place: Place, source: random.Random, count: int) -> None:
    """Add and alter small files, a few of them equal."""
    for number in range(count):
        path = place.data / f"folder{source.randrange(20)}" / f"file{source.randrange(3000)}"
        path.parent.mkdir(exist_ok=True)
        size = source.choice((0, 10, 3000, 40_000, 700_000))
        path.write_bytes(b"equal" if number % 9 == 0 else source.randbytes(size))


def large_file(path: pathlib.Path, source: random.Random, size: int = LARGE) -> None:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(source.randbytes(MIB))


def change(place: Place, source: random.Random, number: int) -> None:
    small_files(place, source, 250 if FULL else 120)
    if number % (3 if FULL else 6) == 0:
        large_file(place.data / "large", source)
    for path in source.sample(sorted(place.data.glob("folder*/*")), 5):
        path.unlink()


def kill(process: subprocess.Popen[bytes], *, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def wait_until_gone(group: int) -> None:
    """Workers of a killed main process leave by themselves, soon."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("workers outlive the main process")


@pytest.mark.proof
def test_kill_at_random_moments(place: Place) -> None:
    """A kill, an apply and a whole check, again and again over one bucket and catalog."""
    source = random.Random(20)
    duration = 4.0
    for number in range(KILLS):
        change(place, source, number)
        process = place.command("apply", "job.yaml", "--yes", "--workers", "2")
        moment = source.random() ** 1.2 * duration
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        finished = process.poll() is not None
        group = number % 2 == 0
        kill(process, group=group)
        # A killed process that waits for the disk is not dead yet, and workers without a main process leave soon.
        wait_until_gone(process.pid)
        started = time.monotonic()
        place.apply()
        if finished:  # noqa: SIM108 - two sentences
            duration = max(1.0, duration * 0.9)
        else:
            duration = max(duration, 1.3 * (time.monotonic() - started))
        print(f"kill {number} after {moment:.2f} s, {'group' if group else 'main'}, finished: {finished}", flush=True)
        place.check()


def interrupted(place: Place, *, when: str) -> Iterator[subprocess.Popen[bytes]]:
    process = place.command("apply", "job.yaml", "--yes", "--workers", "2")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = list(place.bucket.glob(when))
        if found:
            break
        time.sleep(0.01)
    yield process


def test_ctrl_c_records_what_is_finished(place: Place) -> None:
    source = random.Random(3)
    for number in range(300):
        (place.data / f"small{number}").write_bytes(source.randbytes(20_000))
    large_file(place.data / "zlarge", source, 80 * MIB)
    for process in interrupted(place, when="*/data/*"):
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130, out.decode()
        assert b"Traceback" not in out
    assert place.catalog_value("SELECT status FROM snapshot") == "partial"
    assert place.catalog_value("SELECT count(*) FROM version v WHERE kind = 0") == 300
    code, out = place.run("plan", "job.yaml")
    assert code == 0
    assert "1 to upload" in out or "zlarge" in out
    place.apply()
    place.check()


def many_small_files(place: Place, *, seed: int) -> None:
    """As much as an apply needs some seconds for."""
    source = random.Random(seed)
    for number in range(600):
        (place.data / f"small{number}").write_bytes(source.randbytes(300_000))


def test_ctrl_c_twice_stops_at_once(place: Place) -> None:
    many_small_files(place, seed=4)
    for process in interrupted(place, when=".tmp/*"):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130, out.decode()
        assert time.monotonic() - started < 2
        assert b"Traceback" not in out
        wait_until_gone(process.pid)
    place.apply()
    place.check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_at_once_records_what_is_finished(place: Place, number: int) -> None:
    """As a service manager that stops a unit, or a terminal, sends it: workers too, which must not die of it."""
    many_small_files(place, seed=5)
    for process in interrupted(place, when="*/data/*"):
        os.killpg(process.pid, number)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130, out.decode()
        assert b"by itself" not in out
    assert place.catalog_value("SELECT status FROM snapshot") == "partial"
    assert place.catalog_value("SELECT count(*) FROM version WHERE kind = 0") > 0
    place.apply()
    place.check()


def test_a_worker_that_is_killed_is_named(place: Place) -> None:
    """By the kernel, for want of memory: the run says so, and the next one goes on."""
    many_small_files(place, seed=6)
    for process in interrupted(place, when="*/data/*"):
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 1, out.decode()
        assert b"a worker process died" in out
        assert b"ran out of memory" in out
    place.apply()
    place.check()
