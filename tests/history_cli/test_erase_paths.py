"""`forget --path`: the wrong file goes out of the whole history; what is left can be restored, here and elsewhere."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from .machines import Machine, Result, Site

NEEDED = ("--yes", "--override-guard", "max_free_percent")


@pytest.fixture
def one(site: Site) -> Machine:
    """A job with three snapshots; `letters/secret.txt` changed in each, and shares its packs with other files."""
    machine = site.machine("one")
    site.write("keep.txt", "kept " * 2000)
    os.link(site.data / "keep.txt", site.data / "z-keep.txt")
    for number in range(3):
        site.write("letters/secret.txt", f"secret {number} " * 3000)
        site.write("letters/other.txt", f"other {number} " * 3000)
        assert machine.run("apply", "--yes").code == 0
    return machine


def packs(site: Site) -> set[str]:
    return {path.name for path in (site.root / "bucket").rglob("*") if path.parent.name == "data" and path.is_file()}


def names(machine: Machine, at: str) -> set[str]:
    lines = machine.run("files list", "--at", at, "--json").lines("files-list")
    return {one["path"] for one in lines if one["kind"] == "entry" and one["type"] == "file"}


def forget(machine: Machine, *arguments: str) -> Result:
    return machine.run("forget", *arguments)


def test_a_file_goes_out_of_all_snapshots_with_its_bytes(site: Site, one: Machine) -> None:
    before = packs(site)
    shown = forget(one, "--path", "letters/secret.txt", "--dry-run")
    assert shown.code == 0, shown.err
    assert "erase" in shown.out
    assert "letters/secret.txt" in shown.out
    assert "3 version(s)" in shown.out
    assert "still in a source" in shown.out
    assert "leave the bucket" in shown.out
    assert "repack" in shown.out
    assert "letters/secret.txt" in names(one, "1"), "a dry run changes nothing"
    done = forget(one, "--path", "letters/secret.txt", "--json", *NEEDED)
    assert done.code == 0, done.err
    assert done.lines("prune")[-1]["counts"]["erase"] == 1
    assert not before & packs(site), "every pack had some of it"
    for at in ("1", "2", "3"):
        assert "letters/secret.txt" not in names(one, at)
        assert one.run("restore", "letters", "--at", at, "--to", str(site.root / f"back{at}")).code == 0
        text = (site.root / f"back{at}" / "letters" / "other.txt").read_text()
        assert text == f"other {int(at) - 1} " * 3000
    assert one.run("verify", "--level", "data").code == 0
    assert one.run("history", "letters/secret.txt").code != 0


@pytest.mark.parametrize("way", ["catalog pull", "catalog rebuild"])
def test_other_machines_agree(site: Site, one: Machine, way: str) -> None:
    two = site.machine("two")
    assert two.run("catalog pull").code == 0
    assert forget(one, "--path", "letters/secret.txt", *NEEDED).code == 0
    if way == "catalog rebuild":
        shutil.rmtree(two.folder)
        for kind in ("records", "copies"):
            for path in (site.root / "bucket").glob(f"*/{kind}/*"):
                path.unlink()
    done = two.run(way, *(("--yes",) if way == "catalog rebuild" else ()))
    assert done.code == (0 if way == "catalog pull" else 3), done.err
    newest = "latest"
    assert "letters/secret.txt" not in names(two, newest)
    assert "letters/other.txt" in names(two, newest)


def test_the_next_apply_stores_it_again_only_if_it_is_still_there(site: Site, one: Machine) -> None:
    (site.data / "letters" / "secret.txt").unlink()
    assert one.run("apply", "--yes").code == 0
    shown = forget(one, "--path", "letters/secret.txt", "--dry-run")
    assert "still in a source" not in shown.out
    assert forget(one, "--path", "letters/secret.txt", *NEEDED).code == 0
    lines = one.run("apply", "--yes", "--json").lines("apply")
    assert "upload" not in lines[-1]["counts"]
    site.write("letters/secret.txt", "secret again")
    lines = one.run("apply", "--yes", "--json").lines("apply")
    assert lines[-1]["counts"]["upload"] == 1


def test_a_folder_a_pattern_and_the_first_of_hard_links(site: Site, one: Machine) -> None:
    done = forget(one, "--path", "letters", "--path", "keep.*", *NEEDED)
    assert done.code == 0, done.err
    assert names(one, "3") == {"z-keep.txt"}
    assert one.run("restore", "--at", "1", "--to", str(site.root / "back")).code == 0
    assert (site.root / "back" / "z-keep.txt").read_text() == "kept " * 2000
    assert "keep.txt" not in names(one, "1")


def test_bytes_that_another_file_has_stay_and_that_is_said(site: Site, one: Machine) -> None:
    site.write("copy.txt", "secret 2 " * 3000)
    assert one.run("apply", "--yes").code == 0
    shown = forget(one, "--path", "letters/secret.txt", "--dry-run")
    assert "copy.txt" in shown.out
    assert forget(one, "--path", "letters/secret.txt", *NEEDED).code == 0
    assert one.run("restore", "copy.txt", "--to", str(site.root / "back")).code == 0
    assert (site.root / "back" / "copy.txt").read_text() == "secret 2 " * 3000


def test_what_is_not_there_or_is_too_much(site: Site, one: Machine) -> None:
    nothing = forget(one, "--path", "letters/scret.txt", "--yes")
    assert nothing.code == 1
    assert "no snapshot has" in nothing.err
    everything = forget(one, "--path", "letters", "--path", "keep.txt", "--path", "z-keep.txt", "--yes")
    assert everything.code == 5, "a guard"
    assert forget(one, "--yes").code == 64
    assert len(names(one, "latest")) > 3


def test_a_saved_plan_cannot_erase(site: Site, one: Machine) -> None:
    from backup_runner.planning.admission import _foreign
    from backup_runner.reasons import Cause, Reason
    from backup_runner.records import Action, ActionKind

    erase: Any = Action(ActionKind.ERASE, Reason(Cause.CHOSEN_PATH, details=(1, "x")), b"letters/secret.txt")
    assert "erases" in _foreign(erase, None)  # type: ignore[arg-type]
