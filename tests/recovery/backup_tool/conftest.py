"""A bucket and database as backup-tool leaves them, made from the description of its format."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support.command import run_command

KEY = b"0123456789abcdef"
SIZES = [0, 1, 15, 16, 17, 24575, 24576, 24577, 65535, 65536, 65537, 100001, 5 * 1024 * 1024 + 7]
TABLES = """
CREATE TABLE backup_entry (id INTEGER PRIMARY KEY, uploaded_file_path VARCHAR(256) UNIQUE,
  original_md5_checksum VARCHAR(32), uploaded_md5_checksum VARCHAR(32) UNIQUE);
CREATE TABLE backup_entry_local_file (id INTEGER PRIMARY KEY, backup_entry_id INTEGER REFERENCES backup_entry (id),
  local_file_path VARCHAR(40960) UNIQUE {cached});
"""


def encode(key: bytes, plain: bytes) -> bytes:
    """Length, IV, AES-CBC, the last block filled with spaces."""
    iv = os.urandom(16)
    context = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    filled = plain + b" " * (-len(plain) % 16)
    return len(plain).to_bytes(8, "little") + iv + context.update(filled) + context.finalize()


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@dataclass
class Old:
    """What backup-tool knows; `root/data` are the files, `root/bucket` the bucket."""

    root: Path
    key: bytes = KEY
    cached: bool = True
    objects: dict[int, tuple[str, bytes, str]] = field(default_factory=dict)
    files: list[tuple[int, int | None, str, float | None, int | None]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def database(self) -> Path:
        return self.root / "database.sql"

    def store(self, number: int, plain: bytes) -> bytes:
        """An object with that number; its sealed bytes."""
        sealed = encode(self.key, plain)
        self.objects[number] = (str(uuid.uuid4()), sealed, md5(plain))
        return sealed

    def add(self, number: int, path: str, object_id: int | None, plain: bytes, *, at: float | None = None) -> None:
        """A file on disk and its row."""
        place = self.data / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(plain)
        self.files.append((number, object_id, path, os.stat(place).st_mtime if at is None else at, len(plain)))

    def write(self) -> None:
        """Put everything where backup-tool would."""
        (self.root / "bucket").mkdir(exist_ok=True)
        with sqlite3.connect(self.database) as conn:
            extra = ", cached_mtime FLOAT, cached_size INTEGER" if self.cached else ""
            conn.executescript(TABLES.format(cached=extra))
            for number, (name, sealed, plain_md5) in self.objects.items():
                (self.root / "bucket" / name).write_bytes(sealed)
                conn.execute("INSERT INTO backup_entry VALUES (?, ?, ?, ?)", (number, name, plain_md5, md5(sealed)))
            marks = "?, ?, ?, ?, ?" if self.cached else "?, ?, ?"
            rows = self.files if self.cached else [row[:3] for row in self.files]
            conn.executemany(f"INSERT INTO backup_entry_local_file VALUES ({marks})", rows)
        conn.close()

    def path_of(self, number: int) -> Path:
        return self.root / "bucket" / self.objects[number][0]


@dataclass
class Shell:
    """The command line as a process in `root`, which is its home too."""

    root: Path

    def __call__(self, *arguments: str | Path, code: int = 0, env: dict[str, str] | None = None) -> Any:
        """stdout, parsed if it is JSON; the exit code must be `code`."""
        keep = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "TZ"}}
        env = keep | {"HOME": str(self.root), "PYTHONIOENCODING": "utf-8"} | (env or {})
        done = run_command([*map(str, arguments)], cwd=self.root, env=env)
        self.err = done.stderr.decode()
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout.decode()}\n{self.err}"
        text = done.stdout.decode()
        if "--json" in arguments:
            lines = [json.loads(line) for line in text.splitlines()]
            return lines[0] if len(lines) == 1 else lines
        return text

    def job(self, **values: str) -> Path:
        path = self.root / "job.yaml"
        lines = ["version: 1", "name: old", "sources: [{path: ./data}]", "relative_path: ./data"]
        lines += ["target: {type: directory, path: ./bucket}", "encryption: {key_file: ./key}", "catalog: ./catalog.db"]
        path.write_text("\n".join(lines + [f"{key}: {value}" for key, value in values.items()]) + "\n")
        return path


@pytest.fixture
def old(tmp_path: Path) -> Old:
    found = Old(tmp_path)
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def full(old: Old) -> Old:
    """Every size, a duplicate, a changed file, an object without a file, a file without a backup."""
    for number, size in enumerate(SIZES, start=101):
        plain = os.urandom(size)
        old.store(number, plain)
        old.add(number + 1000, f"sizes/{size}", number, plain)
    old.store(201, b"twice the same")
    old.add(2001, "copies/one", 201, b"twice the same")
    old.add(2002, "copies/two", 201, b"twice the same")
    old.store(202, b"as it was backed up")
    old.add(2003, "changed", 202, b"as it was backed up")
    (old.data / "changed").write_bytes(b"as it is by now, longer")
    old.store(203, b"of a file that is gone and cleaned up")
    old.add(2004, "no-backup", None, b"never stored")
    old.write()
    return old


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    def read(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    return read
