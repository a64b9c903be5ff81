"""The OCI target: objects of one bucket below a prefix, through the official SDK."""

from __future__ import annotations

import contextlib
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ...errors import (
    AccessDenied,
    ChecksumMismatch,
    ConditionFailed,
    ObjectExists,
    ObjectMissing,
    TargetError,
)
from ...records import StoredObject
from ..base import Buffer, Properties, Put, Stored, Tier
from ..requests import IN_FLIGHT
from .answers import compare, looked_at, readable
from .client import Connection
from .errors import Doing
from .listing import Page, page_of, pages
from .policy import policy_line
from .reading import Reading, read
from .spec import OciTargetSpec

T = TypeVar("T")


class OciTarget:
    """Implements `targets.base.Target`. Makes no requests before the first call."""

    def __init__(
        self, spec: OciTargetSpec, *, share: float = 1.0, patience: float = 300.0, reached: bool = False
    ) -> None:
        self._spec, self._share, self._patience = spec, share, patience
        self._was_reached = reached
        self._lock = threading.Lock()
        self._made: tuple[int, Connection] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"spec": self._spec, "share": self._share, "patience": self._patience, "reached": self._reached}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def connection(self) -> Connection:
        """Per process: a socket inherited by fork would be used by both processes."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                made = Connection(self._spec, share=self._share, patience=self._patience, reached=self._reached)
                self._made = os.getpid(), made
            return self._made[1]

    def divided(self, ways: int) -> OciTarget:
        """The same bucket with one of `ways` equal shares of the limits."""
        return OciTarget(self._spec, share=self._share / ways, patience=self._patience, reached=self._reached)

    @property
    def _reached(self) -> bool:
        """Whether the server ever responded, in this process or in its parent."""
        return self._was_reached or (self._made is not None and self._made[1].requests.reached)

    @property
    def properties(self) -> Properties:
        limits = self._spec.limits
        return Properties(
            remote=True,
            in_flight=limits.requests_in_flight or IN_FLIGHT,
            upload_limit=limits.upload,
            archives=True,
        )

    def grant(self, operation: str) -> str:
        return policy_line(operation, self._spec.bucket)

    @property
    def identity(self) -> str:
        return f"oci:{self.connection.namespace}/{self._spec.bucket}/{self._spec.prefix}"

    @property
    def absence(self) -> str:
        return ""

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
        creating = condition is Put.CREATE
        checksum, size = b64encode(md5).decode(), memoryview(data).nbytes
        options = {"if_none_match": "*"} if creating else {"if_match": etag}

        def act(client: Any) -> Any:
            return client.put_object(
                *self._where(name),
                self.connection.requests.body(data),
                content_length=str(size),
                content_md5=checksum,
                storage_tier="Standard" if tier is Tier.STANDARD else str(self._spec.storage_tier),
                **options,
            ).headers

        operation = "PutObject" if creating else "ReplaceObject"
        return self._settled(lambda: self._call(operation, name, act), name, size, checksum)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if length is not None and length <= 0:
            return b""
        return self._read(name, offset, length)[0]

    def get_tail(self, name: str, length: int) -> tuple[bytes, int]:
        return self._read(name, -length, None)

    def stat(self, name: str) -> StoredObject:
        """By HEAD, and by the listing before an object counts as missing: one 404 proves nothing."""

        def act(client: Any) -> StoredObject:
            headers = client.head_object(*self._where(name)).headers
            with readable():
                return looked_at(name, headers)

        try:
            return self._call("HeadObject", name, act)
        except (ObjectMissing, AccessDenied):
            for found in self._pages(name, limit=1):
                if found.name == name:
                    return found
            raise

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        return self._pages(prefix, limit=1000)

    def delete(self, name: str) -> None:
        with contextlib.suppress(ObjectMissing):
            self._delete(name)

    def _delete(self, name: str, **condition: str) -> None:
        self._call("DeleteObject", name, lambda client: client.delete_object(*self._where(name), **condition))

    def abort_upload(self, name: str, upload: str) -> None:
        try:
            self._call(
                "AbortMultipartUpload",
                name,
                lambda client: client.abort_multipart_upload(*self._where(name), upload),
            )
        except ObjectMissing:
            return

    def restore_archived(self, name: str, hours: int) -> None:
        details = {"objectName": self._spec.prefix + name, "hours": hours}

        def act(client: Any) -> None:
            client.restore_objects(*self._where(name)[:2], details)

        try:
            self._call("RestoreObjects", name, act)
        except TargetError:
            # Already requested, or never archived: either is fine for the caller.
            if self.stat(name).archival_state == "Archived":
                raise

    def close(self) -> None:
        with self._lock:
            if self._made is not None and self._made[0] == os.getpid():
                self._made[1].close()
            self._made = None

    def _call(self, operation: str, name: str, act: Callable[[Any], T]) -> T:
        return self.connection.call(self._doing(operation, name), act)

    def _doing(self, operation: str, name: str) -> Doing:
        return Doing(operation, self._spec.prefix + name if name else "")

    def _read(self, name: str, offset: int, length: int | None) -> tuple[bytes, int]:

        def fetch(client: Any, wanted: str | None, etag: str | None) -> Any:
            return client.get_object(*self._where(name), range=wanted, if_match=etag)

        reading = Reading(offset, length, fetch, self.connection.requests.download)
        return read(self.connection.call, self._doing("GetObject", name), reading)

    def _pages(self, prefix: str, *, limit: int) -> Iterator[StoredObject]:
        """All objects below `prefix`, in pages of `limit`."""

        ours = self._spec.prefix

        def fetch(options: dict[str, Any]) -> Page:
            def act(client: Any) -> Page:
                data = client.list_objects(*self._where("")[:2], **options).data
                return page_of(data, options, ours, prefix)

            return self._call("ListObjects", prefix, act)

        return pages(fetch, ours + prefix, limit, self._spec.limits.listed_objects)

    def _settled(self, act: Callable[[], Any], name: str, size: int, checksum: str) -> Stored:
        """The result of a put, whose headers `act` returns; if the response was lost or damaged, the object is looked
        up.

        An object that arrived damaged is deleted again: its name is meant for intact bytes."""
        etag = ""
        try:
            headers = act()
            etag = headers.get("etag") or ""
            compare(headers.get("opc-content-md5"), checksum, name)
        except (ObjectExists, ObjectMissing, ConditionFailed, ChecksumMismatch):
            try:
                found = self.stat(name)
            except TargetError:
                found = None
            if found is not None and (found.size, found.checksum) == (size, checksum):
                return Stored(checksum, found.etag, size)
            if etag:
                with contextlib.suppress(TargetError):
                    self._delete(name, if_match=etag)
            raise
        return Stored(checksum, etag, size)

    def _where(self, name: str) -> tuple[str, str, str]:
        return self.connection.namespace, self._spec.bucket, self._spec.prefix + name
