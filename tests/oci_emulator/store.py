"""What the emulator keeps: buckets, objects, uploads; bytes in memory or as files below a folder."""

from __future__ import annotations

import bisect
import contextlib
import os
import pickle
import secrets
import threading
import time
from dataclasses import dataclass, field

from .api import ApiError, Buffer, bucket_not_found, new_etag, object_not_found


@dataclass(slots=True)
class Piece:
    """A stretch of bytes: in memory, or a file."""

    size: int
    data: Buffer | None
    path: str | None = None


@dataclass(slots=True)
class Stored:
    """An object."""

    name: str
    pieces: list[Piece]
    size: int
    checksum: str
    """base64 MD5; of part MD5s and "-N" for a multipart upload."""
    created: float
    modified: float
    etag: str = field(default_factory=new_etag)
    tier: str = "Standard"
    headers: dict[str, str] = field(default_factory=dict)
    """opc-meta-*, content-type and the like, given back as they came."""
    archived: float = 0.0
    ready_at: float = 0.0
    """When a thaw is over, 0 if none was asked for."""
    ready_until: float = 0.0

    def archival_state(self, now: float) -> str:
        if self.tier != "Archive":
            return ""
        if self.ready_until <= now:
            return "Archived"
        return "Restored" if self.ready_at <= now else "Restoring"


@dataclass(slots=True)
class PartKept:
    number: int
    piece: Piece
    md5: bytes
    etag: str


@dataclass(slots=True)
class Upload:
    identity: str
    name: str
    created: float
    tier: str
    headers: dict[str, str]
    parts: dict[int, PartKept] = field(default_factory=dict)


@dataclass(slots=True)
class Bucket:
    name: str
    namespace: str
    compartment: str
    created: float
    details: dict[str, object]
    etag: str = field(default_factory=new_etag)
    objects: dict[str, Stored] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Sorted, for listings."""
    uploads: dict[str, Upload] = field(default_factory=dict)
    rules: dict[str, dict[str, object]] = field(default_factory=dict)
    lifecycle: dict[str, object] | None = None

    def find(self, name: str) -> Stored:
        try:
            return self.objects[name]
        except KeyError:
            raise object_not_found(self.name, name) from None

    def set(self, item: Stored) -> Stored | None:
        """Put the object; the one that it replaces is returned."""
        old = self.objects.get(item.name)
        if old is None:
            bisect.insort(self.names, item.name)
        self.objects[item.name] = item
        return old

    def drop(self, name: str) -> Stored:
        item = self.objects.pop(name)
        del self.names[bisect.bisect_left(self.names, name)]
        return item


@dataclass(slots=True)
class Known:
    """What Identity keeps of users that were created there."""

    users: list[str] = field(default_factory=list)
    """OCIDs."""
    groups: dict[str, str] = field(default_factory=dict)
    """Names by OCID."""
    members: list[tuple[str, str]] = field(default_factory=list)
    """OCIDs of user and group."""
    statements: list[str] = field(default_factory=list)


class Store:
    """All state; `lock` is held for every look and change, never while bytes move over the network."""

    def __init__(self, namespace: str, root: str | None = None) -> None:
        self.namespace = namespace
        self.root = root
        self.lock = threading.RLock()
        self.buckets: dict[str, Bucket] = {}
        self.work: dict[str, dict[str, object]] = {}
        self.restore_delay = 0.5
        self.identity = Known()
        self.users_file = ""
        """Where keys go that are uploaded."""
        self.age = 0.0
        """Seconds by which everything is older than it is: what retention rules and thaws go by."""
        if root is not None:
            os.makedirs(f"{root}/pieces", exist_ok=True)
            with contextlib.suppress(FileNotFoundError), open(f"{root}/state", "rb") as file:
                self.buckets = pickle.load(file)

    def save(self) -> None:
        """Write what is known to disk, so that another start finds it."""
        if self.root is None:
            return
        with self.lock:
            state = pickle.dumps(self.buckets)
        with open(f"{self.root}/state.new", "wb") as file:
            file.write(state)
        os.replace(f"{self.root}/state.new", f"{self.root}/state")

    def bucket(self, namespace: str, name: str) -> Bucket:
        self.check_namespace(namespace)
        try:
            return self.buckets[name]
        except KeyError:
            raise bucket_not_found(namespace, name) from None

    def check_namespace(self, namespace: str) -> None:
        if namespace != self.namespace:
            raise ApiError(
                404, "NamespaceNotFound", f"The namespace '{namespace}' does not exist or you are not authorized"
            )

    def keep(self, data: Buffer) -> Piece:
        if self.root is None:
            return Piece(len(data), data)
        path = f"{self.root}/pieces/{secrets.token_hex(16)}"
        with open(path, "wb") as file:
            file.write(data)
        return Piece(len(data), None, path)

    def forget(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.path is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(piece.path)

    def now(self) -> float:
        return time.time() + self.age


def read_pieces(pieces: list[Piece], start: int, length: int) -> list[Buffer]:
    """The buffers that hold `length` bytes from `start`."""
    found: list[Buffer] = []
    for piece in pieces:
        if length <= 0:
            break
        if start >= piece.size:
            start -= piece.size
            continue
        take = min(length, piece.size - start)
        if piece.data is not None:
            found.append(memoryview(piece.data)[start : start + take])
        else:
            with open(piece.path or "", "rb") as file:
                found.append(os.pread(file.fileno(), take, start))
        start, length = 0, length - take
    return found
