"""What an apply says of its progress under a limit, after an interruption, and in the run that resumes it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from backup_runner.progress import Silent
from tests.oci_emulator.fixture import Running
from tests.support.jobs import Home
from tests.targets.oci.site import MIB, Site, kill_group

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = r"([\d.]+) (B|KiB|MiB|GiB)"
_SHOWN = re.compile(rf"{_SIZE} of {_SIZE}(?:  {_SIZE}/s)?")


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Site:
    found = Site(tmp_path, running)
    found.target["limits"] = {"upload": "16MiB/s"}
    found.write_job()
    return found


class Watched:
    """A process whose stderr is a terminal; `seen` is what it draws."""

    def __init__(self, site: Site, *arguments: str) -> None:
        leader, follower = pty.openpty()
        self.process: subprocess.Popen[str] = subprocess.Popen(
            site.command("apply", "--yes", "--workers", "1", *arguments),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower, text=True, cwd=site.root,
            env=site.environment() | {"TERM": "xterm", "COLUMNS": "200"}, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self.seen = ""
        self._thread = threading.Thread(target=self._read, args=(leader,))
        self._thread.start()

    def _read(self, leader: int) -> None:
        # A terminal ends with EIO once nobody has its other end any more.
        with open(leader, "rb", buffering=0) as terminal:
            try:
                while data := terminal.read(65536):
                    self.seen += re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", data.decode())
            except OSError:
                return

    def finish(self) -> str:
        out, _ = self.process.communicate(timeout=120)
        self._thread.join()
        return out

    def shown(self) -> list[tuple[float, float, float | None]]:
        """(done, total, rate) as drawn, in bytes."""
        found = [match.groups() for match in _SHOWN.finditer(self.seen)]
        return [
            (float(a) * _UNITS[b], float(c) * _UNITS[d], float(e) * _UNITS[f] if e else None)
            for a, b, c, d, e, f in found
        ]


def wait_for_packs(site: Site, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 60
    while len([line for line in site.log("PutObject") if "/data/" in line["name"]]) < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_limit_holds_back_is_not_shown_as_done(site: Site) -> None:
    site.write("large", 80 * MIB)
    watched = Watched(site)
    watched.finish()
    assert watched.process.returncode == 0
    shown = watched.shown()
    assert shown
    assert shown[-1][:2] == (80 * MIB, 80 * MIB)
    # A quarter of a second's worth may pass at once, and clocks are read a little apart.
    assert max(rate for _, _, rate in shown if rate) < 20 * MIB
    assert "held back by the limit of 16 MiB/s" in watched.seen


def test_lines_say_once_that_a_limit_holds_back(site: Site) -> None:
    site.write("large", 80 * MIB)
    done = site.apply()
    assert done.err.count("backing up: held back by the limit of 16 MiB/s") == 1


def test_ctrl_c_says_what_is_safe_and_the_next_run_counts_the_rest(site: Site) -> None:
    site.write("large", 160 * MIB)
    process = site.begin("apply", "--yes", "--workers", "1")
    wait_for_packs(site, process, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    said = re.search(
        rf"in the bucket: ([\d,]+) pieces \({_SIZE}\) of 1 file not finished yet; "
        "the next apply does not upload them again",
        out,
    )
    assert said, out
    safe = float(said[2]) * _UNITS[said[3]]
    assert 32 * MIB <= safe < 160 * MIB
    stored = sum(item.size for item in site.bucket().list() if "/data/" in item.name)
    assert stored == pytest.approx(safe, rel=0.05)

    watched = Watched(site)
    watched.finish()
    assert watched.process.returncode == 0
    done, total, _ = watched.shown()[-1]
    assert done == total == pytest.approx(160 * MIB - safe, abs=MIB)
    # What was read and found to be in the bucket is no rate.
    assert max(rate for _, _, rate in watched.shown() if rate) < 20 * MIB


def test_ctrl_c_in_json(site: Site) -> None:
    site.write("large", 160 * MIB)
    process = site.begin("apply", "--yes", "--workers", "1", "--json")
    wait_for_packs(site, process, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    summary = json.loads(out.splitlines()[-1])
    safe = summary["safe"]
    assert (summary["interrupted"], safe["files"], safe["bytes"], safe["partial_files"]) == (True, 0, 0, 1)
    assert safe["pieces"] > 10
    assert safe["piece_bytes"] == summary["new_bytes"]
    assert 32 * MIB <= safe["piece_bytes"] < 160 * MIB


def test_after_a_kill_only_the_rest_is_to_do(site: Site) -> None:
    site.write("large", 120 * MIB)
    process = site.begin("apply", "--yes", "--workers", "1")
    wait_for_packs(site, process, 2)
    kill_group(process)
    stored = sum(item.size for item in site.bucket().list() if "/data/" in item.name)
    watched = Watched(site)
    watched.finish()
    assert watched.process.returncode == 0
    done, total, _ = watched.shown()[-1]
    assert done == total == pytest.approx(120 * MIB - stored, abs=4 * MIB)
    assert max(rate for _, _, rate in watched.shown() if rate) < 20 * MIB


# -- what is announced is what is done, whatever becomes of the files


class Listening(Silent):
    """Adds up."""

    def __init__(self) -> None:
        self.announced = (0, 0)
        self.done = (0, 0)

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        if name == "backing up":
            self.announced, self.done = (files, size), (0, 0)

    def advance(self, files: int, size: int) -> None:
        self.done = (self.done[0] + files, self.done[1] + size)

    def ahead(self, files: int, size: int) -> None:
        self.announced = (self.announced[0] + files, self.announced[1] + size)


def test_the_sums_agree(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    twin = os.urandom(3 * MIB)
    for name in ("one", "two"):
        home.write(name, twin)
    home.write("small", b"same")
    home.write("small2", b"same")
    home.write("grows", b"x")
    home.write("goes", b"x" * 1000)
    os.symlink("small", home.path("link"))
    os.link(home.path("one"), home.path("hard"))
    with open(home.write("holes"), "r+b") as file:
        file.truncate(64 * MIB)
    plan = home.plan()
    home.write("grows", b"x" * 5000)
    os.unlink(home.path("goes"))
    heard = Listening()
    outcome = home.apply(plan, events=heard)
    plan.close()
    assert [problem.kind for problem in outcome.problems] == ["vanished"]
    assert heard.announced == heard.done
    assert heard.done[1] == outcome.new_bytes
    assert heard.done[0] == 7
    # All that changes is that a file's time moved: its content is in the bucket.
    for name in ("one", "two", "holes"):
        os.utime(home.path(name))
    home.write("goes", b"back")
    heard = Listening()
    outcome = home.apply(checksum=True, events=heard)
    assert heard.announced == heard.done
    assert heard.done[1] == outcome.new_bytes == 4
