"""A folder with a job, its key and something to back up. Tests here use the public API and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backup_runner import Job, load_job, load_settings, new_key

NO_CONFIG = load_settings(env={})


@dataclass
class Site:
    """`job()` loads the job file anew, with further top-level lines."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    def write(self, name: str, text: str) -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def job(self, name: str = "documents", **values: str) -> Job:
        lines = ["version: 1", f"name: {name}", "sources: [{path: ./data}]", "relative_path: ./data"]
        lines += [
            f"target: {{type: directory, path: ./{name}.bucket}}",
            "encryption: {key_file: ./key}",
            f"catalog: ./{name}.db",
        ]
        path = self.root / f"{name}.yaml"
        path.write_text("\n".join(lines + [f"{key}: {value}" for key, value in values.items()]) + "\n")
        return load_job(str(path), settings=NO_CONFIG)


@dataclass
class Heard:
    """Events as they came."""

    phases: list[str] = field(default_factory=list)
    files: int = 0
    warnings: list[str] = field(default_factory=list)

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        self.phases.append(name)

    def advance(self, files: int, size: int) -> None:
        self.files += files

    def ahead(self, files: int, size: int) -> None: ...

    def now(self, name: bytes) -> None: ...

    def limited(self, rate: float) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site, with HOME and working directory in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = Site(tmp_path)
    found.write("letters/bank.txt", "dear bank")
    found.write("notes.txt", "notes")
    new_key(tmp_path / "key")
    return found


@pytest.fixture
def heard() -> Heard:
    return Heard()
