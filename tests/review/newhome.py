"""A home of somebody who comes from another backup program, in which the answers of a page are carried out."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.command import run_command

BACKUP_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
LETTER = "Dear bank,\n"
ASKS = ("apply", "prune", "forget", "key add", "key remove", "key rotate", "catalog rebuild")
"""Commands that ask for a confirmation: the test has no terminal."""


@dataclass
class Home:
    root: Path
    runs: int = 0
    values: dict[str, str] = field(default_factory=dict)
    """What stands for the words in capitals."""

    def __post_init__(self) -> None:
        for name in (
            "documents/letters/bank.txt",
            "documents/photo.jpg",
            "pictures/sea.jpg",
            "shop",
            "ignored",
            ".log",
        ):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(LETTER)
        (self.root / ".backup-runner").mkdir()
        config = {
            "general": {"database_file": str(self.root / "oneshot.db"), "crypto_key_file": str(self.root / "key")},
            "directory": {"path": str(self.root / "oneshot")},
        }
        config["general"]["relative_path"] = str(self.root)
        (self.root / ".backup-runner/config.yaml").write_text(json.dumps(config))
        self.write_job("job", {})
        self.values = {
            "JOB": "job.yaml", "KEY": "key", "FOLDER": "documents", "DIR": "back", "NAME": "shop", "NEWJOB": "new.yaml",
            "TAG": "before-upgrade", "HOST": socket.gethostname(), "SNAPSHOT": "1", "PATTERN": "*.txt",
            "PATH": "documents/letters", "FILE": "documents/letters/bank.txt",
            "TARFILE": "letters.tar", "TEXT": "monthly", "RECIPIENT": "ops.pub",
        }  # fmt: skip

    def write_job(self, name: str, changes: dict[str, Any]) -> Path:
        """A job of its own, with a catalog and a bucket of its own."""
        job = {
            "version": 1, "name": name, "relative_path": ".", "catalog": f"./{name}.db",
            "sources": [{"path": "./documents"}, {"path": "dumps/shop.sql", "command": ["cat", "./shop"]}],
            "target": {"type": "directory", "path": f"./bucket-{name}"}, "encryption": {"key_file": "./key"},
            "schedule": {"every": "day", "at": "02:00"},
        }  # fmt: skip
        path = self.root / f"{name}.yaml"
        path.write_text(json.dumps(job | changes))
        return path

    def command(self, text: str) -> list[str]:
        """The words of an answer, with somebody's own values, and the confirmation where it asks."""
        text = re.sub(r"\b[A-Z]{3,}\b", lambda word: self.values.get(word[0], word[0]), text)
        words = shlex.split(text)[1:]
        if text.startswith(tuple(f"backup-runner {one} " for one in ASKS)):
            words += [] if {"--dry-run", "--yes", "--help"} & set(words) else ["--yes"]
        return words

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "HOME": str(self.root),
            "PATH": os.environ["PATH"],
            "BACKUP_KEY": BACKUP_KEY,
            "LC_ALL": "C.UTF-8",
        }
        done = run_command(words, cwd=self.root, env=environment, stdin=LETTER.encode(), timeout=300)
        texts = done.stdout.decode(), done.stderr.decode()
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    def answer(self, text: str) -> str:
        """Carries out one command of the page, in the situation that it is for; what it printed."""
        words = self.command(text)
        if words[:2] == ["key", "new"] and (self.root / words[2]).exists():
            return ""
        if words[0] == "init":
            # The questions, answered without a terminal.
            words += ["--source", "documents", "--to", "bucket-new"]
        if words[0] == "apply":
            self.runs += 1
            (self.root / f"documents/letters/{self.runs}.txt").write_text(f"{LETTER}{self.runs}")
        if words[:2] in (["catalog", "pull"], ["catalog", "rebuild"]):
            self.lose_catalog()
        if words[:2] == ["key", "add"]:
            assert self.run("key", "pair", "ops.pair").returncode == 0
            (self.root / "ops.pub").write_text(self.run("key", "recipient", "ops.pair").stdout)
        done = self.run(*words)
        assert done.returncode == 0, f"{text}\n{words}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def lose_catalog(self) -> None:
        for path in self.root.glob("job.db*"):
            if path.is_file():
                path.unlink()
