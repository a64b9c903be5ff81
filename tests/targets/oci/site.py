"""A job at the emulator: real `backup-runner` processes, a folder to back up, a bucket prefix of its own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running
from tests.support.command import run_command
from tests.support.jobs import assert_same, photograph

MIB = 1 << 20
_SECONDS = 900


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return f"exit {self.code}\n{self.out[-3000:]}\n{self.err[-3000:]}"

    def lines(self) -> list[dict[str, Any]]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        return self.lines()[-1]


@dataclass
class Site:
    """A folder with key, job file, `data` and catalog. `target` are further lines of the job's target section."""

    root: Path
    emulator: Running
    target: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    patience: float = 30.0
    """Seconds for which a failing request is tried again."""

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        key = self.root / "key"
        if not key.exists():
            key.write_bytes(b"test-key-0123456789-abcdefghijkl")
            key.chmod(0o600)
        self.write_job()

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def job(self) -> Path:
        return self.root / "job.yaml"

    @property
    def prefix(self) -> str:
        return f"{self.root.name}/"

    def with_target(self, **target: Any) -> Site:
        """The same job with other settings of its target; the job file is written anew."""
        return replace(self, target=self.target | target)

    def write_job(self) -> None:
        target = {
            "type": "oci",
            "bucket": self.emulator.bucket,
            "prefix": self.prefix,
            "endpoint": self.emulator.url,
            "auth": {"method": "config_file", "config_file": self.emulator.owner.config_file},
        } | self.target
        fields = {
            "version": 1,
            "name": "work",
            "sources": [{"path": "./data"}],
            "relative_path": "./data",
            "target": target,
            "encryption": {"key_file": "./key"},
            "catalog": "./catalog.db",
        } | self.settings
        # YAML takes JSON as it is.
        self.job.write_text("\n".join(f"{name}: {json.dumps(value)}" for name, value in fields.items()) + "\n")

    # -- files

    def write(self, name: str, size: int, *, seed: int = 0) -> Path:
        """A file of random bytes, the same for the same seed."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        source = random.Random(f"{name} {seed}")
        with path.open("wb") as file:
            while size > 0:
                file.write(source.randbytes(min(size, 8 * MIB)))
                size -= 8 * MIB
        return path

    # -- commands

    def command(self, verb: str, *arguments: str) -> list[str]:
        first, *rest = verb.split()
        return [sys.executable, "-m", "backup_runner", first, *rest, str(self.job), *arguments]

    def environment(self) -> dict[str, str]:
        keep = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "TZ"}}
        own = {"HOME": str(self.root), "PYTHONIOENCODING": "utf-8", "NO_PROXY": "127.0.0.1,localhost"}
        return keep | own | {"BACKUP_RUNNER_RETRY_SECONDS": f"{self.patience:g}"}

    def run(self, verb: str, *arguments: str, codes: Sequence[int] | None = (0,)) -> Done:
        """`backup-runner VERB JOB ARGUMENTS…`; its exit code must be one of `codes`."""
        words = self.command(verb, *arguments)[3:]
        found = run_command(words, cwd=self.root, env=self.environment(), timeout=_SECONDS)
        done = Done(found.returncode, found.stdout.decode(), found.stderr.decode())
        assert codes is None or done.code in codes, done.text
        assert "Traceback" not in done.err, done.text
        return done

    def begin(self, verb: str, *arguments: str) -> subprocess.Popen[str]:
        """The same, not waited for, in a process group of its own."""
        return subprocess.Popen(
            self.command(verb, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=self.environment(),
            start_new_session=True,
        )

    def apply(self, *arguments: str, codes: Sequence[int] | None = (0,)) -> Done:
        return self.run("apply", "--yes", "--workers", "2", *arguments, codes=codes)

    def restore(self, *arguments: str, codes: Sequence[int] | None = (0,)) -> Done:
        return self.run("restore", "--to", str(self.back), *arguments, codes=codes)

    @property
    def back(self) -> Path:
        return self.root / "back"

    # -- looking

    def bucket(self, **target: Any) -> OciTarget:
        auth = AuthSpec(config_file=self.emulator.owner.config_file)
        spec = OciTargetSpec(self.emulator.bucket, self.emulator.namespace, self.prefix, endpoint=self.emulator.url)
        return OciTarget(replace(spec, auth=auth, **target))

    def log(self, *operations: str) -> list[dict[str, Any]]:
        """The requests that concern this site's objects."""
        return [line for line in self.emulator.log(*operations) if line["name"].startswith(self.prefix)]

    def compare(self) -> None:
        """What was restored is what is there."""
        assert_same(photograph(str(self.data)), photograph(str(self.back)))


def kill_group(process: subprocess.Popen[str]) -> None:
    """As `kill -9` on the whole group: no handler runs, no worker is left."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
