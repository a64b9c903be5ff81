"""Turns reasons into text: the only place that does."""

from __future__ import annotations

from ..reasons import Cause, Finding, Reason
from ..records import Action, ActionKind
from ..repository.damage import damage_text

_CAUSES = {
    Cause.NEW: "new",
    Cause.HARD_LINK: "hard link",
    Cause.OUTPUT: "output of a command",
    Cause.TYPE: "was a {}",
    Cause.SIZE: "size changed",
    Cause.MTIME: "mtime changed",
    Cause.CTIME: "ctime changed",
    Cause.CONTENT: "content changed",
    Cause.LINKS: "hard links changed",
    Cause.NEVER_COMPARED: "never compared",
    Cause.UNREAD: "could not be read last time",
    Cause.MOVED: "changed while it was read last time",
    Cause.ATTRIBUTES_UNREAD: "attributes could not be read last time",
    Cause.UNREADABLE: "cannot be read now",
    Cause.IMPORTED: "imported content, resealed",
    Cause.GONE: "gone",
    Cause.SKIPPED: "skipped by the job's rules now",
    Cause.NO_SOURCE: "source taken out of the job",
    Cause.NO_FOLDER: "is no folder any more",
    Cause.FOLDER: "is a folder now",
    Cause.UNKNOWN_OBJECT: "not in the catalog",
    Cause.LEFTOVER: "not in the catalog: a killed run's",
    Cause.DELETION_BEGUN: "its deletion was begun earlier",
    Cause.UNNEEDED: "no kept snapshot needs it",
    Cause.MOSTLY_DEAD: "{} % of it is dead; {} bytes move",
    Cause.CHOSEN: "chosen: the snapshot of {}",
    Cause.CHOSEN_PATH: "chosen: {} version(s), the first in the snapshot of {}",
    Cause.EXPIRED: "expired: no rule keeps the snapshot of {}",
    Cause.RECIPIENT_NAMED: "the job names this recipient",
    Cause.RECIPIENT_UNNAMED: "the job no longer names this recipient; what is written from now on has a new key",
    Cause.TEXT: "{}",
}
_FINDINGS = {
    Finding.STORED: "{}, content stored already",
    Finding.EQUAL: "{}, content equal",
    Finding.EQUAL_MD5: "{}, content equal (trusted by MD5)",
    Finding.DIFFERS: "content changed ({})",
    Finding.KEPT_OLD: "{}, overwrite: never",
    Finding.FORCED: "{}, overwrite: always",
    Finding.RESEALED: "{}, imported content, resealed",
}


def reason_text(reason: Reason) -> str:
    """A reason without names in it, so that equal ones can be counted."""
    if reason.cause is Cause.METADATA:
        said = f"{' and '.join(map(str, reason.details))} changed"
    else:
        said = damage_text(reason) or _CAUSES[reason.cause].format(*reason.details)
    for finding in reason.findings:
        said = _FINDINGS[finding].format(said)
    return said


def why(action: Action) -> str:
    """Why an action is taken."""
    if action.leader in (None, action.key) or action.kind is not ActionKind.LINK:
        return reason_text(action.reason)
    said = f"hard link to {action.leader.decode('utf-8', 'backslashreplace')}"
    return said if action.reason.cause is Cause.HARD_LINK else f"{said} ({reason_text(action.reason)})"
