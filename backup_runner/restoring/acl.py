"""POSIX ACLs in the form of Linux's extended attributes, and mode bits that grant no more than they do."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

ACCESS = b"system.posix_acl_access"
DEFAULT = b"system.posix_acl_default"


_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


def has_default_acl(folder: bytes) -> bool:
    """Whether what is created in a folder inherits an ACL; also if that cannot be found out."""
    if not hasattr(os, "listxattr"):
        return False
    try:
        return DEFAULT in map(os.fsencode, os.listxattr(folder))
    except OSError as error:
        return error.errno != errno.ENOTSUP


class AclEntry(NamedTuple):
    """One line of an ACL; `rights` are the three bits of a mode, `who` is a uid or gid if `tag` needs one."""

    tag: int
    rights: int
    who: int


@dataclass(frozen=True, slots=True)
class Bits:
    """The permissions of owner, group and others, three bits each."""

    owner: int
    group: int
    other: int

    @classmethod
    def of(cls, mode: int) -> Bits:
        return cls(mode >> 6 & 7, mode >> 3 & 7, mode & 7)

    @property
    def mode(self) -> int:
        return self.owner << 6 | self.group << 3 | self.other

    def for_another(self, *, owner: bool, group: bool) -> Bits:
        """What may be granted if the file did not get its owner or group.

        Then the intended users fall into a later class, and strangers into an earlier one: no class may get more
        than either."""
        limited = self
        if group:
            both = limited.group & limited.other
            limited = Bits(limited.owner, both, both)
        if owner:
            limited = Bits(limited.owner, limited.group & limited.owner, limited.other & limited.owner)
        return limited


def decode(blob: bytes) -> list[AclEntry]:
    """The entries of an ACL. Raises ValueError for other data."""
    if len(blob) < _VERSION.size or _VERSION.unpack_from(blob)[0] != 2 or (len(blob) - _VERSION.size) % _ENTRY.size:
        raise ValueError("not a POSIX ACL of version 2")
    return [AclEntry._make(fields) for fields in _ENTRY.iter_unpack(blob[_VERSION.size :])]


def encode(entries: Sequence[AclEntry]) -> bytes:
    """The inverse of `decode`."""
    return _VERSION.pack(2) + b"".join(_ENTRY.pack(*entry) for entry in entries)


def limited(blob: bytes, *, owner: int | None, group: bool) -> bytes:
    """The ACL for a file that did not get its `owner` (a uid), or its group: see `for_another`. Raises ValueError."""
    entries = decode(blob)
    have = {entry.tag: entry.rights for entry in entries}
    effective = have.get(_GROUP_OBJ, 0) & have.get(_MASK, 7)
    bits = Bits(have.get(_USER_OBJ, 0), effective, have.get(_OTHER, 0))
    bits = bits.for_another(owner=owner is not None, group=group)
    ours = bits.group
    for entry in entries:
        # Members of both a listed group and the new one have the rights of both.
        ours &= entry.rights if group and entry.tag == _GROUP else 7
    become = []
    for entry in entries:
        rights = {_GROUP_OBJ: ours, _OTHER: bits.other}.get(entry.tag, entry.rights)
        if owner is not None and (entry.tag == _GROUP or (entry.tag, entry.who) == (_USER, owner)):
            # The owner was none of these, and may be now.
            rights &= bits.owner
        become.append(entry._replace(rights=rights))
    return encode(become)


def other_bits(blob: bytes) -> int:
    """The rights of others. Raises ValueError."""
    return next((entry.rights for entry in decode(blob) if entry.tag == _OTHER), 0)


def without(blob: bytes, mode: int) -> int:
    """The permission bits for a file whose ACL could not be set: its group bits were the ACL's mask.

    Nobody gains rights: users with their own line now count as group and others. Raises ValueError."""
    entries = decode(blob)
    mask = next((entry.rights for entry in entries if entry.tag == _MASK), 7)
    group = next((entry.rights for entry in entries if entry.tag == _GROUP_OBJ), 0) & mask
    other = mode & 7
    for entry in entries:
        if entry.tag == _USER:
            group &= entry.rights & mask
        if entry.tag in (_USER, _GROUP):
            other &= entry.rights & mask
    return mode & ~0o77 | group << 3 | other
