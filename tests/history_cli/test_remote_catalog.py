"""`catalog: {remote: true, cache: …}`: the same job from any machine, one at a time, and one history of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backup_runner.container import ObjectId, ObjectKind
from tests.history_cli.machines import Site
from tests.oci_emulator.fixture import Running, start

_TURNS = 10
_OCI_TURNS = 10 if os.environ.get("PROOF") == "full" else 3


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


def oci_target(emulator: Running, prefix: str) -> str:
    auth = f"auth: {{method: config_file, config_file: {emulator.owner.config_file}}}"
    place = f"namespace: {emulator.namespace}, bucket: {emulator.bucket}, prefix: {prefix}/"
    return f"{{type: oci, {place}, endpoint: '{emulator.url}', {auth}}}"


def test_ten_processes_taking_turns_make_one_history(site: Site) -> None:
    take_turns(site, _TURNS)


@pytest.mark.proof
def test_taking_turns_on_object_storage(site: Site, emulator: Running) -> None:
    site.target = oci_target(emulator, "turns")
    take_turns(site, _OCI_TURNS)


def take_turns(site: Site, turns: int) -> None:
    """As many processes as turns, each with a cache of its own, one after the other."""
    for turn in range(1, turns + 1):
        site.write(f"file-{turn}.txt", f"of turn {turn}")
        done = site.machine(f"m{turn}", remote=True).start("apply", "--yes", "--workers", "1")()
        assert done.code == 0, done.err
        assert f"snapshot {turn} complete: 1 uploaded" in done.out
        assert f"serial {turn}" in done.out
    # One that was there at the first turn catches up by the records it lacks.
    first = site.machines["m1"]
    assert first.serial() == 1
    listed = first.run("snapshots", "--json").document("snapshots")
    assert [(item["id"], item["totals"]["files"]) for item in listed] == [(n, n) for n in range(1, turns + 1)]
    assert first.serial() == turns
    stranger = site.machine("stranger", remote=True)
    assert set(stranger.restored("3")) == {f"file-{n}.txt" for n in range(1, 4)}
    whole = site.machine("local").run("catalog pull", "--json").document("catalog-pull")
    assert (whole["serial"], whole["snapshots"], whole["missing"]) == (turns, turns, [])


def test_a_cache_that_is_newest_costs_little(emulator: Running, tmp_path: Path) -> None:
    site = Site(tmp_path, target=oci_target(emulator, "looks"))
    site.write("a.txt", "first")
    one = site.machine("one", remote=True)
    one.apply()
    one.apply()
    emulator.clear_log()
    assert one.run("files list").code == 0
    # The record it ends at; the one after it, and since one 404 proves nothing, a listing of just that name.
    assert [line["operation"] for line in emulator.log()] == ["HeadObject", "HeadObject", "ListObjects"]
    two = site.machine("two", remote=True)
    two.run("files list")
    two.apply()
    emulator.clear_log()
    assert "2 files" not in one.run("files list").out
    fetched = emulator.log("GetObject")
    names = [line["target"].rsplit("%2F", 1)[1] for line in fetched if "records" in line["target"]]
    assert len(names) <= 6, "the record it ends at; heads of the one after it, whether it is ours; and that one"
    assert one.run("snapshots", "--json").document("snapshots")[-1]["id"] == 3


def test_at_the_same_time_with_wait_nothing_is_lost(site: Site) -> None:
    site.write("a.txt", "first")
    site.machine("one", remote=True).apply()
    names = [f"m{number}" for number in range(3)]
    waits = [
        site.machine(name, remote=True).start("apply", "--yes", "--wait", "2m", "--workers", "1") for name in names
    ]
    for done in [wait() for wait in waits]:
        assert done.code == 0, done.out + done.err
    last = site.machine("last", remote=True)
    listed = last.run("snapshots", "--json").document("snapshots")
    assert [item["id"] for item in listed] == [1, 2, 3, 4]
    assert [item["status"] for item in listed] == ["complete"] * 4
    assert len(site.lineages()) == 1


def test_without_wait_the_second_leaves(site: Site) -> None:
    """The first holds the lease; a second machine is told who does."""
    from backup_runner.api import load_job
    from backup_runner.repository.session import Session

    site.write("a.txt", "first")
    one, two = site.machine("one", remote=True), site.machine("two", remote=True)
    one.apply()
    with closing(Session(load_job(str(one.job)))) as session:
        _, store, _ = session.need_store()
        lease = ObjectId(bytes.fromhex(store.lineage), ObjectKind.LEASE, bytes(16))
        note = b'{"host": "elsewhere", "pid": 1, "since": 1, "nonce": "n"}'
        sealed = session.keys(store).sealing.whole(lease, note)
    path = site.root / "bucket" / lease.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(sealed)
    refused = two.run("apply", "--yes")
    assert refused.code == 6
    assert "another run has locked this lineage: process 1 on elsewhere" in refused.err
    path.write_bytes(b"something that nobody with the key put there")
    assert two.apply()["serial"] == 2


def test_a_lost_race_heals_by_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other machine commits between this one's last look and its record."""
    from backup_runner.repository import commits as committing

    site.write("a.txt", "first")
    one, two = site.machine("one", remote=True), site.machine("two", remote=True)
    one.apply()
    two.run("snapshots")
    commit = committing.commit

    def slow(*arguments: object) -> object:
        monkeypatch.setattr(committing, "commit", commit)
        # Its lease is taken away, as if it had stood still for too long.
        shutil.rmtree(next((site.root / "bucket").glob("*/lease")))
        assert two.run("apply", "--yes", "--workers", "1").code == 0
        return commit(*arguments)  # type: ignore[arg-type]

    site.write("b.txt", "of one")
    monkeypatch.setattr(committing, "commit", slow)
    lost = one.run("apply", "--yes", "--workers", "1")
    assert lost.code == 1
    assert "another machine committed serial 2 of this lineage first; nothing was committed here" in lost.err
    again = one.apply()
    assert (again["serial"], again["counts"].get("upload", 0)) == (3, 0)
    # What the loser had uploaded was adopted by the winner, so it is there once.
    assert len(list((site.root / "bucket").glob("*/data/*"))) == 2
    assert one.restored() == {"a.txt": "first", "b.txt": "of one"}
    assert one.run("files list", "--json").out.count('"b.txt"') == 1


@pytest.mark.parametrize("left", ["catalog.db", "catalog.db.seen"])
def test_a_rolled_back_bucket_stops_a_remote_job(site: Site, left: str) -> None:
    """Both the cache and the note beside it remember."""
    site.write("a.txt", "first")
    one = site.machine("one", remote=True)
    one.apply()
    one.apply()
    (lineage,) = site.lineages()
    os.unlink(site.root / "bucket" / lineage / "records" / f"{2:016d}")
    for path in one.folder.glob("catalog.db*"):
        if path.is_file() and path.name != left:
            path.unlink()
    refused = one.run("plan")
    assert refused.code == 1
    assert "its newest record is 1, serial 2 was seen" in refused.err


def test_a_bucket_whose_disk_is_not_mounted_stops_a_remote_job(site: Site) -> None:
    site.write("a.txt", "first")
    one = site.machine("one", remote=True)
    one.apply()
    (site.root / "bucket").rename(site.root / "away")
    refused = one.run("plan")
    assert refused.code == 1
    assert f"the folder {site.root / 'bucket'} does not exist, but the catalog lists objects there" in refused.err
    assert "is its disk mounted?" in refused.err
    (site.root / "away").rename(site.root / "bucket")
    assert one.run("plan", "--detailed-exitcode").code == 0


def test_offline_needs_no_bucket(site: Site) -> None:
    site.write("a.txt", "first")
    one = site.machine("one", remote=True)
    one.apply()
    (site.root / "bucket").rename(site.root / "away")
    assert one.run("plan", "--offline").code == 0


def test_another_key_starts_no_second_history_unsaid(site: Site) -> None:
    site.write("a.txt", "first")
    site.machine("one", remote=True).apply()
    (site.root / "key").write_bytes(b"x" * 32)
    told = site.machine("two", remote=True).run("plan")
    assert "1 lineage(s) in the bucket are encrypted with other keys and were ignored" in told.err
