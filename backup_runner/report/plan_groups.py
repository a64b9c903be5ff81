"""Groups a plan's actions by kind in one pass, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

from ..records import Action, ActionKind, Kind
from .actions import ORDER, WITHOUT_PATH
from .folders import FolderTree
from .reasons import reason_text

MOST_LINES = 40
"""More actions of one kind than this are shown by folder."""
_MOST_REASONS = 40


class Group:
    """All actions of one kind: how many, how large, why, and the first of them."""

    def __init__(self, kind: ActionKind) -> None:
        self.kind = kind
        self.files = 0
        self.folders = 0
        self.size = 0
        self.first: list[Action] = []
        self.first_folders: list[Action] = []
        self.reasons: dict[str, int] = {}
        self.tree = FolderTree()

    def add(self, action: Action) -> None:
        if action.entry_kind == Kind.DIRECTORY:
            self.folders += 1
            if len(self.first_folders) < MOST_LINES:
                self.first_folders.append(action)
            return
        self.files += 1
        self.size += action.size
        if self.files <= MOST_LINES:
            self.first.append(action)
        if self.kind not in WITHOUT_PATH:
            self.tree.add(action.key, action.size)
        reason = reason_text(action.reason)
        if reason in self.reasons or len(self.reasons) < _MOST_REASONS:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    @property
    def shown(self) -> list[Action]:
        """The actions that get lines of their own: folders only where there are no files."""
        return self.first or self.first_folders


def gather(actions: Iterable[Action]) -> dict[ActionKind, Group]:
    """All actions by kind, in `ORDER`; kinds without actions are left out."""
    groups = {kind: Group(kind) for kind in ORDER}
    for action in actions:
        groups[action.kind].add(action)
    return {kind: group for kind, group in groups.items() if group.files or group.folders}
