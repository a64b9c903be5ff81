"""The grammar for naming stored files: for `restore`, `files list`, `find`, `diff` and `history`.

- An absolute path is one on disk, below the job's base.
- `.`, `..` and what begins with `./` or `../` is relative to the current folder, or, outside the
  base, to the base.
- Anything else is a stored path; if there is none, it is relative to the current folder.
- With `*`, `?` or `[`, it is a pattern as in .gitignore: without a slash, for names at any depth; with one, for whole
  paths.

A folder includes everything in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import BackupRunnerError
from .wildmatch import Pattern, compile_pattern

_WILD = re.compile(rb"[*?\[]")
_SPECIAL = re.compile(rb"([*?\[\\])")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """The possible keys of a user's path, without trailing slash (b"" for all), the likeliest first."""

    text: bytes
    keys: tuple[bytes, ...]
    patterns: tuple[Pattern, ...]
    """Empty if it has no wildcard, or cannot match."""
    by_name: bool

    @property
    def is_wild(self) -> bool:
        return bool(_WILD.search(self.text))

    def key(self, exists: Callable[[bytes], bool]) -> bytes:
        """The key that it names: the first that exists, or the first."""
        return next((key for key in self.keys if exists(key)), self.keys[0])

    def selects(self, key: bytes) -> bool:
        """Whether a key itself matches."""
        bare = key.removesuffix(b"/")
        if not self.by_name:
            return bare in self.keys or any(one.regex.fullmatch(bare) for one in self.patterns)
        name = bare.rpartition(b"/")[2]
        return bare in self.keys or name in self.keys or any(one.regex.fullmatch(name) for one in self.patterns)

    def covers(self, key: bytes) -> bool:
        """Whether a key matches, or a folder that it is in."""
        if b"" in self.keys:
            return True
        end = len(key.removesuffix(b"/"))
        while end > 0:
            if self.selects(key[:end]):
                return True
            end = key.rfind(b"/", 0, end)
        return False


def path_pattern(text: bytes, base: bytes, here: bytes | None, *, names: bool = False) -> PathPattern:
    """Parse a user's path. `here` is the current folder, None for nowhere.

    With `names`, a word without a slash only matches names at any depth, with or without wildcards.
    Raises BackupRunnerError for a path that is not below `base`."""
    wild = bool(_WILD.search(text))
    by_name = b"/" not in text.rstrip(b"/") and (wild or names) and text.rstrip(b"/") not in (b".", b"..")
    keys = (text.rstrip(b"/"),) if by_name else _keys(text, base, here, wild=wild)
    compiled = [compile_pattern(key, by_name=by_name) for key in keys] if wild else []
    return PathPattern(text, keys, tuple(one for one in compiled if one), by_name)


def any_covers(patterns: Sequence[PathPattern]) -> Callable[[bytes], bool]:
    """Whether one of them matches a key, or a folder that it is in."""
    return lambda key: any(one.covers(key) for one in patterns)


def _keys(text: bytes, base: bytes, here: bytes | None, *, wild: bool) -> tuple[bytes, ...]:
    if text.startswith(b"/"):
        key = _below(_joined(b"", text), base)
        if key is None:
            raise BackupRunnerError(
                f"{os.fsdecode(text)} is not below {os.fsdecode(base or b'/')}, where this job's paths begin",
                hint="use the path from the time of the backup",
            )
        return (key,)
    dotted = text.split(b"/", 1)[0] in (b".", b"..")
    mine = None if here is None else _below(_joined(here, text), base)
    if mine is not None and wild and here is not None:
        # Special characters in the name of the folder are not part of the pattern.
        mine = _below(_joined(_SPECIAL.sub(rb"\\\1", here), text), _SPECIAL.sub(rb"\\\1", base))
    stored = _below(_joined(base, text), base)
    found = [mine, stored] if dotted else [stored, mine]
    keys = tuple(dict.fromkeys(key for key in (found[:1] if dotted and mine is not None else found) if key is not None))
    if not keys:
        raise BackupRunnerError(
            f"{os.fsdecode(text)} is not below {os.fsdecode(base or b'/')}, where this job's paths begin",
            hint="use a stored path as shown by `files list JOB`",
        )
    return keys


def _below(path: bytes, base: bytes) -> bytes | None:
    """The key of an absolute path, None if it is not in the base."""
    if path == (base or b"/"):
        return b""
    return path[len(base) + 1 :] if path.startswith(base + b"/") else None


def _joined(folder: bytes, text: bytes) -> bytes:
    """An absolute path without empty components, `.` and `..`."""
    parts: list[bytes] = []
    for part in (folder + b"/" + text).split(b"/"):
        if part == b"..":
            parts = parts[:-1]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/" + b"/".join(parts)
