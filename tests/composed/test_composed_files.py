"""Files composed of pieces in many packs: restored, damaged, verified, pruned, and found again without records."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from backup_runner.catalog.composed import composition
from backup_runner.errors import CatalogError
from backup_runner.progress import Silent
from backup_runner.records import pack_pieces, pieces_digest
from backup_runner.recovery import choose as recovery
from backup_runner.spec import Overwrite, Retention
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.support.jobs import TINY, Home

SIZE = 300_000


@pytest.fixture
def tiny(home: Home) -> Home:
    home.policy = TINY
    home.workers = 1
    return home


def lose_catalog(home: Home) -> None:
    for suffix in ("", "-wal", "-shm", ".seen"):
        Path(f"{home.root}/catalog.db{suffix}").unlink(missing_ok=True)


def rebuilt(home: Home) -> list[str]:
    session = home.session()
    try:
        return recovery.rebuild(session, Silent()).missing
    finally:
        session.close()


def lives(home: Home) -> random.Random:
    """A large file with its changes over three runs, another that shares much of it, one with holes, and small ones."""
    chance = random.Random(7)
    data = bytearray(chance.randbytes(SIZE))
    home.write("large", bytes(data))
    home.write("small", b"small")
    with open(home.path("sparse"), "wb") as file:
        file.truncate(3_000_000)
        file.seek(900_000)
        file.write(chance.randbytes(200_000))
    home.apply()
    data[1000:1000] = b"inserted"
    home.write("large", bytes(data))
    home.write("shares", b"head" + bytes(data[50_000:]))
    home.apply()
    data[200_000:200_010] = b"0123456789"
    home.write("large", bytes(data))
    home.apply()
    return chance


def test_lists_of_pieces_are_whole(tiny: Home) -> None:
    lives(tiny)
    cat = tiny.catalog()
    composed = cat.conn.execute("SELECT id, size, list FROM content WHERE layout = 3").fetchall()
    assert len(composed) == 5
    for content_id, size, digest in composed:
        pieces = list(composition(cat, content_id, size))
        assert sum(piece.size for piece in pieces) == size
        assert pieces_digest(pack_pieces(pieces)) == digest
    packs = cat.conn.execute(
        "SELECT count(DISTINCT p.object_id) FROM extent e JOIN content p ON p.id = e.piece_id "
        "JOIN version v ON v.content_id = e.content_id JOIN path ON path.id = v.path_id AND key = ? AND until IS NULL",
        (b"large",),
    ).fetchone()
    assert packs[0] > 3
    cat.close()


def test_restored_exact_with_holes_as_holes(tiny: Home) -> None:
    lives(tiny)
    tiny.check()
    assert os.stat(f"{tiny.root}/back/sparse").st_blocks * 512 < 300_000
    # A second time nothing is written, and what differs comes back.
    with open(f"{tiny.root}/back/large", "r+b") as file:
        file.write(b"altered")
    os.utime(f"{tiny.root}/back/large")
    session = tiny.session()
    from backup_runner.restoring.run import RestoreOptions, restore

    outcome = (
        restore(session, RestoreOptions(to=f"{tiny.root}/back".encode(), overwrite=Overwrite.CHANGED), Silent())
        if hasattr(Overwrite, "CHANGED")
        else None
    )
    session.close()
    if outcome is not None:
        assert (outcome.counts.get("restored"), outcome.problems) == (1, [])


def test_no_temporary_file_is_left(tiny: Home) -> None:
    lives(tiny)
    tiny.restore()
    assert [name for name in os.listdir(f"{tiny.root}/back") if name.endswith(".brtmp")] == []


def piece_object(home: Home, key: bytes, *, also: bytes | None = None) -> str:
    """A pack that the current content of a path needs and, unless `also` is set, no other file."""
    needing = (
        "SELECT DISTINCT p.object_id FROM extent e JOIN content p ON p.id = e.piece_id "
        "JOIN version v ON v.content_id = e.content_id AND v.until IS NULL JOIN path ON path.id = v.path_id WHERE key "
    )
    rows = home.rows(
        f"SELECT name FROM object WHERE id IN ({needing} = ?) AND id {'' if also else 'NOT'} IN ({needing} "
        f"{'=' if also else '!='} ?) AND id NOT IN (SELECT c.object_id FROM content c JOIN version v "
        "ON v.content_id = c.id WHERE c.layout = 0) ORDER BY id LIMIT 1",
        key, also or key,
    )  # fmt: skip
    return str(rows[0][0])


def test_a_damaged_pack_costs_the_files_that_need_it(tiny: Home) -> None:
    lives(tiny)
    name = piece_object(tiny, b"sparse")
    with open(f"{tiny.bucket}/{name}", "r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    outcome = tiny.restore()
    assert [problem.key for problem in outcome.problems] == [b"sparse"]
    assert outcome.problems[0].kind == "damaged"
    assert "from byte" in outcome.problems[0].message
    assert not os.path.exists(f"{tiny.root}/back/sparse")
    for key in ("large", "shares", "small"):
        assert Path(f"{tiny.root}/back/{key}").read_bytes() == tiny.read(key)
    session = tiny.session()
    found = verify(session, VerifyOptions(level=Level.DATA), Silent())
    session.close()
    assert {problem.key for problem in found.files} == {b"sparse"}
    # The next apply stores what is lost of it, and no more.
    assert next(line for line in tiny.said() if line.startswith("repair")).startswith("repair sparse")
    assert tiny.apply().new_bytes <= TINY.pack_bytes + TINY.pieces.maximum
    tiny.check()


def test_a_missing_pack_that_two_files_share(tiny: Home) -> None:
    lives(tiny)
    os.unlink(f"{tiny.bucket}/{piece_object(tiny, b'large', also=b'shares')}")
    outcome = tiny.restore()
    assert sorted(problem.key for problem in outcome.problems) == [b"large", b"shares"]
    assert {problem.kind for problem in outcome.problems} == {"missing"}
    tiny.apply()
    tiny.check()


def test_a_list_of_pieces_that_was_altered(tiny: Home) -> None:
    """The catalog is not trusted either: pieces in another order are no file."""
    lives(tiny)
    cat = tiny.catalog()
    (content_id,) = cat.conn.execute(
        "SELECT v.content_id FROM version v JOIN path p ON p.id = v.path_id WHERE key = ? AND until IS NULL",
        (b"large",),
    ).fetchone()
    (first, second) = cat.conn.execute(
        "SELECT at, piece_id FROM extent WHERE content_id = ? ORDER BY at LIMIT 2", (content_id,)
    ).fetchall()
    swap = "UPDATE extent SET piece_id = ? WHERE content_id = ? AND at = ?"
    cat.conn.execute(swap, (second[1], content_id, first[0]))
    cat.close()
    outcome = tiny.restore()
    assert [(problem.key, problem.kind) for problem in outcome.problems] == [(b"large", "damaged")]
    session = tiny.session()
    found = verify(session, VerifyOptions(level=Level.HEADERS), Silent())
    session.close()
    assert {problem.key for problem in found.files} == {b"large"}


def test_found_again_without_records(tiny: Home) -> None:
    """Pieces in several packs of several runs; the list in the pack of the last."""
    lives(tiny)
    lose_catalog(tiny)
    for kind in ("records", "copies"):
        for folder in Path(tiny.bucket).glob(f"*/{kind}"):
            shutil.rmtree(folder)
    assert not [line for line in rebuilt(tiny) if "piece" in line]
    for key in ("large", "shares", "sparse", "small"):
        tiny.restore("back", key.encode())
        assert Path(f"{tiny.root}/back/{key}").read_bytes() == tiny.read(key)
    assert tiny.apply().new_bytes == 0
    tiny.check()


def test_rebuilt_with_a_pack_gone(tiny: Home) -> None:
    lives(tiny)
    os.unlink(f"{tiny.bucket}/{piece_object(tiny, b'sparse')}")
    lose_catalog(tiny)
    for kind in ("records", "copies"):
        for folder in Path(tiny.bucket).glob(f"*/{kind}"):
            shutil.rmtree(folder)
    assert any(line.startswith("sparse: ") and "pieces are missing" in line for line in rebuilt(tiny))
    tiny.restore("back", b"large")
    assert Path(f"{tiny.root}/back/large").read_bytes() == tiny.read("large")


def test_pruned_and_repacked_and_found_again(tiny: Home) -> None:
    """Pieces that only forgotten snapshots needed go; lists of living files go along into the new packs."""
    chance = lives(tiny)
    tiny.settings["retention"] = Retention(keep_last=1, repack_dead_percent=5)
    before = sum(os.stat(f"{tiny.bucket}/{name}").st_size for name in tiny.data_objects())
    tiny.write("small", b"other")
    os.unlink(tiny.path("shares"))
    tiny.write("large", tiny.read("large")[150_000:] + chance.randbytes(10_000))
    assert tiny.apply().problems == []
    assert tiny.apply(pruning="only").counts.keys() >= {"delete"}
    after = sum(os.stat(f"{tiny.bucket}/{name}").st_size for name in tiny.data_objects())
    assert after < before
    tiny.check()
    used = tiny.rows(
        "SELECT name FROM object WHERE id NOT IN (SELECT object_id FROM content WHERE object_id IS NOT NULL)"
    )
    assert used == []
    assert tiny.rows("SELECT count(*) FROM content c LEFT JOIN version v ON v.content_id = c.id WHERE c.layout = 3 "
                     "AND v.content_id IS NULL") == [(0,)]  # fmt: skip
    lose_catalog(tiny)
    for kind in ("records", "copies"):
        for folder in Path(tiny.bucket).glob(f"*/{kind}"):
            shutil.rmtree(folder)
    rebuilt(tiny)
    for key in ("large", "sparse", "small"):
        tiny.restore("back", key.encode())
        assert Path(f"{tiny.root}/back/{key}").read_bytes() == tiny.read(key)


def test_another_machine_pulls(tiny: Home) -> None:
    lives(tiny)
    tables = ("path", "content", "extent", "version", "object")
    there = [tiny.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
    seed = tiny.rows("SELECT seed FROM store")
    lose_catalog(tiny)
    session = tiny.session()
    assert recovery.pull(session, Silent()).missing == []
    session.close()
    assert [tiny.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == there
    assert tiny.rows("SELECT seed FROM store") == seed
    tiny.check()
    with pytest.raises(CatalogError):
        tiny.restore(at="9999")
