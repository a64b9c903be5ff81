"""The CI examples as shell steps: from validate to the apply of the saved plan, and a plan that went stale."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from backup_runner.container.suite2.seeds import read_secret
from tests.oci_emulator.fixture import Running, start

CI = Path(__file__).parents[2] / "examples" / "ci"
KEY = "0123456789abcdef0123456789ABCDEF"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


class Runner:
    """A machine for one pipeline: a checkout, secrets, and programs that write down how they are called."""

    def __init__(self, root: Path, emulator: Running, bucket_prefix: str) -> None:
        self.checkout = root / "checkout"
        (self.checkout / "content").mkdir(parents=True)
        (self.checkout / "content" / "index.html").write_text("<h1>first</h1>")
        (self.checkout / "jobs").mkdir()
        job = (CI / "jobs" / "site.yaml").read_text()
        (self.checkout / "jobs" / "site.yaml").write_text(job.replace("prefix: site/", f"prefix: {bucket_prefix}/"))
        self.root, self.emulator, self.key = root, emulator, KEY
        self.calls = root / "calls"
        (root / "bin").mkdir()
        ours = f'exec {sys.executable} -m backup_runner "$@"'
        # Nothing of that name is in a registry: what is installed has to be said.
        pip = 'test "$2" = ./tools/backup_runner-0.1.0-py3-none-any.whl'
        for name, text in {"backup-runner": ours, "pip": pip, "gh": self._note(), "curl": self._note()}.items():
            (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (root / "bin" / name).chmod(0o755)

    def _note(self) -> str:
        return f'echo "$(basename "$0") $*" >> {self.calls}; cp plan.md {self.root}/comment.md'

    def machine(self) -> dict[str, str]:
        """The environment of a machine that remembers nothing."""
        home = self.root / "home"
        shutil.rmtree(home, ignore_errors=True)
        (home / ".backup-runner").mkdir(parents=True)
        (home / ".backup-runner" / "config.yaml").write_text(f"oci: {{endpoint: '{self.emulator.url}'}}\n")
        config = Path(self.emulator.owner.config_file).read_text()
        pem = next(line.partition("=")[2].strip() for line in config.splitlines() if line.startswith("key_file"))
        return {
            "HOME": str(home),
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "OCI_CONFIG": config.replace(pem, "~/.oci/key.pem"),
            "OCI_API_KEY": Path(pem).read_text(),
            "BACKUP_RUNNER_KEY": self.key,
            "REQUEST": "7",
            "GITHUB_OUTPUT": str(self.root / "output"),
            "COMMENT_TOKEN": "t",
            "CI_API_V4_URL": "https://gitlab.invalid/api/v4",
            "CI_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "7",
            **load("github-actions.yml")["env"],
            **load("gitlab-ci.yml")["variables"],
        }

    def digest(self) -> str:
        """Of the plan that lies there: what the job that planned handed on, or a person who looked at it states."""
        plan = self.checkout / "backup.plan"
        return hashlib.sha256(plan.read_bytes()).hexdigest() if plan.exists() else ""

    def steps(self, steps: list[str]) -> subprocess.CompletedProcess[str]:
        """Run steps one by one on a new machine, up to the first that fails."""
        env = self.machine()
        done = subprocess.CompletedProcess[str]([], 0, "", "")
        for step in steps:
            env["PLAN_DIGEST"] = self.digest()
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step]
            done = subprocess.run(
                command, cwd=self.checkout, env=env, capture_output=True, text=True, timeout=120, check=False
            )
            if done.returncode:
                break
        return done


def load(name: str) -> Any:
    return YAML(typ="safe").load((CI / name).read_text())


def github(job: str) -> list[str]:
    """The shell steps of a job; what `uses:` others' actions needs no shell."""
    document = load("github-actions.yml")
    steps = [step["run"] for step in document["jobs"][job]["steps"] if "run" in step]
    needs = {name for step in steps for name in ("OCI_CONFIG", "OCI_API_KEY") if name in step}
    assert needs <= set(document["jobs"][job]["env"])
    return steps


def gitlab(job: str) -> list[str]:
    document = load("gitlab-ci.yml")
    return [*document["default"]["before_script"], *document[job]["script"]]


PIPELINES = {
    "github": (github, ["review"], "gh pr comment 7 --body-file plan.md"),
    "gitlab": (gitlab, ["validate", "comment"], "/projects/3/merge_requests/7/notes"),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_from_merge_request_to_apply(name: str, tmp_path: Path, emulator: Running) -> None:
    steps, review, called = PIPELINES[name]
    runner = Runner(tmp_path, emulator, name)
    for job in review:
        done = runner.steps(steps(job))
        assert done.returncode == 0, done.stderr
    assert called in runner.calls.read_text()
    comment = (tmp_path / "comment.md").read_text()
    assert "1 to upload" in comment
    assert "content/index.html" in comment
    if name == "gitlab":
        assert ElementTree.parse(runner.checkout / "validate.xml").getroot().tag == "testsuites"
    (runner.checkout / "backup.plan").unlink()

    assert runner.steps(steps("plan")).returncode == 0
    assert (runner.checkout / "plan.html").read_text().startswith("<!doctype html>")
    applied = runner.steps(steps("apply"))
    assert applied.returncode == 0, applied.stderr
    assert "snapshot 1 complete" in applied.stdout
    if name == "github":
        assert (tmp_path / "output").read_text() == f"digest={runner.digest()}\n"

    if name != "github":
        return
    # A plan that somebody is still looking at, while another run was faster.
    (runner.checkout / "content" / "index.html").write_text("<h1>second</h1>")
    assert runner.steps(steps("plan")).returncode == 0
    (runner.checkout / "backup.plan").rename(tmp_path / "waiting")
    (runner.checkout / "content" / "more.html").write_text("more")
    assert runner.steps([*steps("plan"), *steps("apply")[1:]]).returncode == 0
    (tmp_path / "waiting").rename(runner.checkout / "backup.plan")
    stale = runner.steps(steps("apply"))
    assert stale.returncode == 4, stale.stderr
    assert "hint: " in stale.stderr


@pytest.mark.parametrize("name", PIPELINES)
def test_a_job_that_is_wrong_fails_the_merge_request(name: str, tmp_path: Path, emulator: Running) -> None:
    steps, review, _ = PIPELINES[name]
    runner = Runner(tmp_path, emulator, f"{name}-wrong")
    job = runner.checkout / "jobs" / "site.yaml"
    job.write_text(job.read_text().replace("detect: checksum", "detekt: checksum"))
    done = runner.steps(steps(review[0]))
    assert done.returncode == 1
    said = done.stdout + "".join(path.read_text() for path in runner.checkout.glob("validate.xml"))
    assert "detekt" in said
    assert not runner.calls.exists()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_plan_that_a_guard_stops_is_commented_all_the_same(name: str, tmp_path: Path, emulator: Running) -> None:
    steps, review, called = PIPELINES[name]
    runner = Runner(tmp_path, emulator, f"{name}-guard")
    content = runner.checkout / "content"
    for number in range(30):
        (content / f"{number}.html").write_text(str(number))
    assert runner.steps([*steps("plan"), *steps("apply")[1:]]).returncode == 0
    shutil.rmtree(content)
    content.mkdir()
    (content / "index.html").write_text("<h1>first</h1>")
    (runner.checkout / "backup.plan").unlink()
    done = runner.steps(steps(review[-1]))
    assert done.returncode == 5, done.stderr
    assert called in runner.calls.read_text()
    assert "max_delete_percent" in (tmp_path / "comment.md").read_text()


@pytest.mark.parametrize("name", PIPELINES)
def test_a_merge_request_runs_no_program_of_its_own(name: str, tmp_path: Path, emulator: Running) -> None:
    steps, review, _ = PIPELINES[name]
    runner = Runner(tmp_path, emulator, f"{name}-program")
    job = runner.checkout / "jobs" / "site.yaml"
    text = job.read_text().replace("key_env: BACKUP_RUNNER_KEY", f"key_command: [touch, {tmp_path}/ran]")
    job.write_text(text + f"hooks: {{before: [touch, {tmp_path}/ran]}}\n")
    done = runner.steps(steps(review[-1]))
    assert done.returncode == 64, done.stderr
    assert "--no-programs" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", PIPELINES)
def test_the_secret_may_be_the_same_key_as_text(name: str, tmp_path: Path, emulator: Running) -> None:
    """As its comment says: the line of `key new` or `key show`. A mistyped one is named as such, not as a wrong key."""
    steps, _, _ = PIPELINES[name]
    runner = Runner(tmp_path, emulator, f"{name}-text")
    applied = runner.steps([*steps("plan"), *steps("apply")[1:]])
    assert applied.returncode == 0, applied.stderr
    text = read_secret(KEY.encode()).text
    (runner.checkout / "content" / "index.html").write_text("<h1>second</h1>")
    runner.key = text
    applied = runner.steps([*steps("plan"), *steps("apply")[1:]])
    assert applied.returncode == 0, applied.stderr
    assert "snapshot 2 complete" in applied.stdout
    runner.key = text[:30] + ("q" if text[30] != "q" else "p") + text[31:]
    failed = runner.steps(steps("plan"))
    assert failed.returncode == 1
    assert "variable BACKUP_RUNNER_KEY: the key text has a wrong or missing letter" in failed.stderr
    assert "it is character 31" in failed.stderr
    assert "wrong key" not in failed.stderr
    assert runner.key not in failed.stdout + failed.stderr
