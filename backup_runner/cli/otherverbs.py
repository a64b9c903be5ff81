"""Commands of other backup programs, and their equivalents here."""

from __future__ import annotations

import re

_UNKNOWN = re.compile(r"No such command '([^']*)'")
_VERBS = {
    "backup": "apply JOB",
    "create": "apply JOB",
    "run": "apply JOB",
    "snapshot": "apply JOB",
    "sync": "apply JOB",
    "init": "key new FILE` creates a key; then write a job file and `apply JOB",
    "rcreate": "key new FILE` creates a key; then write a job file and `apply JOB",
    "repo-create": "key new FILE` creates a key; then write a job file and `apply JOB",
    "check": "verify JOB",
    "list": "snapshots JOB",
    "rlist": "snapshots JOB",
    "repo-list": "snapshots JOB",
    "ls": "files list JOB",
    "extract": "restore JOB --to DIR",
    "mount": "files list JOB` and `find JOB NAME` browse; `restore JOB PATH --to DIR",
    "umount": "files list JOB` and `find JOB NAME` browse; `restore JOB PATH --to DIR",
    "dump": "restore JOB FILE --to -",
    "cat": "restore JOB FILE --to -",
    "export-tar": "restore JOB --as-tar -",
    "tag": "snapshots tag JOB SNAPSHOT --add TAG",
    "delete": "forget JOB SNAPSHOT",
    "remove": "forget JOB SNAPSHOT",
    "compact": "prune JOB",
    "info": "catalog info JOB",
    "recover": "catalog rebuild JOB",
    "repair": "apply JOB` uploads again what `verify JOB` found missing; `catalog rebuild JOB",
    "rebuild-index": "catalog rebuild JOB",
    "unlock": "apply JOB --wait 10m",
    "policy": "validate JOB",
    "maintenance": "prune JOB",
    "edit": "validate JOB",
    "config-check": "validate JOB",
}


def hint_for(message: str, command: str) -> str | None:
    """The hint for an unknown command; None if no other program is known to have it."""
    found = _UNKNOWN.match(message)
    if found is None:
        return None
    word = found[1]
    if command == "backup-runner backup" and word.endswith((".yaml", ".yml")):
        return f"`backup-runner apply {word}` backs up a job"
    here = _VERBS.get(word) if command == "backup-runner" else None
    return f"here it is `backup-runner {here}`" if here else None


def helpful(arguments: list[str]) -> list[str]:
    """`help COMMAND` and `-h` mean `--help`."""
    if arguments[:1] == ["help"]:
        return [*arguments[1:], "--help"]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return ["--help" if word == "-h" else word for word in arguments[:end]] + arguments[end:]
