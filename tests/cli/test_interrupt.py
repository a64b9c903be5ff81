"""The first signal asks, the second Ctrl-C ends the process and its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from backup_runner.workers.interrupt import Interrupt

PROGRAM = """
import subprocess, sys, time
from backup_runner.workers.interrupt import Interrupt
with Interrupt(lambda: print("first", flush=True), lambda: print("second", flush=True)) as interrupt:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    interrupt.children.add(child.pid)
    print(child.pid, flush=True)
    while True:
        time.sleep(0.01)
        if interrupt.requested and "--obey" in sys.argv:
            child.kill()
            break
print("orderly", flush=True)
"""


def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_asks(number: int) -> None:
    process, _ = start("--obey")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("first\norderly\n", 0)


def test_a_second_ctrl_c_ends_it_at_once_and_takes_the_children_along() -> None:
    process, child = start()
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("second\n", 130)
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether the process ended; one that nobody waited for counts as ended."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.stop()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


BORN_WITH_A_SIGNAL = """
import os, signal, sys
from backup_runner.cli.app import run

fork, number = os.fork, int(sys.argv[1])

def signalled():
    pid = fork()
    if not pid:
        os.kill(os.getpid(), number)
    return pid

os.fork = signalled
code = run(sys.argv[2:])
print("parent" if os.getpid() == int(os.environ["PARENT"]) else "CHILD", "ended", code, flush=True)
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for number in range(400):
        (tmp_path / "data" / str(number)).write_bytes(b"%d" % number * 5000)
    (tmp_path / "key").write_bytes(sha256(b"a key for tests").digest())
    path = tmp_path / "job.yaml"
    path.write_text(
        "{version: 1, name: born, sources: [{path: data}], target: {type: directory, path: bucket},"
        " encryption: {key_file: key}, catalog: catalog.db}"
    )
    return path


def born(number: int, *arguments: str) -> tuple[str, str]:
    """Run the program with each of its children getting this signal as the first thing in its life."""
    starter = [
        sys.executable,
        "-c",
        f"import os, sys; os.environ['PARENT'] = str(os.getpid()); exec({BORN_WITH_A_SIGNAL!r})",
    ]
    done = subprocess.run([*starter, str(int(number)), *arguments], capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_birth_of_a_worker_is_its_parents_affair(job: Path, number: int) -> None:
    out, err = born(number, "apply", str(job), "--yes", "--workers", "2")
    assert out.endswith("parent ended 0\n")
    assert "born: snapshot 1 complete: 400 uploaded" in out
    out, more = born(number, "restore", str(job), "--to", str(job.parent / "back"), "--workers", "2")
    assert out.endswith("parent ended 0\n")
    assert "interrupted" not in err + more
    assert "Traceback" not in err + more


WRAPPED = """
import os, signal, sys, time
from backup_runner.cli import app, target

def load_job(*arguments, **options):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(5)
    except KeyboardInterrupt as error:
        raise RuntimeError(f"a library's own words: {error!r}") from None

target.load_job = load_job
sys.exit(app.run(["target", "check", "job.yaml"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_library_that_wraps_the_interruption_does_not_make_it_a_fault(number: int) -> None:
    done = subprocess.run([sys.executable, "-c", WRAPPED, str(int(number))], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr.startswith("error: interrupted by Ctrl-C or a signal\n")
    assert "fault" not in done.stderr


WHILE_LOADING = """
import os, signal, sys, time

class Loud:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

class Finder:
    def find_spec(self, name, *more):
        if name == "backup_runner.cli.app":
            type("Wrapped", (), {"field": Loud()})

sys.meta_path.insert(0, Finder())
from backup_runner.__main__ import main
main()
"""


def test_ctrl_c_while_modules_load_shows_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", WHILE_LOADING, "plan"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "error: interrupted before anything was done\n")
