"""How each kind of action is shown. A new kind needs a row here; elsewhere in `report/`, kinds that are not named are
shown like others about a path."""

from __future__ import annotations

from typing import NamedTuple

from ..records import ActionKind


class Shown(NamedTuple):
    """How one kind of action appears in text and on pages."""

    done: str
    """The participle in summaries of an apply."""
    glyph: str
    plain: str
    """The glyph where only ASCII can be written."""
    colour: str
    sign: str
    """The glyph on pages."""
    tone: str
    """The class of its style on pages (page.css)."""


ACTIONS: dict[ActionKind, Shown] = {
    ActionKind.REPAIR: Shown("repaired", "⚕", "*", "magenta", "⚕", "special"),
    ActionKind.UPLOAD: Shown("uploaded", "+", "+", "green", "+", "new"),
    ActionKind.UPDATE: Shown("updated", "~", "~", "yellow", "~", "changed"),
    ActionKind.LINK: Shown("linked", "=", "=", "cyan", "=", "linked"),
    ActionKind.TOUCH: Shown("touched", "·", ".", "dim", "·", "quiet"),
    ActionKind.HOLD: Shown("held back", "!", "!", "yellow", "!", "changed"),
    ActionKind.ADOPT: Shown("adopted", "↥", "^", "blue", "↥", "moved"),
    ActionKind.REPACK: Shown("repacked", "⟳", "%", "blue", "⟳", "moved"),
    ActionKind.REMOVE: Shown("removed", "-", "-", "red", "−", "gone"),
    ActionKind.ERASE: Shown("erased", "⌫", "e", "red", "⌫", "gone"),
    ActionKind.FORGET: Shown("forgotten", "✂", "x", "red", "✂", "gone"),
    ActionKind.DELETE: Shown("deleted", "✗", "X", "red", "✗", "gone"),
    ActionKind.KEY: Shown("recipients changed", "⚷", "k", "magenta", "⚷", "special"),
}
"""In the order of plans: deletions, and who can open, come last, right above the totals, where they are noticed."""

ORDER = tuple(ACTIONS)
WITHOUT_PATH = frozenset({ActionKind.ADOPT, ActionKind.REPACK, ActionKind.FORGET, ActionKind.DELETE, ActionKind.KEY})
"""Kinds about objects, snapshots or recipients; all others are about a path."""
MOVING_BYTES = (ActionKind.UPLOAD, ActionKind.UPDATE, ActionKind.REPAIR)
"""Actions whose `size` is read and stored."""
