"""The storage contract that every target keeps; `tests/targets/test_conformance.py` runs over all.

Names are relative to the target's prefix: "<lineage>/<kind>/<id>", ASCII letters, digits, "-", "_", "." and
"/". Methods may be called from several threads at once, and a target survives pickling to worker processes
(connections are made again there). Errors are those of `errors`: TransientError is raised only after the
target's own retries are used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from ..records import StoredObject

Buffer = bytes | bytearray | memoryview


class Put(Enum):
    """On which condition a put goes through."""

    CREATE = "create"
    """Only if no object has that name; otherwise ObjectExists. Atomic."""
    REPLACE = "replace"
    """Only if the object there has the etag that was passed; otherwise ConditionFailed. Atomic."""


class Tier(Enum):
    """Which storage class an object is put in."""

    JOB = "job"
    """What the job says (`storage_tier`)."""
    STANDARD = "standard"
    """Always readable at once: records, catalog copies, leases."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the service says it stored."""

    checksum: str
    """base64 MD5 of the bytes."""
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Properties:
    """What a target is like; engines decide by this and never by its type. A wrapper passes its inner target's on."""

    remote: bool = False
    """Whether a request waits for a network, so that several are better on their way at the same time."""
    in_flight: int | None = None
    """Requests that may be on their way at the same time, over all processes; None for no limit."""
    upload_limit: float | None = None
    """Bytes a second that puts keep to, over all processes; None for no limit."""
    archives: bool = False
    """Whether objects may be in an archive tier, where they cannot be read before they are thawed."""


@runtime_checkable
class Target(Protocol):
    """Objects by name: put whole, get by range, list, delete."""

    @property
    def identity(self) -> str:
        """Which place this is, whatever the credentials: e.g. `directory:/mnt/usb/bucket` or
        `oci:namespace/bucket/prefix`. Two targets with one identity hold the same objects."""
        ...

    @property
    def absence(self) -> str:
        """Why the place as a whole seems not to be there, e.g. because its disk is not mounted; "" if nothing says so.

        Asks nobody over a network: services answer for themselves."""
        ...

    @property
    def properties(self) -> Properties:
        """What engines need to know of it. Asks nobody."""
        ...

    def divided(self, ways: int) -> Target:
        """The same place for one of `ways` processes that work at the same time: together they keep to its limits."""
        ...

    def grant(self, operation: str) -> str:
        """The line that an administrator adds so that `operation` (of targets/checking) is allowed; "" if none does."""
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
        """Store an object in one step, `md5` (16 raw bytes) sent along and compared with the answer.

        A put whose answer was lost is looked up again before ObjectExists is raised: if the object there
        has this size and MD5, it is ours. One that arrived damaged is deleted again, where policy allows, and
        ChecksumMismatch raised."""
        ...

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `offset` (all when None); fewer only at the object's end.

        Raises ObjectMissing, ObjectArchived."""
        ...

    def get_tail(self, name: str, length: int) -> tuple[bytes, int]:
        """The last `length` bytes (or all, if it is shorter), and the object's whole size."""
        ...

    def stat(self, name: str) -> StoredObject:
        """Raises ObjectMissing."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose name starts with `prefix`, sorted by name."""
        ...

    def delete(self, name: str) -> None:
        """Delete the object; one that does not exist is not an error.

        AccessDenied if policy or retention forbids."""
        ...

    def abort_upload(self, name: str, upload: str) -> None:
        """Drop an upload in parts, which older versions began, with its parts; no error if it is gone."""
        ...

    def restore_archived(self, name: str, hours: int) -> None:
        """Ask for an archived object to be made readable for `hours`."""
        ...

    def close(self) -> None:
        """Let connections go."""
        ...
