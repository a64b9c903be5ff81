"""Contents, placed and composed: one row for each size and hash, wherever their bytes come to lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from backup_runner.catalog import Catalog, history
from backup_runner.catalog.many import known_pieces, usable_contents
from backup_runner.catalog.recording import Recorder
from backup_runner.catalog.states import set_states
from backup_runner.catalog.storing import put_content
from backup_runner.records import Composed, Digests, Extent, NewObject, Piece, Placed, pack_pieces, pieces_digest


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    cat = Catalog(str(tmp_path / "catalog.db"), create=True)
    store = cat.add_store(target="t", key_id="k", lineage="l", salt=b"s")
    job = cat.add_job(store.id, "job")
    snapshot = cat.open_snapshot(job, scanned_ns=1, started_ns=1, plan_id="p", scope="[]")
    yield Recorder(cat, store.id, job, snapshot)
    cat.close()


def new_object(number: int) -> NewObject:
    return NewObject(f"object {number}", 1, 1, "", "", None, b"", b"", "Standard", 1)


def piece(number: int, size: int = 100) -> Placed:
    return Placed(number * 1000, size, blake3(b"%d" % number).digest(), None)


def composed(*parts: tuple[int | None, int], md5: bytes | None = b"m" * 16) -> Composed:
    packed = pack_pieces(Piece(None if number is None else piece(number).blake3, size) for number, size in parts)
    return Composed(sum(size for _, size in parts), blake3(packed).digest(), md5, packed)


def test_equal_pieces_of_a_pack_are_one_content(recorder: Recorder) -> None:
    ids = recorder.record_pack(new_object(1), [piece(1), piece(2), piece(1)])
    assert (ids[0], len(set(ids))) == (ids[2], 2)
    assert recorder.record_pack(new_object(2), [piece(2), piece(3)])[0] == ids[1]
    assert history.extents(recorder.cat, ids[1])[0].object_id == 1
    assert recorder.record_pack(new_object(3), [piece(2)], anew=True) == [ids[1]]
    assert history.extents(recorder.cat, ids[1])[0].object_id == 3


def test_what_was_lost_lies_where_it_was_stored_again(recorder: Recorder) -> None:
    (lost,) = recorder.record_pack(new_object(1), [piece(1)])
    set_states(recorder.cat, {1: "missing"})
    assert known_pieces(recorder.cat, recorder.store_id, [piece(1).blake3]) == {}
    assert recorder.record_pack(new_object(2), [piece(1)]) == [lost]
    assert history.extents(recorder.cat, lost) == [Extent(2, 1000, 100)]


def test_a_composed_content_is_as_usable_as_its_pieces(recorder: Recorder) -> None:
    cat, store_id = recorder.cat, recorder.store_id
    recorder.record_pack(new_object(1), [piece(1)])
    recorder.record_pack(new_object(2), [piece(2)])
    item = composed((1, 100), (None, 1 << 40), (2, 100), (1, 100))
    (content_id,) = recorder.put_composed([item], 2)
    assert recorder.put_composed([item], 2) == [content_id]
    digests = Digests(item.size, item.blake3, b"")
    assert usable_contents(cat, store_id, [digests]) == {digests[:2]: content_id}
    assert [extent.object_id for extent in history.extents(cat, content_id)] == [1, 2, 1]
    # A hole of a terabyte has no row.
    assert cat.conn.execute("SELECT count(*) FROM extent").fetchone() == (3,)
    assert history.content(cat, content_id).list == pieces_digest(item.pieces)
    set_states(cat, {2: "damaged"})
    assert usable_contents(cat, store_id, [digests]) == {}
    assert {found for found, _ in history.contents_in(cat, [2])} == {2, content_id}
    recorder.record_pack(new_object(3), [piece(2)])
    assert usable_contents(cat, store_id, [digests]) == {digests[:2]: content_id}


def test_a_piece_that_is_not_there(recorder: Recorder) -> None:
    recorder.record_pack(new_object(1), [piece(1)])
    with pytest.raises(KeyError), recorder.cat.transaction():
        recorder.put_composed([composed((1, 100), (9, 100))], 1)
    assert recorder.cat.conn.execute("SELECT count(*) FROM content WHERE layout = 3").fetchone() == (0,)


def test_a_spread_content_that_is_stored_in_pieces_keeps_its_id(recorder: Recorder) -> None:
    recorder.record_pack(new_object(1), [piece(1), piece(2)])
    item = composed((1, 100), (2, 100))
    digests = Digests(200, item.blake3, b"m" * 16)
    old = put_content(recorder.cat, recorder.store_id, digests, [Extent(1, 0, 100), Extent(1, 100, 100)])
    set_states(recorder.cat, {1: "missing"})
    recorder.record_pack(new_object(2), [piece(1), piece(2)])
    assert recorder.put_composed([item], 2) == [old]
    assert recorder.cat.conn.execute("SELECT count(*) FROM stretch").fetchone() == (0,)
    assert [extent.object_id for extent in history.extents(recorder.cat, old)] == [2, 2]


def test_a_piece_that_is_a_file_too_gets_its_md5(recorder: Recorder) -> None:
    (content_id,) = recorder.record_pack(new_object(1), [piece(1)])
    assert history.sizes(recorder.cat, recorder.store_id) == set()
    recorder.record_pack(new_object(2), [piece(1)._replace(md5=b"m" * 16)])
    assert history.content(recorder.cat, content_id).md5 == b"m" * 16
    assert history.sizes(recorder.cat, recorder.store_id) == {100}


def test_an_import_learns_no_hash_that_another_content_has(recorder: Recorder) -> None:
    cat, store_id = recorder.cat, recorder.store_id
    (known,) = recorder.record_pack(new_object(1), [piece(1)])
    cat.conn.execute(
        "INSERT INTO content (store_id, layout, object_id, offset, md5) VALUES (?, 1, 1, 0, ?)", (store_id, b"m" * 16)
    )
    digests = Digests(100, piece(1).blake3, b"m" * 16)
    history.recognise(cat, store_id, known + 1, digests)
    assert history.content(cat, known + 1).blake3 is None
    other = Digests(100, piece(2).blake3, b"m" * 16)
    history.recognise(cat, store_id, known + 1, other)
    assert history.known_content(cat, store_id, other) == known + 1


def test_what_a_piece_costs(recorder: Recorder) -> None:
    count = 40_000
    for start in range(0, count, 1000):
        with recorder.cat.transaction():
            pieces = [Placed(at * 300_000, 262_144 + at, os.urandom(32), None) for at in range(start, start + 1000)]
            recorder.record_pack(new_object(start), pieces)
            packed = pack_pieces(Piece(one.blake3, one.size) for one in pieces)
            size = sum(one.size for one in pieces)
            recorder.put_composed([Composed(size, blake3(packed).digest(), b"m" * 16, packed)], 1)
    recorder.cat.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cost = os.path.getsize(recorder.cat.path) / count
    print(f"{cost:.1f} bytes a piece", flush=True)
    assert cost <= 100
