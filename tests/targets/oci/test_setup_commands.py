"""docs/oci-setup.md word for word: every command of the page, in its order, by somebody who begins with nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running, start
from tests.oci_emulator.keys import REGION, TENANCY, admit
from tests.targets.oci.clients import installed

CHECKOUT = Path(__file__).parents[3]
PAGE = CHECKOUT / "docs" / "oci-setup.md"
USER, OTHER = "ocid1.user.oc1..aaaaaaaamyself", "ocid1.user.oc1..aaaaaaaalaptop"
ANSWERS = ["", USER, TENANCY, REGION, "Y", "", "", "N/A", "N/A"]
"""What a person types at `oci setup config`: the page says which."""
TERMINAL = [sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]


@pytest.fixture(params=["stand-in", "oci-cli"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with `oci` in it."""
    if request.param == "oci-cli":
        return installed()
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "oci").write_text(
        f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m tests.targets.oci.stand_in "$@"\n'
    )
    (folder / "oci").chmod(0o755)
    return folder


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path / "emulator", empty=True) as emulator:
        yield emulator


@dataclass
class Newcomer:
    """A person with a home, who reads the page and types what it says."""

    home: Path
    command: Path
    running: Running

    def environment(self) -> dict[str, str]:
        path = f"{self.command}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        # The one thing that is not on the page: where the emulator is.
        return {
            "HOME": str(self.home),
            "PATH": path,
            "OCI_CLI_ENDPOINT": self.running.url,
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1",
        }

    def types(
        self, line: str, answers: list[str] | None = None, *, terminal: bool = False
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*(TERMINAL if terminal else []), "bash", "-euc", line],
            cwd=self.home,
            env=self.environment(),
            input="\n".join([*(answers or []), ""]),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def succeeds(self, line: str, answers: list[str] | None = None, *, terminal: bool = False) -> str:
        done = self.types(line, answers, terminal=terminal)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def commands(section: str) -> list[str]:
    """The lines of a section's shell blocks; one that is broken over lines is one."""
    text = re.split(r"^## ", PAGE.read_text(), flags=re.M)
    (part,) = [part for part in text if part.startswith(section)]
    blocks = re.findall(r"^( *)```sh\n(.*?)^ *```", part, re.DOTALL | re.M)
    lines = [line.strip() for _, block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line]


def test_every_command_of_the_page(command: Path, running: Running, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    person = Newcomer(home, command, running)
    set_up, show, get, upload = commands("1. ")

    # 1. The key goes to the service by the console: nothing can be signed before.
    assert set_up.startswith("oci setup config")
    person.succeeds(set_up, ANSWERS)
    shown = person.succeeds(show)
    assert shown.startswith("-----BEGIN PUBLIC KEY-----")
    assert person.types(get).returncode != 0
    admit(running.users_file, USER, shown)
    assert json.loads(person.succeeds(get))["data"] == running.namespace
    config = (home / ".oci/config").read_text()
    example = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    assert set(re.findall(r"^\w+(?==)|^\[.*\]", config, re.M)) == set(re.findall(r"^\w+(?==)|^\[.*\]", example, re.M))
    assert [(home / ".oci" / name).stat().st_mode & 0o077 for name in ("config", "oci_api_key.pem")] == [0, 0]
    (home / "laptop_public.pem").write_text(running.owner.public_key)
    person.succeeds(upload.replace("ocid1.user.oc1..…", OTHER))
    assert OTHER in Path(running.users_file).read_text()

    # 2.
    compartment, bucket = commands("2. ")
    made = json.loads(person.succeeds(compartment.replace("ocid1.tenancy.oc1..…", TENANCY)))
    person.succeeds(bucket.replace("ocid1.compartment.oc1..…", made["data"]["id"]))

    # 4 to 6: with the rule and the policy in place, the first job runs.
    (rule,) = commands("4. ")
    person.succeeds(rule)
    (lifecycle,) = commands("5. ")
    person.succeeds(lifecycle, ["y"])
    (home / "documents").mkdir()
    (home / "documents/letter").write_text("Dear")
    (job,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (home / "documents.yaml").write_text(job)
    (home / ".backup-runner").mkdir()
    (home / ".backup-runner/config.yaml").write_text(f"oci: {{endpoint: '{running.url}'}}\n")
    new_key, check, apply = commands("6. ")
    person.succeeds(new_key)
    # What the rule forbids is no permission that is missing.
    assert "MISSING" not in person.succeeds(check)
    done = person.succeeds(apply, ["yes"], terminal=True)
    assert "snapshot 1 complete" in done
