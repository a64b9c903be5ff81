"""What is compared: this program, restic, borg and rclone crypt, each with its defaults and an encrypted store.

A tool makes a `site` below the work folder: its store, its caches, its key. `new`, `nothing` and `restore` are
the commands that are timed; `begin` makes an empty store, untimed, where a tool wants one.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from .data import files

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PASSWORD = "benchmark"


def program(name: str) -> str | None:
    """Where a program is: beside this Python, among the checkout's tools, or on the PATH."""
    own = [os.path.dirname(sys.executable), f"{_CHECKOUT}/.bench/tools/venv/bin", f"{_CHECKOUT}/.tools/clients/bin"]
    return shutil.which(name, path=os.pathsep.join([*own, os.environ.get("PATH", "")]))


@dataclass
class Tool:
    """One contestant at one site. `data` is what is backed up."""

    site: str
    data: str
    name: str = ""
    version_command: Sequence[str] = ()
    keeps_times: bool = True
    """Whether a restore brings modes and times back, so that they are compared."""
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.program = program(self.name) or self.name
        self.env = {
            "HOME": self.site, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": self.site,
        } | self.env  # fmt: skip

    @property
    def store(self) -> str:
        return f"{self.site}/store"

    @property
    def back(self) -> str:
        return f"{self.site}/back"

    def begin(self) -> None:
        """An empty site."""
        shutil.rmtree(self.site, ignore_errors=True)
        os.makedirs(self.site)

    def end(self) -> None:
        shutil.rmtree(self.site, ignore_errors=True)

    def clear(self, work: str) -> None:
        """Make room for what comes next; a restore finds its folder empty, or not there."""
        shutil.rmtree(self.back, ignore_errors=True)

    def stored(self) -> int:
        """Bytes in the store."""
        return sum(os.lstat(path).st_size for path in files(self.store))

    def requests(self) -> int | None:
        """Requests made since the last call, where a server counts them."""
        return None

    def work_folder(self, work: str) -> str:
        """Where a command is started."""
        return self.site

    def commands(self, work: str) -> list[str]:
        """The command of `new`, `nothing` or `restore`."""
        raise NotImplementedError

    def call(self, *arguments: str) -> None:
        subprocess.run([self.program, *arguments], cwd=self.site, env=self.env, check=True, capture_output=True)

    def version(self) -> str:
        done = subprocess.run([self.program, *self.version_command], capture_output=True, text=True, check=True)
        return " ".join(done.stdout.split("\n")[0].split()[:2])


class Ours(Tool):
    """backup-runner: `apply` makes the plan and carries it out; its record is put within that time."""

    target = "{type: directory, path: store}"

    def __init__(self, site: str, data: str) -> None:
        super().__init__(site, data, "backup-runner", ["--version"])

    def begin(self) -> None:
        super().begin()
        self.call("key", "new", f"{self.site}/key")
        with open(f"{self.site}/job.yaml", "w", encoding="utf-8") as file:
            file.write(
                f"version: 1\nname: bench\nsources: [{{path: {self.data}}}]\nrelative_path: {self.data}\n"
                f"target: {self.target}\nencryption: {{key_file: key}}\ncatalog: catalog.db\n"
                "retention: {keep_last: 3}\n"
            )

    def clear(self, work: str) -> None:
        super().clear(work)
        if work in ("pull", "rebuild"):
            for path in glob.glob(f"{self.site}/catalog.db*"):
                os.unlink(path)

    def commands(self, work: str) -> list[str]:
        if work == "restore":
            return [self.program, "restore", "job.yaml", "--to", "back"]
        if work in ("pull", "rebuild"):
            return [self.program, "catalog", work, "job.yaml"]
        return [self.program, "apply", "job.yaml", "--yes"]


class Restic(Tool):
    def __init__(self, site: str, data: str) -> None:
        super().__init__(site, data, "restic", ["version"])
        self.env |= {
            "RESTIC_REPOSITORY": self.store, "RESTIC_PASSWORD": _PASSWORD, "RESTIC_CACHE_DIR": f"{site}/cache",
        }  # fmt: skip

    def begin(self) -> None:
        super().begin()
        self.call("init")

    def requests(self) -> int | None:
        """Requests made since the last call, where a server counts them."""
        return None

    def work_folder(self, work: str) -> str:
        return self.site if work == "restore" else self.data

    def commands(self, work: str) -> list[str]:
        if work == "restore":
            return [self.program, "restore", "latest", "--target", self.back]
        return [self.program, "backup", "."]


class Borg(Tool):
    def __init__(self, site: str, data: str) -> None:
        super().__init__(site, data, "borg", ["--version"])
        self.env |= {
            "BORG_REPO": self.store, "BORG_PASSPHRASE": _PASSWORD, "BORG_BASE_DIR": self.site,
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }  # fmt: skip

    def begin(self) -> None:
        super().begin()
        self.call("init", "--encryption", "repokey-blake2")

    def clear(self, work: str) -> None:
        super().clear(work)
        os.makedirs(self.back)

    def requests(self) -> int | None:
        """Requests made since the last call, where a server counts them."""
        return None

    def work_folder(self, work: str) -> str:
        return self.back if work == "restore" else self.data

    def commands(self, work: str) -> list[str]:
        if work == "restore":
            return [self.program, "extract", "::new"]
        return [self.program, "create", f"::{work}", "."]


class Rclone(Tool):
    """rclone through its crypt backend: one object a file, no deduplication, no snapshots."""

    remote = ""

    def __init__(self, site: str, data: str) -> None:
        super().__init__(site, data, "rclone", ["version"], keeps_times=False)
        self.env |= {"RCLONE_CONFIG": "", "RCLONE_CRYPT_REMOTE": self.remote or self.store}

    def begin(self) -> None:
        super().begin()
        done = subprocess.run([self.program, "obscure", _PASSWORD], capture_output=True, text=True, check=True)
        self.env["RCLONE_CRYPT_PASSWORD"] = done.stdout.strip()

    def commands(self, work: str) -> list[str]:
        route = [":crypt:", self.back] if work == "restore" else [self.data, ":crypt:"]
        return [self.program, "copy", *route]


TOOLS: dict[str, type[Tool]] = {"us": Ours, "restic": Restic, "borg": Borg, "rclone": Rclone}
