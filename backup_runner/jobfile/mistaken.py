"""Texts that are valid, and almost certainly meant as something else: other systems' paths, regular expressions."""

from __future__ import annotations

import re

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}:/{1,3}")
_DOLLAR = re.compile(r"\$[A-Za-z_]\w{0,100}")
_PERCENT = re.compile(r"%[A-Za-z_]\w{0,100}%")
_MAGIC = re.compile(r"[*?]|\[[^]]{1,100}\]")
_REGEX = re.compile(
    r"^!?\^"
    r"|[^\\]\$$"
    r"|(?<!\\)\\[.dDwWsSbB](?!$)"
    r"|\.\+"
    r"|[\])]\+"
    r"|\([^()]{0,200}\|[^()]{0,200}\)"
    r"|\.\*(?:\\|\$)"
    r"|^\.\*/.{0,4000}/\.\*$"
)


def odd_path(text: str, *, source: bool) -> tuple[str, str] | None:
    """(what it looks like, what to do) of a path that names nothing on this system; None if it looks like one."""
    if _WINDOWS.match(text):
        return "a Windows path", "write it as this system has it, e.g. /mnt/c/Users"
    if _URL.match(text):
        return "a URL", "write the path alone; buckets are named by `target`"
    if (found := _DOLLAR.search(text)) and "${" not in text:
        return f"a shell variable ({found[0]})", f"write ${{{found[0][1:]}}}"
    if _PERCENT.search(text):
        return "a variable of Windows", "write ${NAME}"
    if source and _MAGIC.search(text):
        return "a pattern", "name the folder, and leave out the rest with `skip`; patterns in paths are not expanded"
    return None


def is_regex(pattern: str) -> bool:
    """Whether a skip pattern looks like a regular expression, of which gitignore's rules make something else."""
    return _REGEX.search(pattern) is not None
