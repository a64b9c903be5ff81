"""The reasons of a plan as values: what was noticed, what was then found out, and details of both.

Engines decide by these values. Only `report/reasons` turns them into text. The values of both enums are written to
plan files and JSON and never change.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Cause(StrEnum):
    """What was noticed about a path, an object or a snapshot; with `details`, where described."""

    NEW = "new"
    HARD_LINK = "hard-link"
    """Another link to the action's `leader`."""
    TYPE = "type-changed"
    """Details: what it was, `file` or `symlink`."""
    SIZE = "size-changed"
    MTIME = "mtime-changed"
    CTIME = "ctime-changed"
    CONTENT = "content-changed"
    METADATA = "metadata-changed"
    """Details: one or more of `mode`, `owner`, `group`."""
    LINKS = "hard-links-changed"
    NEVER_COMPARED = "never-compared"
    """Imported: the times that another tool recorded say nothing about the content."""
    UNREAD = "unread-last-time"
    MOVED = "changed-while-read"
    ATTRIBUTES_UNREAD = "attributes-unread-last-time"
    UNREADABLE = "unreadable-now"
    OUTPUT = "output"
    """The output of a command, unknown before it runs."""
    IMPORTED = "imported"
    """Unchanged, but stored by another tool, and to be uploaded again."""

    GONE = "gone"
    SKIPPED = "skipped"
    NO_SOURCE = "no-source"
    NO_FOLDER = "no-folder"
    FOLDER = "now-a-folder"

    OBJECT_MISSING = "object-missing"
    OBJECT_SIZE = "object-size"
    """Details: bytes in the bucket, bytes that were stored."""
    OBJECT_REPLACED = "object-replaced"
    OBJECT_DAMAGED = "object-damaged"

    UNKNOWN_OBJECT = "unknown-object"
    LEFTOVER = "leftover"
    """An unknown object that a killed run left."""
    DELETION_BEGUN = "deletion-begun"
    UNNEEDED = "unneeded"
    MOSTLY_DEAD = "mostly-dead"
    """Details: percent that is unused, bytes that are used."""
    EXPIRED = "expired"
    """Details: the snapshot's date as text."""
    CHOSEN = "chosen"
    """Somebody named this snapshot. Details: its date as text."""
    CHOSEN_PATH = "chosen-path"
    """Somebody named this path, or a folder that it is in. Details: the number of its versions, the first snapshot's
    date as text."""

    RECIPIENT_NAMED = "recipient-named"
    RECIPIENT_UNNAMED = "recipient-unnamed"
    """The recipient is no longer in the job."""

    TEXT = "text"
    """Details: a reason from a plan file of an earlier version that only has its text."""


class Finding(StrEnum):
    """What was found out after something was noticed, or what the job requires then."""

    STORED = "content-stored"
    EQUAL = "content-equal"
    EQUAL_MD5 = "content-equal-md5"
    DIFFERS = "content-differs"
    KEPT_OLD = "overwrite-never"
    FORCED = "overwrite-always"
    RESEALED = "resealed"


class Reason(NamedTuple):
    """Why an action is taken."""

    cause: Cause
    findings: tuple[Finding, ...] = ()
    details: tuple[str | int, ...] = ()

    def also(self, *found: Finding) -> Reason:
        """The same with an additional finding."""
        return self._replace(findings=self.findings + found)

    @property
    def is_change(self) -> bool:
        """Whether an existing file changed: not new, not another link, not only uploaded again."""
        return self.cause not in _NO_CHANGE and Finding.RESEALED not in self.findings

    @property
    def is_sound(self) -> bool:
        """Whether the details fit the cause; reasons from files must be checked."""
        if self.cause is Cause.METADATA:
            return {*self.details} <= {"mode", "owner", "group"}
        return tuple(map(type, self.details)) == _DETAILS.get(self.cause, ())

    def __str__(self) -> str:
        """The values, for logs."""
        return " ".join(map(str, (self.cause, *self.findings, *self.details)))


_DETAILS: dict[Cause, tuple[type, ...]] = {
    Cause.TYPE: (str,),
    Cause.OBJECT_SIZE: (int, int),
    Cause.MOSTLY_DEAD: (int, int),
    Cause.EXPIRED: (str,),
    Cause.CHOSEN: (str,),
    Cause.CHOSEN_PATH: (int, str),
    Cause.TEXT: (str,),
}
_NO_CHANGE = frozenset({Cause.NEW, Cause.HARD_LINK, Cause.OUTPUT, Cause.IMPORTED})
