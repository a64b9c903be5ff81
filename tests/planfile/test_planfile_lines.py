"""Plans as lines: what was written comes back, and nothing that was cut or altered goes unnoticed."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.errors import PlanFileError
from backup_runner.planning.file import Header, Totals, action_fields, header_from, path_fields, read_actions, write
from backup_runner.records import Action, ActionKind, Kind

_KEYS = st.binary(max_size=12).filter(lambda key: b"\0" not in key)
_TIMES = st.integers(-(2**62), 2**62)
_PATHS = st.builds(
    Action,
    kind=st.sampled_from(
        [ActionKind.UPLOAD, ActionKind.UPDATE, ActionKind.LINK, ActionKind.TOUCH, ActionKind.HOLD, ActionKind.REMOVE,
         ActionKind.REPAIR]
    ),
    why=st.text(max_size=20).filter(lambda text: text.isprintable()),
    key=_KEYS,
    entry_kind=st.sampled_from(Kind).map(int),
    size=st.integers(0, 2**62),
    mtime_ns=_TIMES,
    ctime_ns=_TIMES,
    blake3=st.none() | st.binary(min_size=32, max_size=32),
    content_id=st.none() | st.integers(1, 2**40),
    leader=st.none() | _KEYS,
    forced=st.booleans(),
)  # fmt: skip
_OBJECTS = st.builds(
    Action,
    kind=st.sampled_from([ActionKind.ADOPT, ActionKind.DELETE, ActionKind.REPACK]),
    why=st.just("why"),
    size=st.integers(0, 2**62),
    object_name=st.sampled_from(["l/data/a", "l/data/b"]),
)
_SNAPSHOTS = st.builds(
    Action, kind=st.just(ActionKind.FORGET), why=st.just("why"), size=st.integers(0, 9), snapshot_id=st.integers(1, 9)
)
_ACTIONS = st.lists(st.one_of(_PATHS, _OBJECTS, _SNAPSHOTS), max_size=6)


def header_of(actions: list[Action]) -> Header:
    totals = Totals()
    for action in actions:
        totals.add(action)
    return Header(
        plan_id="f" * 32, job="photos", job_file="/jobs/photos.yaml", job_digest="d", lineage="l" * 32, serial=7,
        listing="x", created_ns=1, scanned_ns=2, scope=[b"a\xff".hex()], totals=totals,
        problems=[path_fields(b"bad\xff") | {"problem": "unreadable", "message": "no"}], problem_count=1,
        guards=[{"name": "min_files", "message": "m"}], notes=["n"], pruning="retention",
    )  # fmt: skip


def lines_of(actions: list[Action]) -> list[bytes]:
    return list(write(header_of(actions), (orjson.dumps(action_fields(action)) for action in actions)))


@settings(max_examples=80, deadline=None)
@given(_ACTIONS)
def test_round_trip(actions: list[Action]) -> None:
    lines = lines_of(actions)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    assert header_from(lines[0]) == header_of(actions)
    assert list(read_actions(lines)) == actions


@settings(max_examples=150, deadline=None)
@given(_ACTIONS, st.data())
def test_whatever_is_altered_is_noticed(actions: list[Action], data: st.DataObject) -> None:
    whole = b"".join(lines_of(actions))
    at = data.draw(st.integers(0, len(whole) - 1))
    bad = data.draw(
        st.sampled_from(
            [whole[:at], whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :],
             whole[:at] + whole[at + 1 :], whole + whole[at:], whole[:at] + b"\n" + whole[at:]]
        )
    )  # fmt: skip
    if bad.rstrip(b"\n") == whole.rstrip(b"\n"):
        # Only the newline after the closing line is covered by nothing, and means nothing.
        return
    with pytest.raises(PlanFileError):
        read_whole(bad)


def read_whole(data: bytes) -> None:
    lines = data.splitlines(keepends=True) if data else [b""]
    header_from(lines[0])
    list(read_actions(lines))


def test_every_truncation_and_every_flipped_byte() -> None:
    actions = [
        Action(ActionKind.UPLOAD, "new", b"a", size=1), Action(ActionKind.REMOVE, "gone", b"\xff/", Kind.DIRECTORY),
        Action(ActionKind.LINK, "hard link to a", b"b", leader=b"a"),
    ]  # fmt: skip
    whole = b"".join(lines_of(actions))
    for at in range(len(whole) - 1):
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :]):
            with pytest.raises(PlanFileError):
                read_whole(bad)


def test_lines_that_are_swapped_or_left_out_are_noticed() -> None:
    lines = lines_of([Action(ActionKind.UPLOAD, "new", bytes([at])) for at in (97, 98, 99)])
    for bad in ([lines[0], lines[2], lines[1], *lines[3:]], lines[:2] + lines[3:], [*lines, lines[-1]], lines[:-1]):
        with pytest.raises(PlanFileError):
            list(read_actions(bad))


def test_another_format_is_named() -> None:
    line = orjson.dumps({"kind": "header", "format": 3})
    with pytest.raises(PlanFileError, match="format 3"):
        header_from(line)


def test_totals_count_folders_apart() -> None:
    totals = Totals()
    for action in (
        Action(ActionKind.UPLOAD, "new", b"a", size=5), Action(ActionKind.UPLOAD, "new", b"b", size=6),
        Action(ActionKind.TOUCH, "mtime changed", b"d/", Kind.DIRECTORY),
    ):  # fmt: skip
        totals.add(action)
    assert (totals.counts, totals.bytes, totals.folders) == ({"upload": 2}, {"upload": 11}, {"touch": 1})
    assert totals.changes == 3
