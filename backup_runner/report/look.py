"""The look of text on a stream: colour only on a terminal, glyphs only if the encoding has them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from .actions import Shown

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}
_CODES = _COLOURS | {"bold": "1", "dim": "2"}

_MARKS = {"…": "...", "→": "->", "·": "|"}


@dataclass(frozen=True, slots=True)
class Look:
    """Whether escape sequences and non-ASCII characters may be written."""

    colour: bool = False
    unicode: bool = True
    width: int = 100
    terminal: bool = False

    def paint(self, text: str, *styles: str) -> str:
        """`text` in a colour or weight, if this goes to a terminal."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def glyph(self, shown: Shown) -> str:
        """An action's sign, in its colour."""
        return self.paint(shown.glyph if self.unicode else shown.plain, shown.colour)

    def mark(self, sign: str) -> str:
        """An ellipsis, an arrow or a middle dot, or its ASCII substitute."""
        return sign if self.unicode else _MARKS[sign]


def look_of(stream: TextIO, env: Mapping[str, str]) -> Look:
    """The look for a stream; respects NO_COLOR (no-color.org) and TERM=dumb."""
    terminal = stream.isatty()
    colour = terminal and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
    encoding = (getattr(stream, "encoding", "") or "ascii").lower().replace("-", "").replace("_", "")
    return Look(colour, encoding in {"utf8", "utf16"}, shutil.get_terminal_size((100, 24)).columns, terminal)
