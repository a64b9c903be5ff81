"""What every tool finds under its feet: memory that was touched before, and for each restore a new file system.

Memory that a virtual machine never gave out costs whoever takes it first. ext4 looks through recently deleted inodes
for every new file, so a restore after a restored tree was deleted takes up to ten times as long. Both would be noise.
"""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess

_SHARE = 0.6
"""Of the memory that is available; the rest stays for the page cache."""
_INODES = 1_200_000


def touch_memory() -> int:
    """Take memory, write to each page, and give it back. Returns how many bytes."""
    size = int(_available() * _SHARE) & ~(mmap.PAGESIZE - 1)
    with mmap.mmap(-1, size) as block:
        for start in range(0, size, mmap.PAGESIZE):
            block[start] = 1
    return size


def _available() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


class Ground:
    """A new ext4 in a file below `folder`, mounted where a restore goes to. `new` is whether that was possible: only
    root may mount."""

    def __init__(self, folder: str, where: str, size: int) -> None:
        self._image = f"{folder}/ground.img"
        self._where = where
        os.makedirs(where, exist_ok=True)
        self.new = os.geteuid() == 0 and self._mount(size)

    def _mount(self, size: int) -> bool:
        with open(self._image, "wb") as file:
            file.truncate(size)
        for command in (
            ["mkfs.ext4", "-q", "-F", "-N", str(_INODES), "-E", "lazy_itable_init=0", self._image],
            ["mount", "-o", "loop,noatime", self._image, self._where],
        ):
            if shutil.which(command[0]) is None or subprocess.run(command, check=False, capture_output=True).returncode:
                os.unlink(self._image)
                return False
        # The folder that mkfs makes is in no backup.
        os.rmdir(f"{self._where}/lost+found")
        return True

    def close(self) -> None:
        """Unmount it; what was restored is gone."""
        if self.new:
            subprocess.run(["umount", self._where], check=True, capture_output=True)
            os.unlink(self._image)
        shutil.rmtree(self._where, ignore_errors=True)
