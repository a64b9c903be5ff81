"""A courtesy between machines: an object in the bucket that says who is working on a lineage, and since when.

Correctness does not depend on it but on the create-only record. It is renewed and taken over only with If-Match, and
taken over only after it did not change for its lifetime by our own monotonic clock, so no machine's wall clock
matters. If policy forbids overwriting or deleting, a run continues without it and says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from ..catalog.database import Store
from ..container import Identity, ObjectId, ObjectKind, open_object
from ..errors import (
    AccessDenied,
    BusyError,
    ConditionFailed,
    ContainerError,
    ObjectArchived,
    ObjectExists,
    ObjectMissing,
    TransientError,
)
from ..targets.base import Put, Target, Tier
from .lineage import Keys

LIFETIME = 60.0
"""Seconds after which a lease that does not change may be taken over."""
_RENEW = 15.0
_LOOK = 1.0
_LARGEST = 1 << 17
"""Maximum bytes of a lease; most have 8 KiB, and up to 64 KiB with many recipients."""
_GONE = 5
"""After this many reads of something that is not our lease, a run continues without one."""
_ID = bytes(16)


class Lease:
    """Held from `take` to `release`; call `renew` often, it only acts when it is time."""

    def __init__(
        self,
        store: Store,
        target: Target,
        keys: Keys,
        warn: Callable[[str], None],
        more: Mapping[str, object] | None = None,
    ) -> None:
        self._id = ObjectId(bytes.fromhex(store.lineage), ObjectKind.LEASE, _ID)
        self._target = target
        self._keys = keys
        self._warn = warn
        self._etag = ""
        self._renewed = 0.0
        self._note: dict[str, object] = {
            **(more or {}),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": time.time(),
            "lifetime": LIFETIME,
            "nonce": os.urandom(8).hex(),
        }

    @property
    def held(self) -> bool:
        return bool(self._etag)

    def use(self, keys: Keys) -> None:
        """Encrypt with these from now on, and immediately if the lease is held."""
        self._keys = keys
        self.say()

    def take(self, wait_seconds: float) -> None:
        """Become the holder, waiting up to `wait_seconds` for another run to finish. Raises BusyError."""
        started = time.monotonic()
        seen, seen_at = b"", started
        looks = missing = 0
        while not self._create():
            looks += 1
            try:
                etag = self._target.stat(self._id.name).etag
                there = self._contents()
            except ObjectMissing:
                missing += 1
                if missing >= _GONE:
                    self._warn("continuing without a lease, because something other than an object has its name")
                    return
                time.sleep(_LOOK / 10)
                continue
            if there is None:
                return
            now = time.monotonic()
            # Not by its etag, which changes with every run that tests whether policy forbids overwriting.
            if there != seen:
                seen, seen_at = there, now
            note = self._open(there)
            if not note or now - seen_at >= LIFETIME or self._is_dead(note):
                if self._replace(etag):
                    return
            elif looks == 1 and self._may_not_replace(there, etag):
                return
            elif now - started >= wait_seconds:
                raise BusyError(
                    f"another run has locked this lineage: {holder_of(note)}",
                    hint=f"wait for it to finish with --wait 10m. If it is dead, its lease expires after "
                    f"{LIFETIME:.0f} s: use --wait 2m",
                )
            if not note and looks >= _GONE:
                self._warn("continuing without a lease, because somebody puts other objects in its place")
                return
            time.sleep(_LOOK)

    def _contents(self) -> bytes | None:
        try:
            return self._target.get(self._id.name, 0, _LARGEST + 1)
        except AccessDenied:
            self._warn("continuing without a lease, because policy forbids reading the existing one")
            return None
        except ObjectArchived:
            # Archived by a lifecycle rule, so nobody has renewed it for long.
            return b""

    def _may_not_replace(self, there: bytes, etag: str) -> bool:
        """Whether policy forbids overwriting: then the lease that a first run left would lock out everybody forever.

        Tested by writing the same bytes again; the holder recognises its own lease (`_own_etag`)."""
        try:
            self._put(there, Put.REPLACE, etag)
        except (ConditionFailed, ObjectMissing):
            return False
        except AccessDenied:
            self._warn("continuing without a lease, because policy forbids overwriting objects")
            return True
        return False

    def _own_etag(self) -> str:
        """The etag of the lease if it is still this run's; else "": somebody took it over."""
        try:
            etag = self._target.stat(self._id.name).etag
        except ObjectMissing:
            return ""
        return etag if etag == self._etag or self._is_ours() else ""

    def renew(self) -> None:
        if self._etag and time.monotonic() - self._renewed > _RENEW:
            try:
                self._etag = self._own_etag()
                if self._etag:
                    self._replace(self._etag)
            except TransientError as error:
                # A courtesy must not end the run; if the target is unreachable, the next object will show it.
                self._renewed = time.monotonic()
                self._warn(f"the lease could not be renewed: {error.message}")

    def say(self, **words: object) -> None:
        """Add these to the note, immediately if the lease is held and may be overwritten."""
        self._note |= words
        if not self._etag:
            return
        try:
            self._took(self._put(self._seal(), Put.REPLACE, self._etag))
        except (ConditionFailed, ObjectMissing):
            self._etag = ""
        except AccessDenied:
            # It stays ours unchanged; `release` reports it if it cannot be deleted either.
            return

    def release(self) -> None:
        if not self._etag:
            return
        try:
            if self._own_etag():
                self._target.delete(self._id.name)
        except AccessDenied:
            self._warn(
                "the lease stays in the bucket, because policy forbids deleting it; later runs continue without it"
            )
        except TransientError as error:
            self._warn(f"the lease could not be deleted and expires in {LIFETIME:.0f} s: {error.message}")
        self._etag = ""

    def _create(self) -> bool:
        try:
            self._took(self._put(self._seal(), Put.CREATE))
        except ObjectExists:
            return False
        return True

    def _replace(self, etag: str) -> bool:
        """Renew or take over; True if there is no reason to wait."""
        try:
            self._took(self._put(self._seal(), Put.REPLACE, etag))
        except (ConditionFailed, ObjectMissing):
            # Somebody took over. The record decides who commits, so the work may continue.
            self._etag = ""
            return False
        except AccessDenied:
            self._warn("continuing without a lease, because policy forbids overwriting objects")
            self._etag = ""
            return True
        return True

    def _put(self, data: bytes, condition: Put, etag: str = "") -> str:
        """The lease's new etag."""
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        return self._target.put(self._id.name, data, md5=md5, condition=condition, etag=etag, tier=Tier.STANDARD).etag

    def _took(self, etag: str) -> None:
        self._etag = etag
        self._renewed = time.monotonic()

    def _seal(self) -> bytes:
        self._note["renewed"] = time.time()
        return self._keys.sealing.whole(self._id, json.dumps(self._note).encode())

    def _is_ours(self) -> bool:
        try:
            there = self._target.get(self._id.name, 0, _LARGEST + 1)
        except (AccessDenied, ObjectMissing):
            return False
        return self._open(there).get("nonce") == self._note["nonce"]

    def _open(self, sealed: bytes) -> dict[str, object]:
        return _opened(sealed, self._id, self._keys.identity)

    def _is_dead(self, note: dict[str, object]) -> bool:
        """Whether the holder was a process of this machine that has ended."""
        if is_dead(note) or note.get("host") != socket.gethostname():
            return is_dead(note)
        # Our own id: an earlier process had the same one, or this process holds another catalog's lease.
        return note.get("pid") == os.getpid() and note.get("nonce") != self._note["nonce"]


def read_note(target: Target, identity: Identity, object_id: ObjectId) -> dict[str, object]:
    """The note of a lease in the bucket; empty if it cannot be read or decrypted."""
    try:
        return _opened(target.get(object_id.name, 0, _LARGEST + 1), object_id, identity)
    except (AccessDenied, ObjectMissing):
        return {}


def _opened(sealed: bytes, object_id: ObjectId, identity: Identity) -> dict[str, object]:
    """The note of a lease; empty if our key cannot decrypt it: only a holder of the key can hold a lineage."""
    if len(sealed) > _LARGEST:
        return {}
    try:
        note = json.loads(open_object(sealed, len(sealed), object_id, identity).payload())
    except (ContainerError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def is_dead(note: dict[str, object]) -> bool:
    """Whether the holder was a process of this machine that ended, with no new process of the same id."""
    if note.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(str(note["pid"])), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, OverflowError):
        return False
    return False


def holder_of(note: dict[str, object]) -> str:
    try:
        since = datetime.fromtimestamp(float(str(note["since"]))).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"process {int(str(note['pid']))} on {str(note['host'])[:100]}, since {since}"
    except (KeyError, ValueError, OverflowError, OSError):
        return "an unknown process (the lease does not say which)"
