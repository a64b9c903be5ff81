"""Sets owner, ACLs, extended attributes, mode and times of one file or folder, in an order in which none undoes
another.

Each is tried separately, and what cannot be set is reported. At no time does anybody have more access than in the
snapshot: permissions are reduced before anything else changes, and the final mode is set last.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container
from contextlib import suppress
from typing import NamedTuple, Protocol

from ..catalog.births import split_birth
from ..errors import CatalogError
from ..foreign import describe
from ..records import BIRTH_TIME, Flag
from ..source.xattrs import decode_xattrs
from . import acl, births, chattr

_SET_ID = stat.S_ISUID | stat.S_ISGID
_ACLS = (acl.ACCESS, acl.DEFAULT)
_ALWAYS_KEPT = (b"security.capability", *_ACLS)
_OWN_RIGHTS = 0o600
"""What an ordinary user needs to set attributes of a file; of a folder too, one search bit aside."""

Where = int | bytes
"""An open descriptor, or a path that leads to the same file and no other (see `Goal.handle`)."""


class Attributes(Protocol):
    """What files and folders share."""

    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def xattrs(self) -> bytes | None: ...
    @property
    def flags(self) -> int: ...


class Lack(NamedTuple):
    """An attribute that could not be set, and why. `common`: every file of a snapshot may have it, and it
    grants no access, so it is reported once for all of them. `never`: this system sets it for nobody, so that it is
    only a note."""

    what: str
    why: str
    common: bool = False
    never: bool = False

    @property
    def text(self) -> str:
        return f"{self.what} ({self.why})" if self.why else self.what


def restore_attributes(where: Where, row: Attributes) -> list[Lack]:
    """Set the attributes of a file or folder, except flags that are set last; returns what could not be set."""
    return _Attributes(where, row).restore()


def set_simple(where: Where, there: os.stat_result, row: Attributes) -> bool:
    """Set mode and time of what was just created where nothing is inherited; False if it needs more than that."""
    if row.xattrs or row.flags or row.mode & _SET_ID or (there.st_uid, there.st_gid) != (row.uid, row.gid):
        return False
    try:
        if stat.S_IMODE(there.st_mode) != row.mode:
            os.chmod(where, row.mode)
        os.utime(where, ns=(row.mtime_ns, row.mtime_ns))
    except (OSError, OverflowError):
        return False
    return True


def differ(where: Where, there: os.stat_result, row: Attributes) -> bool:
    """Whether anything is not as in the snapshot."""
    if stat_differs(there, row):
        return True
    wanted, missing = _recorded(row)
    if missing or wanted != _read(where, wanted) or births.differs(where, split_birth(row.xattrs)[0]):
        return True
    return bool(chattr.missing(where, chattr.flags_of(row.flags)))


def set_flags(where: Where, flags: int) -> list[Lack]:
    """Add flags of chattr(1); returns what could not be set."""
    left, why = chattr.add(where, flags) if chattr.missing(where, flags) else (0, "")
    return [Lack(chattr.named(left), why, common=True)] if left else []


def stat_differs(there: os.stat_result, row: Attributes) -> bool:
    """The same for a file's status: mode, owner, group and time."""
    have = (stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid, there.st_mtime_ns)
    return have != (row.mode, row.uid, row.gid, row.mtime_ns)


class _Attributes:
    def __init__(self, where: Where, row: Attributes) -> None:
        self._where = where
        self._row = row
        self._there = os.stat(where)
        self._wanted, missing = _recorded(row)
        self._have = _read(where, self._wanted)
        self._mode = row.mode & 0o7777
        self.lacking: list[Lack] = []
        if missing:
            self._wanted |= {name: value for name, value in self._have.items() if value and name not in _ACLS}
            self.lacking.append(Lack("extended attributes", missing))
        if missing and acl.ACCESS not in self._wanted:
            # There may have been an ACL, whose mask is in the group bits.
            self._mode &= ~0o77

    def restore(self) -> list[Lack]:
        there, row = self._there, self._row
        owners = (there.st_uid, there.st_gid) != (row.uid, row.gid)
        if owners or self._have != self._wanted:
            self._narrow()
            if owners:
                self._set_owner()
                # A change of owner removes capabilities.
                self._have = _read(self._where, self._wanted)
            # Before anybody may run a file whose capabilities are not the snapshot's.
            self._set_others()
            self._set_acls()
        self._set_mode()
        self._set_time()
        self.lacking += _birth_lacking(self._where, row)
        self.lacking += set_flags(self._where, chattr.flags_of(row.flags) & ~chattr.LAST)
        return self.lacking

    def _narrow(self) -> None:
        """The mode until everything is set: rights in both the file's and the snapshot's mode, and this user's own."""
        now = stat.S_IMODE(self._there.st_mode)
        # The snapshot's owner counts as group or others until, or unless, the file is given to that user.
        bits = acl.Bits.of(now & self._mode).for_another(owner=self._there.st_uid != self._row.uid, group=False)
        mode = bits.mode | now & stat.S_ISVTX
        if acl.ACCESS in self._wanted or acl.ACCESS in self._have:
            # Without its ACL, the mask would be the group's rights, and others' those of users that it denies them. A
            # line for the former owner, so far without effect, would grant rights once the file has another one.
            mode &= ~0o77
        if os.geteuid():
            mode |= _OWN_RIGHTS | (stat.S_IXUSR if stat.S_ISDIR(self._there.st_mode) else 0)
        if mode != now:
            # Not the owner: nothing else can be set either, which is reported.
            with suppress(OSError):
                os.chmod(self._where, mode)

    def _set_owner(self) -> None:
        row = self._row
        failure = _change_owner(self._where, self._there, row)
        after = os.stat(self._where)
        owner, group = after.st_uid != row.uid, after.st_gid != row.gid
        self.lacking += _owners_lacking(owner=owner, group=group, row=row, failure=failure)
        if not owner and not group:
            return
        # Run by another user, a program must not get that user's rights.
        drop = (stat.S_ISUID if owner else 0) | (stat.S_ISGID if group else 0)
        self._mode &= ~drop
        blob = self._wanted.get(acl.ACCESS)
        if blob is None:
            bits = acl.Bits.of(self._mode).for_another(owner=owner, group=group)
            self._mode = self._mode & ~0o777 | bits.mode
            return
        try:
            self._wanted[acl.ACCESS] = acl.limited(blob, owner=row.uid if owner else None, group=group)
            self._mode = self._mode & ~0o7 | acl.other_bits(self._wanted[acl.ACCESS])
        except ValueError:
            self._mode &= ~0o77

    def _set_acls(self) -> None:
        for name in _ACLS:
            blob, there = self._wanted.get(name), name in self._have
            if blob == self._have.get(name) or (blob is not None and self._try_set(name, blob)):
                continue
            removed = not there or self._try_remove(name)
            if name == acl.DEFAULT:
                continue
            if blob is not None:
                try:
                    self._mode = acl.without(blob, self._mode)
                except ValueError:
                    self._mode &= ~0o77
            if not removed:
                # Its lines are limited by the mask, which is in the group bits.
                self._mode &= ~0o70

    def _set_others(self) -> None:
        for name in self._have.keys() - self._wanted.keys():
            if name not in _ACLS:
                self._try_remove(name)
        for name, value in self._wanted.items():
            if name not in _ACLS and self._have.get(name) != value:
                self._try_set(name, value)

    def _set_mode(self) -> None:
        there = os.stat(self._where)
        if stat.S_IMODE(there.st_mode) == self._mode:
            return
        try:
            os.chmod(self._where, self._mode)
        except OSError as error:
            self.lacking.append(Lack(f"mode {self._mode:o}", describe(error)))
            return
        # The system drops a bit that this user may not set, without an error.
        if self._mode & _SET_ID and os.stat(self._where).st_mode & _SET_ID != self._mode & _SET_ID:
            self.lacking.append(Lack(f"mode {self._mode:o}", "the system dropped the set-id bit"))

    def _set_time(self) -> None:
        time_ns = self._row.mtime_ns
        # Setting a time changes ctime, and the next plan would treat an unchanged file as touched.
        if self._there.st_mtime_ns == time_ns:
            return
        try:
            os.utime(self._where, ns=(time_ns, time_ns))
        except (OSError, OverflowError) as error:
            self.lacking.append(Lack("time", _reason(error)))

    def _try_set(self, name: bytes, value: bytes) -> bool:
        """Whether it was set; reported if not."""
        try:
            os.setxattr(self._where, name, value)
        except OSError as error:
            self.lacking.append(_not_set(name, error))
            return False
        return True

    def _try_remove(self, name: bytes) -> bool:
        """Whether it was removed; reported if not."""
        try:
            os.removexattr(self._where, name)
        except OSError as error:
            what = f"{_shown(name)}, which is not in the snapshot, could not be removed"
            self.lacking.append(Lack(what, describe(error)))
            return False
        return True


def restore_symlink_attributes(where: Where, row: Attributes) -> list[Lack]:
    """The same for a symlink, which has no mode and no ACL. `where` leads to the link itself."""
    there = os.stat(where)
    wanted, missing = _recorded(row)
    lacking = [Lack("extended attributes", missing)] if missing else []
    if (there.st_uid, there.st_gid) != (row.uid, row.gid):
        failure = _change_owner(where, there, row)
        now = os.stat(where)
        owner, group = now.st_uid != row.uid, now.st_gid != row.gid
        lacking += _owners_lacking(owner=owner, group=group, row=row, failure=failure)
    have = _read(where, wanted)
    for name, value in wanted.items():
        if have.get(name) != value:
            try:
                os.setxattr(where, name, value)
            except OSError as error:
                lacking.append(_not_set(name, error))
    if there.st_mtime_ns != row.mtime_ns:
        try:
            os.utime(where, ns=(row.mtime_ns, row.mtime_ns))
        except (OSError, OverflowError) as error:
            lacking.append(Lack("time", _reason(error)))
    return lacking + _birth_lacking(where, row)


def _change_owner(where: Where, there: os.stat_result, row: Attributes) -> OSError | OverflowError | None:
    """Set owner and group, or only the group if this user may not set the owner. Returns what failed."""
    try:
        os.chown(where, row.uid if there.st_uid != row.uid else -1, row.gid if there.st_gid != row.gid else -1)
    except (OSError, OverflowError) as error:
        if there.st_uid != row.uid and there.st_gid != row.gid:
            with suppress(OSError, OverflowError):
                os.chown(where, -1, row.gid)
        return error
    return None


def _owners_lacking(
    *, owner: bool, group: bool, row: Attributes, failure: OSError | OverflowError | None
) -> list[Lack]:
    """The report for a file that did not get its owner or group."""
    why = _reason(failure) if failure else "not supported by the file system"
    lacking = [Lack(f"owner {row.uid}", why)] if owner else []
    return [*lacking, Lack(f"group {row.gid}", why)] if group else lacking


def _birth_lacking(where: Where, row: Attributes) -> list[Lack]:
    """Set the birth time, after everything that changes times; the report if that is not possible."""
    time_ns, _ = split_birth(row.xattrs)
    why = None if time_ns is None else births.set_birth(where, time_ns, row.mtime_ns)
    return [] if why is None else [Lack("birth time", why, common=True, never=not births.SETTABLE)]


def _not_set(name: bytes, error: OSError) -> Lack:
    """System labels, which ordinary users cannot set, and kinds of attributes that the file system lacks are
    common; ACLs and capabilities are not."""
    of_system = name.startswith((b"security.", b"trusted.")) and error.errno in (errno.EPERM, errno.EACCES)
    common = (of_system or error.errno == errno.ENOTSUP) and name not in _ALWAYS_KEPT
    return Lack(_shown(name), describe(error), common=common)


def _reason(error: OSError | OverflowError) -> str:
    """Why something failed, in the system's words."""
    return describe(error) if isinstance(error, OSError) else "the system does not support this value"


def _recorded(row: Attributes) -> tuple[dict[bytes, bytes], str]:
    """The extended attributes in the catalog, and why they may not be all."""
    try:
        partial = row.flags & Flag.NO_ATTRIBUTES
        found = decode_xattrs(row.xattrs)
        found.pop(BIRTH_TIME, None)
        return found, "the backup could not read them all" if partial else ""
    except CatalogError:
        return {}, "those in the catalog cannot be read"


def _read(where: Where, wanted: Container[bytes]) -> dict[bytes, bytes | None]:
    """Those of the file: the wanted ones, and those of kinds that every snapshot has, so that they can be removed.

    A value that this user may not read is None."""
    found: dict[bytes, bytes | None] = {}
    if not hasattr(os, "listxattr"):
        return found
    with suppress(OSError):
        for text in os.listxattr(where):
            name = os.fsencode(text)
            if name.startswith(b"user.") or name in _ALWAYS_KEPT or name in wanted:
                found[name] = None
                with suppress(OSError):
                    found[name] = os.getxattr(where, text)
    return found


def _shown(name: bytes) -> str:
    names = {acl.ACCESS: "the ACL", acl.DEFAULT: "the default ACL"}
    return names.get(name) or name.decode(errors="backslashreplace")
