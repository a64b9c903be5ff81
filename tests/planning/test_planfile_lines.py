"""Plans as lines: what was written comes back, and nothing that was cut or altered goes unnoticed."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.errors import PlanFileError
from backup_runner.planning.file import (
    Header,
    Totals,
    action_fields,
    action_from,
    header_from,
    path_fields,
    read_actions,
    write,
)
from backup_runner.planning.oldreasons import reason_of
from backup_runner.reasons import Cause, Finding, Reason
from backup_runner.records import Action, ActionKind, Holder, Kind
from backup_runner.report.reasons import reason_text, why

_KEYS = st.binary(max_size=12).filter(lambda key: b"\0" not in key)
_TIMES = st.integers(-(2**62), 2**62)
_DETAILS: dict[Cause, tuple[str | int, ...]] = {
    Cause.TYPE: ("file",), Cause.OBJECT_SIZE: (1, 2), Cause.MOSTLY_DEAD: (75, 9), Cause.EXPIRED: ("2026-11-27",),
    Cause.CHOSEN: ("7",),
    Cause.CHOSEN_PATH: (3, "7"), Cause.TEXT: ("said earlier",), Cause.METADATA: ("mode", "group"),
}  # fmt: skip
_REASONS = st.builds(
    lambda cause, found: Reason(cause, tuple(found), _DETAILS.get(cause, ())),
    st.sampled_from(Cause),
    st.lists(st.sampled_from(Finding), max_size=2),
)
_PATHS = st.builds(
    Action,
    kind=st.sampled_from(
        [ActionKind.UPLOAD, ActionKind.UPDATE, ActionKind.LINK, ActionKind.TOUCH, ActionKind.HOLD, ActionKind.REMOVE,
         ActionKind.REPAIR, ActionKind.ERASE]
    ),
    reason=_REASONS,
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
    reason=_REASONS,
    size=st.integers(0, 2**62),
    object_name=st.sampled_from(["l/data/a", "l/data/b"]),
)
_SNAPSHOTS = st.builds(
    Action, kind=st.just(ActionKind.FORGET), reason=_REASONS, size=st.integers(0, 9), snapshot_id=st.integers(1, 9)
)
_RECIPIENTS = st.builds(
    lambda reason, change, name: Action(ActionKind.KEY, reason, holder=Holder(change, name, "1a2b-3c4d")),
    _REASONS,
    st.sampled_from(["add", "remove"]),
    st.text(max_size=5),
)
_ACTIONS = st.lists(st.one_of(_PATHS, _OBJECTS, _SNAPSHOTS, _RECIPIENTS), max_size=6)


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
        Action(ActionKind.UPLOAD, reason_of("new"), b"a", size=1),
        Action(ActionKind.REMOVE, reason_of("gone"), b"\xff/", Kind.DIRECTORY),
        Action(ActionKind.LINK, reason_of("hard link to a"), b"b", leader=b"a"),
    ]
    whole = b"".join(lines_of(actions))
    for at in range(len(whole) - 1):
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :]):
            with pytest.raises(PlanFileError):
                read_whole(bad)


def test_lines_that_are_swapped_or_left_out_are_noticed() -> None:
    lines = lines_of([Action(ActionKind.UPLOAD, reason_of("new"), bytes([at])) for at in (97, 98, 99)])
    for bad in ([lines[0], lines[2], lines[1], *lines[3:]], lines[:2] + lines[3:], [*lines, lines[-1]], lines[:-1]):
        with pytest.raises(PlanFileError):
            list(read_actions(bad))


def test_another_format_is_named() -> None:
    line = orjson.dumps({"kind": "header", "format": 4})
    with pytest.raises(PlanFileError, match="format 4"):
        header_from(line)


def test_totals_count_folders_apart() -> None:
    totals = Totals()
    for action in (
        Action(ActionKind.UPLOAD, reason_of("new"), b"a", size=5),
        Action(ActionKind.UPLOAD, reason_of("new"), b"b", size=6),
        Action(ActionKind.TOUCH, reason_of("mtime changed"), b"d/", Kind.DIRECTORY),
    ):
        totals.add(action)
    assert (totals.counts, totals.bytes, totals.folders) == ({"upload": 2}, {"upload": 11}, {"touch": 1})
    assert totals.changes == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("new", Reason(Cause.NEW)),
        ("gone", Reason(Cause.GONE)),
        ("new, content stored already", Reason(Cause.NEW, (Finding.STORED,))),
        ("hard link to a, content equal", Reason(Cause.HARD_LINK)),
        ("was a symlink", Reason(Cause.TYPE, (), ("symlink",))),
        ("imported content, resealed", Reason(Cause.IMPORTED)),
        ("mtime changed, content equal (trusted by MD5)", Reason(Cause.MTIME, (Finding.EQUAL_MD5,))),
        (
            "ctime changed, content equal, imported content, resealed",
            Reason(Cause.CTIME, (Finding.EQUAL, Finding.RESEALED)),
        ),
        ("newer than it was", Reason(Cause.TEXT, (), ("newer than it was",))),
        (", content equal" * 5000, Reason(Cause.TEXT, (), (", content equal" * 5000,))),
    ],
)
def test_reasons_of_earlier_plan_files_are_read(text: str, reason: Reason) -> None:
    """Formats 1 and 2 had them as texts."""
    line = b'{"kind":"action","action":"forget","snapshot":1,"size":0,"why":"%s"}' % text.encode()
    assert action_from(orjson.loads(line)).reason == reason
    if reason.cause is not Cause.HARD_LINK:
        assert reason_text(reason) == text


@given(_ACTIONS)
def test_every_reason_has_words(actions: list[Action]) -> None:
    for action in actions:
        assert why(action)
    assert {Reason(cause, (), _DETAILS.get(cause, ())).is_sound for cause in Cause} == {True}


@pytest.mark.parametrize(
    "wrong", [{"reason": "x"}, {"found": ["x"]}, {"found": 1}, {"details": ["x"]}, {"details": [[]]}, {"details": 1}]
)
def test_a_reason_that_no_plan_has_is_refused(wrong: dict[str, object]) -> None:
    fields = {"kind": "action", "action": "forget", "snapshot": 1, "size": 0, "reason": "new", **wrong}
    with pytest.raises((KeyError, ValueError, TypeError)):
        action_from(fields)
