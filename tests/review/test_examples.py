"""Every example is valid, has nothing to be warned of, and backs up: at the emulator or into a directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running, start
from tests.support.command import run_command

EXAMPLES = Path(__file__).parents[2] / "examples"
JOBS = sorted(
    [*EXAMPLES.glob("*.yaml"), *EXAMPLES.glob("ci/jobs/*.yaml"), EXAMPLES / "shared-defaults" / "letters.yaml"]
)
_RESTORED = ("laptop-to-oci", "database-dump", "usb-disk")
"""The others would show nothing new by it."""
KEY = "0123456789abcdef0123456789ABCDEF"
FILES = (
    *("documents/letters/a.txt", "photos/one.raw", "photos/one.jpg", "data/mail/box", "site/uploads/u", "site/conf/c"),
    *(f"data/shared/{number}" for number in range(12)),
)
_DUMP = """
for word in "$@"; do
  case $word in --file=*) mkdir "${word#--file=}" && cd "${word#--file=}" ;; esac
  last=$word
done
date > toc.dat
echo "$last" > 1.dat
"""
PROGRAMS = {"pg_dump": _DUMP, "pass": f"printf %s {KEY}", "logger": 'echo "$@" >> ~/logged'}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


class Home:
    """A home with everything that the examples speak of."""

    def __init__(self, root: Path, emulator: Running) -> None:
        self.root = root
        for name in FILES:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
        for name in ("data/inbox", "usb", ".backup-runner", ".oci", "bin", "dumps"):
            (root / name).mkdir(parents=True)
        (root / ".backup-runner" / "crypto-key").write_text(KEY)
        (root / ".backup-runner" / "crypto-key").chmod(0o600)
        (root / ".backup-runner" / "config.yaml").write_text(f"oci: {{endpoint: '{emulator.url}'}}\n")
        (root / ".oci" / "config").write_text(Path(emulator.owner.config_file).read_text())
        (root / ".oci" / "config").chmod(0o600)
        for name, text in PROGRAMS.items():
            (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (root / "bin" / name).chmod(0o755)
        self.env = {
            "HOME": str(root),
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "DATA": str(root / "data"),
            "SITE_ROOT": str(root / "site"),
            "DUMPS": str(root / "dumps"),
            "USB_DISK": str(root / "usb"),
            "BACKUP_RUNNER_KEY": KEY,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_command(arguments, cwd=EXAMPLES.parent, env=self.env)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def home(tmp_path: Path, emulator: Running) -> Home:
    return Home(tmp_path, emulator)


def options(job: Path, home: Home) -> list[str]:
    """The example of shared defaults has a config file of its own; the emulator's address is added to it."""
    if job.parent.name != "shared-defaults":
        return []
    endpoint = (home.root / ".backup-runner" / "config.yaml").read_text().split("'")[1]
    return ["--config", str(job.parent / "config.yaml"), "--set", f"oci.endpoint={endpoint}"]


def test_there_are_enough() -> None:
    assert len(JOBS) >= 9


def test_all_are_valid_together_and_nothing_is_to_be_warned_of(home: Home) -> None:
    others = [str(job) for job in JOBS if job.parent.name != "shared-defaults"]
    found = home.run("validate", "--strict", *others)
    assert found.returncode == 0, found.stdout + found.stderr
    (shared,) = (job for job in JOBS if job.parent.name == "shared-defaults")
    found = home.run(*options(shared, home), "validate", "--strict", str(shared))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_each_backs_up_and_restores(job: Path, home: Home, tmp_path: Path) -> None:
    if job.stem in ("quickstart", "site"):
        # These have paths of their own folder: `make demo` and the CI examples run them.
        copy = tmp_path / "checkout" / "examples" / "ci"
        for folder in ("docs", "examples", "backup_runner", "examples/ci/content"):
            (tmp_path / "checkout" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "checkout" / folder / "some").write_text(folder)
        target = copy.parent / job.name if job.stem == "quickstart" else copy / "jobs" / job.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(job.read_text())
        (tmp_path / "checkout" / ".demo").mkdir()
        (tmp_path / "checkout" / ".demo" / "key").write_text(KEY)
        (tmp_path / "checkout" / ".demo" / "key").chmod(0o600)
        job = target
    applied = home.run(*options(job, home), "apply", str(job), "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert "Estimated cost: " in applied.stdout or job.stem in ("quickstart", "usb-disk")
    if job.stem == "photo-archive":
        assert "1 uploaded" in applied.stdout
    if job.stem not in _RESTORED:
        return
    restored = home.run(*options(job, home), "restore", str(job), "--to", str(tmp_path / "back"))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert [path for path in (tmp_path / "back").rglob("*") if path.is_file()]
