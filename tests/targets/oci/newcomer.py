"""Somebody who reads docs/oci-setup.md and types what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "oci-setup.md"
TERMINAL = [sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]


@dataclass(frozen=True)
class Line:
    """A command of the page."""

    text: str
    at: str
    """What follows "sh" at the block: the machine, "" for the administrator's."""

    @property
    def name(self) -> str:
        """The words before the first option or name: `oci os ns get`, `backup-runner key new`, `cat`."""
        text = self.text.split("=$(", 1)[-1] if re.match(r"\w+=\$\(", self.text) else self.text
        found = re.match(r"[a-z-]+(?: [a-z]+(?:-[a-z]+)*(?![\w.]))*", text)
        assert found, text
        return found[0]


def lines() -> list[Line]:
    """Every command of the page's shell blocks; one that is broken over lines is one."""
    found = []
    for _, at, block in re.findall(r"^( *)```sh *(\w*)\n(.*?)^ *```", PAGE.read_text(), re.DOTALL | re.M):
        texts = [line.strip() for line in block.replace("\\\n", "").splitlines()]
        found += [Line(text, at) for text in texts if text]
    return found


@dataclass
class Newcomer:
    """A machine with a home and a shell, whose variables last from one command to the next."""

    home: Path
    command: Path
    """A folder with `oci` in it."""
    url: str

    def __post_init__(self) -> None:
        self.home.mkdir()
        (self.home / ".variables").touch()
        self.settings.write_text(f"oci: {{endpoint: '{self.url}'}}\n")

    @property
    def settings(self) -> Path:
        """A config file outside of the home, with the one thing that is not on the page: where the emulator is."""
        return self.home.with_suffix(".yaml")

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{self.command}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OCI_CLI_ENDPOINT": self.url,
            "BACKUP_RUNNER_CONFIG": str(self.settings),
            "LC_ALL": "C.UTF-8",
            "NO_PROXY": "127.0.0.1",
        }

    def types(self, text: str, answers: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Runs it; what asks for a confirmation of ours gets a terminal."""
        assigned = re.match(r"(\w+)=", text)
        keep = f"\ndeclare -p {assigned[1]} >> ~/.variables" if assigned else ""
        terminal = TERMINAL if text.startswith("backup-runner") and answers else []
        return subprocess.run(
            [*terminal, "bash", "-euc", f". ~/.variables\n{text}{keep}"],
            cwd=self.home,
            env=self.environment(),
            input="\n".join([*answers, ""]),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def succeeds(self, text: str, answers: tuple[str, ...] = (), *, code: int = 0) -> str:
        done = self.types(text, answers)
        assert done.returncode == code, f"{text}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout
