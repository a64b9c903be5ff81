"""One apply at a time: an advisory lock on a file beside the catalog, which says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any

from ..errors import BusyError, CatalogError
from ..foreign import describe


class CatalogLock:
    """Held while the process lives; the kernel releases it when the process dies, for whatever reason."""

    def __init__(self, catalog_path: str, *, wait_seconds: float = 0.0) -> None:
        self._path = catalog_path + ".lock"
        self._wait = wait_seconds
        self._fd = -1

    def __enter__(self) -> CatalogLock:
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CatalogError(
                f"cannot lock the catalog: {self._path}: {describe(error)}",
                hint="check that the catalog's folder exists and is writable",
            ) from None
        deadline = time.monotonic() + self._wait
        while not self._try():
            if time.monotonic() >= deadline:
                holder = self._holder()
                os.close(self._fd)
                self._fd = -1
                raise BusyError(
                    f"another run has locked the catalog {self._path.removesuffix('.lock')}: {holder}",
                    hint="wait for it to finish, or use --wait 10m; the lock ends with the process",
                )
            time.sleep(0.2)
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(note).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._fd, 0)
        # Closing is not enough: workers that another thread forked in the meantime have the file open, too.
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
        self._fd = -1

    @staticmethod
    def is_held(catalog_path: str) -> bool:
        """Whether a run is using the catalog, according to its note in the lock file.

        Only reads it: taking the lock even briefly would stop a run that starts at that moment."""
        try:
            with open(catalog_path + ".lock", "rb") as file:
                note = json.loads(file.read(4096))
            if note["host"] == socket.gethostname():
                os.kill(int(note["pid"]), 0)
        except (ProcessLookupError, FileNotFoundError, ValueError, KeyError, TypeError, OverflowError):
            return False
        except OSError:
            return True
        return True

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> str:
        try:
            note = self._note()
            since = datetime.fromtimestamp(note["since"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            return f"process {note['pid']} on {note['host']}, since {since}"
        except (ValueError, KeyError, OSError):
            return "an unknown process (it has not written its name yet)"

    def is_own(self) -> bool:
        """Whether it is this very process that holds the lock now."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return not self._try() and bool(self._note()["pid"] == os.getpid())
        except (ValueError, KeyError, OSError):
            return False
        finally:
            os.close(self._fd)
            self._fd = -1

    def _note(self) -> dict[str, Any]:
        note: dict[str, Any] = json.loads(os.pread(self._fd, 4096, 0))
        return note


@contextmanager
def quiet(catalog_path: str) -> Iterator[None]:
    """While entered, no other process applies. Raises BusyError if one does."""
    lock = CatalogLock(catalog_path)
    if lock.is_own():
        yield
        return
    with lock:
        yield
