"""Commands of other backup programs, and their equivalents here."""

from __future__ import annotations

import re

_UNKNOWN = re.compile(r"No such command '([^']*)'")
_INIT = "`backup-runner init FILE` writes a job file and a key; then run `backup-runner apply FILE`"
_BROWSE = "browse with `backup-runner files list JOB` and `find JOB NAME`; restore with `restore JOB PATH --to DIR`"
_REPAIR = (
    "`backup-runner apply JOB` uploads again what `verify JOB` found missing; "
    "`catalog rebuild JOB` makes a new catalog from the bucket"
)
_VERBS = {
    "backup": "use `backup-runner apply JOB`",
    "create": "use `backup-runner apply JOB`",
    "run": "use `backup-runner apply JOB`",
    "snapshot": "use `backup-runner apply JOB`",
    "sync": "use `backup-runner apply JOB`",
    "rcreate": _INIT,
    "repo-create": _INIT,
    "check": "use `backup-runner verify JOB`",
    "list": "use `backup-runner snapshots JOB`",
    "rlist": "use `backup-runner snapshots JOB`",
    "repo-list": "use `backup-runner snapshots JOB`",
    "ls": "use `backup-runner files list JOB`",
    "extract": "use `backup-runner restore JOB --to DIR`",
    "mount": _BROWSE,
    "umount": _BROWSE,
    "dump": "use `backup-runner restore JOB FILE --to -`",
    "cat": "use `backup-runner restore JOB FILE --to -`",
    "export-tar": "use `backup-runner restore JOB --as-tar -`",
    "tag": "use `backup-runner snapshots tag JOB SNAPSHOT --add TAG`",
    "delete": "use `backup-runner forget JOB SNAPSHOT`",
    "remove": "use `backup-runner forget JOB SNAPSHOT`",
    "compact": "use `backup-runner prune JOB`",
    "info": "use `backup-runner catalog info JOB`",
    "recover": "use `backup-runner catalog rebuild JOB`",
    "repair": _REPAIR,
    "rebuild-index": "use `backup-runner catalog rebuild JOB`",
    "unlock": "use `backup-runner apply JOB --wait 10m`",
    "policy": "use `backup-runner validate JOB`",
    "maintenance": "use `backup-runner prune JOB`",
    "edit": "use `backup-runner validate JOB`",
    "config-check": "use `backup-runner validate JOB`",
}
"""The whole hint, by verb."""


def hint_for(message: str, command: str) -> str | None:
    """The hint for an unknown command; None if no other program is known to have it."""
    found = _UNKNOWN.match(message)
    if found is None:
        return None
    word = found[1]
    if command == "backup-runner backup" and word.endswith((".yaml", ".yml")):
        return f"`backup-runner apply {word}` backs up a job"
    return _VERBS.get(word) if command == "backup-runner" else None


def helpful(arguments: list[str]) -> list[str]:
    """`help COMMAND` and `-h` mean `--help`."""
    if arguments[:1] == ["help"]:
        return [*arguments[1:], "--help"]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return ["--help" if word == "-h" else word for word in arguments[:end]] + arguments[end:]
