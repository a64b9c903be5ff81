"""Files that are reached through a folder that became a symlink after the scan: they lie elsewhere, and are not read.

Opening by path follows symlinks among the folders on the way; where the opened file really lies, the kernel tells.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable


class Detours:
    """Knows where sources really lie: symlinks above a source, or the source itself, are followed on purpose."""

    def __init__(self, sources: Iterable[tuple[bytes, bytes]]) -> None:
        """`sources` are key and path of each source, as in `ScanSource`."""
        roots = {key.rstrip(b"/"): os.path.realpath(path) for key, path in sources}
        # The longest first, because a source's key may be the start of another's.
        self._roots = sorted(roots.items(), key=lambda root: len(root[0]), reverse=True)

    def check(self, fd: int, key: bytes) -> None:
        """Raise OSError (ELOOP) if the file that is open as `fd` is not the one below the source that `key` means.

        Without proc(5), or for a path too long for it, nothing is known and nothing raised."""
        try:
            where = os.readlink(b"/proc/self/fd/%d" % fd)
        except OSError:
            return
        for prefix, real in self._roots:
            if not prefix or key == prefix or key.startswith(prefix + b"/"):
                rest = key[len(prefix) :].lstrip(b"/")
                expected = real.rstrip(b"/") + b"/" + rest if rest else real
                if where != expected and _has_link(real, rest):
                    raise OSError(errno.ELOOP, "a folder on the way to it is a symlink by now, and is not followed")
                return


def _has_link(root: bytes, rest: bytes) -> bool:
    """Whether a symlink stands in the way below the root. A file that was renamed or deleted meanwhile has none."""
    at = root
    for name in rest.split(b"/")[:-1]:
        at += b"/" + name
        if os.path.islink(at):
            return True
    return False
