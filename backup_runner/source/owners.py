"""Names of users and groups, as this machine knows them."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterable

from ..records import MAX_OWNER, whole_number

Names = dict[int, str]


def names_of(owners: Iterable[tuple[int, int]]) -> tuple[Names, Names]:
    """The names of these users and groups (uid, gid) by number, without those that have none."""
    pairs = list(owners)
    users, groups = {uid for uid, _ in pairs}, {gid for _, gid in pairs}
    return (
        {uid: name for uid in sorted(users) if (name := _user(uid))},
        {gid: name for gid in sorted(groups) if (name := _group(gid))},
    )


def user_number(name: str) -> int | None:
    """The uid of a user's name or number; None for an unknown name, and a number that no user can have."""
    if name.isascii() and name.isdigit():
        return whole_number(name, MAX_OWNER)
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError, OSError):
        return None


def group_number(name: str) -> int | None:
    """The same for a group."""
    if name.isascii() and name.isdigit():
        return whole_number(name, MAX_OWNER)
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError, OSError):
        return None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError, OSError):
        return ""


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError, OSError):
        return ""
