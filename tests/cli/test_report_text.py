"""Numbers, names and looks as people see them."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_runner.records import ActionKind
from backup_runner.report import escape, units
from backup_runner.report.actions import ACTIONS
from backup_runner.report.look import Look, look_of


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10_189, "10 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**70, "1024 EiB"),
    ],
)
def test_size(number: int, text: str) -> None:
    assert units.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (0.26, "0.3 s"), (9.96, "10 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7380, "2 h 03 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


def test_counts_and_rates() -> None:
    assert units.count(1, "file") == "1 file"
    assert units.count(1234, "file") == "1,234 files"
    assert units.count(2, "entry", "entries") == "2 entries"
    assert units.rate(2 << 20, 2) == "1.0 MiB/s"
    assert units.rate(2 << 20, 0) == ""
    assert units.rate(2048, 2) == ""


def test_times() -> None:
    assert units.iso_time(1_700_000_000_999_999_999) == "2023-11-14T22:13:20Z"
    assert units.iso_time(-1) == "1969-12-31T23:59:59Z"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"docs/a b.txt", "docs/a b.txt"),
        (b"", "./"),
        ("grün/日本".encode(), "grün/日本"),
        (b"a\nb", "a\\nb"),
        (b"a\x1b[31mb", "a\\x1b[31mb"),
        (b"a\xffb", "a\\xffb"),
        (b"a\\nb", "a\\\\nb"),
        ("a\u202eb".encode(), "a\\u202eb"),
        ("a\U000e0001b".encode(), "a\\U000e0001b"),
    ],
)
def test_names(path: bytes, text: str) -> None:
    assert escape.name(path) == text


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_names_print_safely_and_can_be_told_apart(one: bytes, other: bytes) -> None:
    shown = escape.name(one)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in shown)
    assert (shown == escape.name(other)) == (one == other) or not (one and other)


@given(st.text(max_size=60))
def test_messages_never_control_the_terminal(text: str) -> None:
    assert escape.one_line(text).isprintable()
    assert all(line.isprintable() for line in escape.lines(text).split("\n"))


class _Stream(io.StringIO):
    def __init__(self, *, terminal: bool, encoding: str) -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize(
    ("terminal", "encoding", "env", "colour", "unicode"),
    [
        (True, "utf-8", {}, True, True),
        (True, "UTF-8", {"NO_COLOR": "1"}, False, True),
        (True, "utf-8", {"NO_COLOR": ""}, True, True),
        (True, "utf-8", {"TERM": "dumb"}, False, True),
        (False, "utf-8", {}, False, True),
        (False, "ascii", {}, False, False),
        (True, "iso8859-1", {}, True, False),
    ],
)
def test_look(terminal: bool, encoding: str, env: dict[str, str], colour: bool, unicode: bool) -> None:
    look = look_of(_Stream(terminal=terminal, encoding=encoding), env)
    assert (look.colour, look.unicode) == (colour, unicode)


def test_every_action_has_a_glyph_of_its_own_in_both_alphabets() -> None:
    for look in (Look(), Look(unicode=False)):
        glyphs = [look.glyph(ACTIONS[kind]) for kind in ActionKind]
        assert len(set(glyphs)) == len(ActionKind)
    assert all(Look(unicode=False).glyph(ACTIONS[kind]).isascii() for kind in ActionKind)
    assert Look(colour=True).glyph(ACTIONS[ActionKind.UPLOAD]) == "\x1b[32m+\x1b[0m"
