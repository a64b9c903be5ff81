"""docs/oci-setup.md word for word: every command of the page, in its order, by somebody who begins with nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running, start
from tests.oci_emulator.keys import REGION, TENANCY, admit
from tests.targets.oci.clients import installed
from tests.targets.oci.newcomer import PAGE, Line, Newcomer, lines

CHECKOUT = Path(__file__).parents[3]
MYSELF = "ocid1.user.oc1..aaaaaaaamyself"
NOT_EMULATED = {
    "oci session authenticate": ["--profile-name"],
    "oci session refresh": [],
    "oci os retention-rule create": ["--time-amount", "--time-unit", "--time-rule-locked"],
    "oci iam user create": ["--email"],
}
"""Commands and options that the page mentions, which need a browser or time: the real command must know them."""


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
class Life:
    """What the page's text, not its commands, says to do, and what must come out of each command."""

    running: Running
    admin: Newcomer
    laptop: Newcomer
    said: str = ""
    """What the last command printed."""
    user: str = MYSELF
    """Who `oci setup config` is for."""

    def follow(self, line: Line) -> None:
        person = self.laptop if line.at == "laptop" else self.admin
        prepare, check = getattr(self, _method("before", line), None), getattr(self, _method("after", line), None)
        if prepare:
            prepare(person)
        answers: Callable[[], tuple[str, ...]] = getattr(self, _method("answers", line), tuple)
        self.said = person.succeeds(line.text, answers())
        if check:
            check(person)

    # 1. A key and a config file

    def answers_oci_setup_config(self) -> tuple[str, ...]:
        return ("", self.user, TENANCY, REGION, "Y", "", "", "N/A", "N/A")

    def after_oci_setup_config(self, person: Newcomer) -> None:
        config = (person.home / ".oci/config").read_text()
        (example,) = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
        keys = r"^\w+(?==)|^\[.*\]"
        assert set(re.findall(keys, config, re.M)) == set(re.findall(keys, example, re.M))
        assert [(person.home / ".oci" / name).stat().st_mode & 0o077 for name in ("config", "oci_api_key.pem")] == [
            0,
            0,
        ]

    def after_cat(self, person: Newcomer) -> None:
        assert person.types("oci os ns get").returncode != 0
        # In the console: nothing can be signed before.
        admit(self.running.users_file, MYSELF, self.said)

    def after_oci_os_ns_get(self, person: Newcomer) -> None:
        assert json.loads(self.said)["data"] == self.running.namespace

    # 3. Permissions

    def before_oci_iam_group_create(self, person: Newcomer) -> None:
        (statements,) = re.findall(r"```text write-only\n(.*?)```", PAGE.read_text(), re.DOTALL)
        (person.home / "write-only.txt").write_text(statements)

    def after_echo(self, person: Newcomer) -> None:
        self.user = self.said.strip()
        assert self.user.startswith("ocid1.user.oc1..")

    def before_oci_iam_user_api_key_upload(self, person: Newcomer) -> None:
        public = (self.laptop.home / ".oci/oci_api_key_public.pem").read_text()
        (person.home / "laptop_public.pem").write_text(public)

    def after_oci_iam_user_api_key_upload(self, person: Newcomer) -> None:
        assert self.user in Path(self.running.users_file).read_text()

    # 4. and 5. Rules: oci-cli asks before it replaces or deletes one

    def answers_oci_os_object_lifecycle_policy_put(self) -> tuple[str, ...]:
        return ("y",)

    def answers_oci_os_retention_rule_delete(self) -> tuple[str, ...]:
        return ("y",)

    # 6. The first job

    def before_backup_runner_key_new(self, person: Newcomer) -> None:
        (person.home / "documents").mkdir()
        (person.home / "documents/letter").write_text("Dear")
        (job,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
        (person.home / "documents.yaml").write_text(job)

    def after_backup_runner_target_check(self, person: Newcomer) -> None:
        assert "all as intended on a write-only host" in self.said

    def answers_backup_runner_apply(self) -> tuple[str, ...]:
        return ("yes",)

    def after_backup_runner_apply(self, person: Newcomer) -> None:
        assert "snapshot 1 complete" in self.said

    # 7. From elsewhere

    def before_backup_runner_catalog_pull(self, person: Newcomer) -> None:
        (person.home / ".backup-runner").mkdir()
        for name in ("documents.yaml", ".backup-runner/crypto-key"):
            (person.home / name).write_bytes((self.laptop.home / name).read_bytes())
            (person.home / name).chmod(0o600)

    def answers_backup_runner_prune(self) -> tuple[str, ...]:
        return ("yes",)

    def after_backup_runner_restore(self, person: Newcomer) -> None:
        assert [path.read_text() for path in (person.home / "restored").rglob("letter")] == ["Dear"]


def _method(kind: str, line: Line) -> str:
    return f"{kind}_{line.name}".replace(" ", "_").replace("-", "_")


def test_every_command_of_the_page(command: Path, running: Running, tmp_path: Path) -> None:
    life = Life(
        running, Newcomer(tmp_path / "admin", command, running.url), Newcomer(tmp_path / "laptop", command, running.url)
    )
    page = lines()
    for line in page:
        life.follow(line)
    known = {_method(kind, line) for line in page for kind in ("before", "answers", "after")}
    unused = {name for name in vars(Life) if name.startswith(("before_", "answers_", "after_"))} - known
    assert not unused, "the page has no such commands"


def test_what_is_only_mentioned_is_known_to_oci() -> None:
    """`oci …` outside of the blocks, and what can only be tried with a browser or days of time."""
    oci = installed() / "oci"
    mentioned = set(re.findall(r"`(oci(?: [a-z-]+)+)", re.sub(r"```.*?```", "", PAGE.read_text(), flags=re.DOTALL)))
    assert mentioned - {line.name for line in lines()} <= set(NOT_EMULATED)
    for name, options in NOT_EMULATED.items():
        done = subprocess.run(
            [str(oci), *name.split()[1:], "--help"], capture_output=True, text=True, timeout=120, check=True
        )
        for option in options:
            assert option in done.stdout, name
