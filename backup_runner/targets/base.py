"""The storage contract of all targets; `tests/targets/test_conformance.py` runs over each.

Names are relative to the target's prefix: "<lineage>/<kind>/<id>", ASCII letters, digits, "-", "_", "." and
"/". Methods may be called from several threads at once, and a target survives pickling to worker processes
(connections are reopened there). Errors are those of `errors`; TransientError is raised only after the
target's own retries failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from ..records import StoredObject

Buffer = bytes | bytearray | memoryview


class Put(Enum):
    """The condition for a put."""

    CREATE = "create"
    """Succeeds only if no object has that name; otherwise ObjectExists. Atomic."""
    REPLACE = "replace"
    """Succeeds only if the existing object has the given etag; otherwise ConditionFailed. Atomic."""


class Tier(Enum):
    """The storage tier for a put."""

    JOB = "job"
    """The job's `storage_tier`."""
    STANDARD = "standard"
    """Always readable at once: records, catalog copies, leases."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored, as reported by the service."""

    checksum: str
    """base64 MD5 of the bytes."""
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Properties:
    """Properties of a target; engines decide by these and never by its type. A wrapper passes on those of its inner
    target."""

    remote: bool = False
    """Whether requests wait for a network, so that several should be in flight at the same time."""
    in_flight: int | None = None
    """Maximum number of concurrent requests of all processes together; None for no limit."""
    upload_limit: float | None = None
    """Limit for puts of all processes together, in bytes per second; None for no limit."""
    archives: bool = False
    """Whether objects may be in an archive tier, where they cannot be read before they are thawed."""


@runtime_checkable
class Target(Protocol):
    """Objects by name: put, get by range, list, delete."""

    @property
    def identity(self) -> str:
        """Identifies the place, whatever the credentials: e.g. `directory:/mnt/usb/bucket` or
        `oci:namespace/bucket/prefix`. Two targets with the same identity contain the same objects."""
        ...

    @property
    def absence(self) -> str:
        """Why the place seems to be missing as a whole, e.g. because its disk is not mounted; "" if it does not.

        Makes no requests: services report this themselves."""
        ...

    @property
    def properties(self) -> Properties:
        """What engines need to know about it. Makes no requests."""
        ...

    def divided(self, ways: int) -> Target:
        """The same place for one of `ways` concurrent processes, with its share of the limits."""
        ...

    def grant(self, operation: str) -> str:
        """The policy statement that allows `operation` (of targets/checking); "" if there is none."""
        ...

    def put(
        self,
        name: str,
        data: Buffer,
        *,
        md5: bytes,
        condition: Put = Put.CREATE,
        etag: str = "",
        tier: Tier = Tier.JOB,
    ) -> Stored:
        """Store an object in one request. `md5` (16 raw bytes) is sent along and compared with the response.

        If the response of a put was lost, the object is looked up before ObjectExists is raised: if the existing one
        has this size and MD5, it is ours. An object that arrived damaged is deleted again, if policy allows, and
        ChecksumMismatch is raised."""
        ...

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `offset` (all when None); fewer only at the object's end.

        Raises ObjectMissing, ObjectArchived."""
        ...

    def get_tail(self, name: str, length: int) -> tuple[bytes, int]:
        """The last `length` bytes (or all, if it is shorter), and the size of the whole object in bytes."""
        ...

    def stat(self, name: str) -> StoredObject:
        """The object's metadata. Raises ObjectMissing."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose name starts with `prefix`, sorted by name."""
        ...

    def delete(self, name: str) -> None:
        """Delete the object; one that does not exist is not an error.

        AccessDenied if policy or retention forbids."""
        ...

    def abort_upload(self, name: str, upload: str) -> None:
        """Abort an upload in parts of an older version and delete its parts; no error if it does not exist."""
        ...

    def restore_archived(self, name: str, hours: int) -> None:
        """Request that an archived object be made readable for `hours`."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...
