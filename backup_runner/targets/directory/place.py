"""Whether a folder is still on the same disk: mount points outlive their disks."""

from __future__ import annotations

import os

from ...errors import TargetError
from .files import PRIVATE


def absence(root: str) -> str:
    """Why the folder seems to be on a disk that is not mounted; "" if it does not."""
    try:
        with os.scandir(root) as entries:
            if any(entry.name not in PRIVATE for entry in entries):
                return ""
    except FileNotFoundError:
        return f"the folder {root} does not exist"
    except OSError:
        return ""
    return f"the folder {root} is empty"


class Disk:
    """Detects that the file system of a folder disappears while it is in use.

    An unplugged disk leaves its mount point, an ordinary folder of the parent file system, and a program that creates
    missing folders would continue there. `device` is the st_dev of the file system, None until the folder exists.
    """

    def __init__(self, root: str, device: int | None = None) -> None:
        self._root = root
        self.device = device

    def check(self) -> None:
        """Raises TargetError if the folder is gone, or is now on the file system of a parent folder; OSError."""
        try:
            found = os.stat(self._root).st_dev
        except FileNotFoundError:
            found = None
        if self.device is None:
            self.device = found
        elif found is None or (found != self.device and found in self._above()):
            raise TargetError(
                f"the folder {self._root} is no longer on the disk where it was when this run started",
                hint="was it unplugged or unmounted? Mount it again; the next apply continues where this one stopped",
            )

    def _above(self) -> set[int]:
        devices = set()
        path = self._root
        while path != os.path.dirname(path):
            path = os.path.dirname(path)
            devices.add(os.stat(path).st_dev)
        return devices
