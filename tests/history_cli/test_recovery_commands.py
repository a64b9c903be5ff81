"""`catalog pull`, `catalog rebuild` and `catalog info` on a machine that lost its catalog, or is behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from backup_runner.catalog.lines import COLUMNS
from tests.history_cli.machines import Site

pytestmark = pytest.mark.usefixtures("without_scrypt")


def test_pull_on_an_empty_machine_then_restore(site: Site) -> None:
    site.write("a.txt", "first")
    one = site.machine("one")
    one.apply()
    site.write("a.txt", "second")
    one.apply()
    shutil.rmtree(one.folder)
    pulled = one.run("catalog pull", "--json")
    assert pulled.code == 0, pulled.err
    found = pulled.document("catalog-pull")
    assert (found["serial"], found["jobs"], found["snapshots"], found["files"]) == (2, ["papers"], 2, 1)
    assert found["age_seconds"] < 300
    assert f"lineage {found['lineage']}, serial 2 of " in pulled.err
    assert "2 records read in" in pulled.err
    assert one.restored("1") == {"a.txt": "first"}
    assert one.restored() == {"a.txt": "second"}


def test_pull_on_an_ancestor_reads_newer_records_only_and_keeps_ids(site: Site) -> None:
    site.write("a.txt", "first")
    site.write("old.txt", "old")
    one, two = site.machine("one"), site.machine("two", retention="{keep_last: 1}")
    one.apply()
    assert two.run("catalog pull").code == 0
    shutil.copytree(two.folder, site.root / "three")
    # Forgets, deletes and puts back: the record has rows that take the place of others.
    os.unlink(site.data / "old.txt")
    two.apply()
    site.write("old.txt", "old")
    two.apply()
    two.apply()
    before = one.run("find", "*.txt", "--json").lines("find")
    pulled = one.run("catalog pull", "--json").document("catalog-pull")
    assert (pulled["serial"], pulled["records"], pulled["copies"], pulled["notes"]) == (4, 3, 0, [])
    after = one.run("find", "*.txt", "--json").lines("find")
    assert [line["path"] for line in before[:-1]] == [line["path"] for line in after[:-1]] == ["a.txt", "old.txt"]
    # The same rows as one that reads it all anew.
    shutil.rmtree(two.folder)
    whole = two.run("catalog pull", "--json").document("catalog-pull")
    assert whole["records"] == 4
    assert two.run("files list", "--json").out == one.run("files list", "--json").out
    assert one.run("snapshots", "--json").out == two.run("snapshots", "--json").out
    again = one.run("catalog pull", "--json").document("catalog-pull")
    assert (again["records"], again["serial"]) == (0, 4)
    assert one.restored() == {"a.txt": "first", "old.txt": "old"}


def test_what_only_this_machine_had_is_given_up_and_said(site: Site) -> None:
    site.write("a.txt", "first")
    one, two = site.machine("one"), site.machine("two")
    one.apply()
    two.run("catalog pull")
    two.apply()
    site.write("b.txt", "lost race")
    planned = one.run("plan")
    assert planned.code == 1
    assert "the bucket is ahead of this catalog" in planned.err
    assert one.run("catalog pull").code == 0
    assert one.apply()["serial"] == 3


@pytest.mark.parametrize("how", ["records cut off", "min-serial"])
def test_a_bucket_that_was_rolled_back_is_refused(site: Site, how: str) -> None:
    site.write("a.txt", "first")
    one = site.machine("one")
    one.apply()
    one.apply()
    (lineage,) = site.lineages()
    records = sorted((site.root / "bucket" / lineage / "records").iterdir())
    if how == "min-serial":
        shutil.rmtree(one.folder)
        result = one.run("catalog pull", "--min-serial", "3")
        assert "serial 3 was seen" in result.err
    else:
        records[-1].unlink()
        os.unlink(one.folder / "catalog.db")
        result = one.run("catalog pull")
        assert "its newest record is 1, serial 2 was seen" in result.err
    assert result.code == 1
    assert not (one.folder / "catalog.db").exists()


def test_a_rewritten_history_is_said(site: Site) -> None:
    """The bucket is put back to an older state, and another machine goes on from there."""
    site.write("a.txt", "first")
    one, two = site.machine("one"), site.machine("two")
    one.apply()
    shutil.copytree(site.root / "bucket", site.root / "older")
    one.apply()
    shutil.rmtree(site.root / "bucket")
    (site.root / "older").rename(site.root / "bucket")
    two.run("catalog pull")
    two.apply()
    pulled = one.run("catalog pull", "--json")
    assert pulled.code == 0, pulled.err
    (note,) = pulled.document("catalog-pull")["notes"]
    assert note.startswith("record 2 in the bucket is not the last one of this catalog")


def test_rebuild_without_copies_and_without_records(site: Site) -> None:
    site.write("a.txt", "first")
    site.write("sub/b.txt", "second")
    os.symlink("a.txt", site.data / "link")
    one = site.machine("one")
    one.apply()
    assert one.run("catalog rebuild").code == 64
    assert one.run("catalog rebuild", stdin="").code == 64
    whole = one.run("catalog rebuild", "--yes", "--json")
    assert whole.code == 0, whole.err
    assert whole.document("catalog-rebuild")["missing"] == []
    (lineage,) = site.lineages()
    shutil.rmtree(site.root / "bucket" / lineage / "records")
    shutil.rmtree(one.folder)
    rebuilt = one.run("catalog rebuild", "--json")
    assert rebuilt.code == 3
    found = rebuilt.document("catalog-rebuild")
    assert found["objects"] == 1
    assert found["missing"][-1].startswith("what only the records contained: ")
    assert "Missing (1):" in rebuilt.err
    assert one.restored() == {"a.txt": "first", "sub/b.txt": "second"}


def test_a_gap_in_the_records_is_bridged_by_a_copy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("a.txt", "first")
    one = site.machine("one")
    one.apply()
    monkeypatch.setattr("backup_runner.repository.commits.copy_is_due", lambda store: store.serial == 3)
    site.write("a.txt", "second")
    one.apply()
    one.apply()
    one.apply()
    (lineage,) = site.lineages()
    os.unlink(site.root / "bucket" / lineage / "records" / f"{2:016d}")
    shutil.rmtree(one.folder)
    rebuilt = one.run("catalog rebuild", "--json")
    assert rebuilt.code == 0, rebuilt.err
    found = rebuilt.document("catalog-rebuild")
    assert (found["serial"], found["copies"], found["records"], found["snapshots"]) == (4, 1, 1, 4)
    assert found["notes"][0].startswith("not from the first record: record 2 of 4 is missing")
    assert one.restored("1") == {"a.txt": "first"}


def test_objects_that_are_gone_are_named(site: Site) -> None:
    site.write("a.txt", "first")
    one = site.machine("one")
    one.apply()
    (lineage,) = site.lineages()
    (gone,) = (site.root / "bucket" / lineage / "data").iterdir()
    gone.unlink()
    rebuilt = one.run("catalog rebuild", "--yes", "--json")
    assert rebuilt.code == 3
    assert gone.name in rebuilt.document("catalog-rebuild")["missing"][0]


def test_info_says_what_the_bucket_holds(site: Site) -> None:
    site.write("a.txt", "first")
    one = site.machine("one")
    one.apply()
    here = one.run("catalog info", "--json").document("catalog-info")
    assert (here["bucket"], here["stores"][0]["serial"]) == (None, 1)
    other = Site(_folder(site, "other"), target=f"{{type: directory, path: {site.root}/bucket}}")
    (other.root / "key").write_bytes(b"another key, of just 32 bytes ..")
    other.write("x", "x")
    strange = other.machine("strange")
    strange.apply()
    shutil.rmtree(one.folder)
    found = one.run("catalog info", "--json").document("catalog-info")
    assert found["stores"] == []
    by_opening = {item["opens"]: item for item in found["bucket"]}
    assert (by_opening[True]["serial"], by_opening[True]["jobs"], by_opening[True]["objects"]) == (1, ["papers"], 1)
    assert by_opening[False]["why"] == "encrypted with another key"
    text = one.run("catalog info").out
    assert "2 lineages" in text
    assert 'jobs "papers"; newest record of ' in text
    refused = one.run("catalog pull", "--lineage", by_opening[False]["lineage"])
    assert (refused.code, "key" in refused.err) == (1, True), refused.err
    assert one.run("catalog pull").code == 0


def test_the_format_page_has_the_columns_that_are_written() -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    for table, columns in COLUMNS.items():
        names = ", ".join(f"`{name}`" for name, _ in columns)
        assert f"| `{table}` | {names}" in page, table


def _folder(site: Site, name: str) -> Path:
    path = site.root / name
    path.mkdir()
    return path
