"""Reasons in plan files of formats 1 and 2, where they are texts. Frozen: nothing writes them any more."""

from __future__ import annotations

from ..reasons import Cause, Finding, Reason

_CAUSES = {
    "new": Reason(Cause.NEW),
    "was a file": Reason(Cause.TYPE, details=("file",)),
    "was a symlink": Reason(Cause.TYPE, details=("symlink",)),
    "size changed": Reason(Cause.SIZE),
    "mtime changed": Reason(Cause.MTIME),
    "ctime changed": Reason(Cause.CTIME),
    "content changed": Reason(Cause.CONTENT),
    "hard links changed": Reason(Cause.LINKS),
    "never compared": Reason(Cause.NEVER_COMPARED),
    "could not be read last time": Reason(Cause.UNREAD),
    "changed while it was read last time": Reason(Cause.MOVED),
    "cannot be read now": Reason(Cause.UNREADABLE),
    "imported content, resealed": Reason(Cause.IMPORTED),
    "gone": Reason(Cause.GONE),
    "skipped by the job's rules now": Reason(Cause.SKIPPED),
    "source taken out of the job": Reason(Cause.NO_SOURCE),
    "is no folder any more": Reason(Cause.NO_FOLDER),
    "is a folder now": Reason(Cause.FOLDER),
    "not in the catalog": Reason(Cause.UNKNOWN_OBJECT),
    "no kept snapshot needs it": Reason(Cause.UNNEEDED),
}
_FINDINGS = {
    ", imported content, resealed": Finding.RESEALED,
    ", content equal (trusted by MD5)": Finding.EQUAL_MD5,
    ", content equal": Finding.EQUAL,
    ", content stored already": Finding.STORED,
    ", overwrite: never": Finding.KEPT_OLD,
    ", overwrite: always": Finding.FORCED,
}
_LINK = "hard link to "
_MOST = 2
"""No text has more findings."""


def reason_of(text: str) -> Reason:
    """The reason for a text; a text on which nothing depends stays a text."""
    if text in _CAUSES:
        return _CAUSES[text]
    if text.startswith(_LINK):
        return Reason(Cause.HARD_LINK)
    found: list[Finding] = []
    rest = text
    while len(found) < _MOST and (ending := next((end for end in _FINDINGS if rest.endswith(end)), "")):
        found.insert(0, _FINDINGS[ending])
        rest = rest[: -len(ending)]
    return _CAUSES[rest].also(*found) if rest in _CAUSES else Reason(Cause.TEXT, (), (text,))
