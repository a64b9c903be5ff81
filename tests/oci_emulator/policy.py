"""Policy statements, as far as docs/oci-setup.md uses them: permissions, a bucket, a pattern for objects' names."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass

_PERMISSION = re.compile(r"request\.permission='([A-Z_]+)'")
_BUCKET = re.compile(r"target\.bucket\.name='([^']+)'")
_OBJECT = re.compile(r"target\.object\.name='([^']+)'")


@dataclass(frozen=True)
class Statement:
    permissions: frozenset[str]
    bucket: str
    """"" for any."""
    objects: str
    """A pattern; "" for all, and for what concerns no single object."""

    @classmethod
    def parse(cls, line: str) -> Statement:
        bucket, objects = _BUCKET.search(line), _OBJECT.search(line)
        permissions = frozenset(_PERMISSION.findall(line))
        return cls(permissions, bucket[1] if bucket else "", objects[1] if objects else "")


@dataclass(frozen=True)
class Policy:
    """What a group may do: whatever one of the statements allows."""

    statements: tuple[Statement, ...]

    @classmethod
    def parse(cls, text: str) -> Policy:
        return cls(tuple(Statement.parse(line) for line in text.splitlines() if line.strip()))

    def allows(self, permission: str, bucket: str, name: str) -> bool:
        return any(
            permission in one.permissions
            and one.bucket in ("", bucket)
            and (not one.objects or fnmatch.fnmatchcase(name, one.objects))
            for one in self.statements
        )
