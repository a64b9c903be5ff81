"""Converts command lines written for backup-tool to the form that the parser accepts."""

from __future__ import annotations

_SPREAD = {"--dir-paths": "--dir-paths", "--skip-files": "--skip-files", "-f": "--skip-files"}
_GLOBAL = ("--verbose", "-v", "--quiet", "-q", "--log-json")
_GLOBAL_VALUED = ("--config", "--settings-file", "-s", "--set", "--progress")
_RENAMED = {"-cf": "--cache-file", "-sr": "--set-restore", "-fc": "--force-checksum"}


def spread(arguments: list[str]) -> list[str]:
    """`--dir-paths a b` becomes `--dir-paths a --dir-paths b`, two short options get their long names, and
    options for all commands may also follow the command."""
    arguments = _hoisted(arguments)
    for group, commands in (("directory", ("backup",)), ("file", ("restore", "backup"))):
        for at, word in enumerate(arguments[:-1]):
            if word == group and arguments[at + 1] in commands:
                return arguments[: at + 2] + _options(arguments[at + 2 :])
    return arguments


def first_word(arguments: list[str]) -> str | None:
    """The first word of a spread command line that is no option for all commands: usually the command."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        at += 2 if arguments[at] in _GLOBAL_VALUED else 1
    return arguments[at] if at < len(arguments) else None


def _hoisted(words: list[str]) -> list[str]:
    ahead: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(words) and words[at] != "--":
        word = words[at]
        if word in _GLOBAL or word.startswith(tuple(f"{name}=" for name in _GLOBAL_VALUED)):
            ahead.append(word)
        elif word in _GLOBAL_VALUED and at + 1 < len(words):
            ahead += words[at : at + 2]
            at += 1
        else:
            rest.append(word)
        at += 1
    return ahead + rest + words[at:]


def _options(words: list[str]) -> list[str]:
    found: list[str] = []
    option = ""
    for at, word in enumerate(words):
        if word == "--":
            return found + words[at:]
        if word in _SPREAD:
            option = _SPREAD[word]
        elif word.startswith("-") and word != "-":
            option = ""
            found.append(_RENAMED.get(word, word))
        elif option:
            found += [option, word]
        else:
            found.append(word)
    return found
