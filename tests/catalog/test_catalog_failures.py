"""A catalog that cannot be used is named, with what to do; faults of ours stay faults."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from backup_runner.catalog import Catalog
from backup_runner.catalog.failures import explained
from backup_runner.errors import CatalogError


def failing(catalog: Catalog, statement: str) -> Exception:
    with pytest.raises(sqlite3.Error) as caught, catalog.transaction() as conn:
        conn.execute(statement)
    return caught.value


def test_a_full_disk_rolls_back_and_says_so(tmp_path: Path) -> None:
    catalog = Catalog(str(tmp_path / "c.db"), create=True)
    (pages,) = catalog.conn.execute("PRAGMA page_count").fetchone()
    catalog.conn.execute(f"PRAGMA max_page_count = {pages}")
    error = failing(catalog, "CREATE TABLE t AS SELECT randomblob(1000000)")
    told = explained(error, catalog.path)
    assert told is not None
    assert told.message == f"cannot use the catalog {catalog.path}: database or disk is full"
    assert told.hint is not None
    assert "free space" in told.hint
    assert not catalog.conn.in_transaction
    assert catalog.conn.execute("SELECT count(*) FROM sqlite_master WHERE name = 't'").fetchone() == (0,)


def test_a_wrong_statement_is_a_fault_of_ours(tmp_path: Path) -> None:
    catalog = Catalog(str(tmp_path / "c.db"), create=True)
    assert explained(failing(catalog, "SELECT nothing FROM nowhere"), catalog.path) is None
    assert explained(ValueError("x"), catalog.path) is None


def test_a_damaged_file_is_to_be_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(CatalogError) as caught:
        Catalog(str(path), create=False)
    assert "file is not a database" in caught.value.message
    assert caught.value.hint is not None
    assert "move it" in caught.value.hint


def test_a_damaged_catalog_is_named_by_every_command(place: Any) -> None:
    assert place.run("apply", "job.yaml", "--yes").code == 0
    path = place.root / "catalog.db"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)
    for command in (("plan",), ("snapshots",), ("verify",), ("files", "list")):
        told = place.run(*command, "job.yaml")
        assert (told.code, told.out) == (1, "")
        assert told.err.splitlines()[-2].startswith(f"error: cannot use the catalog {path}: "), told.err
        assert "catalog pull JOB" in told.err
    path.unlink()
    assert place.run("catalog", "pull", "job.yaml").code == 0
    assert place.run("plan", "job.yaml", "--detailed-exitcode").code == 0
