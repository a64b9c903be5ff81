"""Man pages and shell completions, made from the commands: `python -m backup_runner.cli.manpages share`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from typer.completion import get_completion_script  # type: ignore[attr-defined]
from typer.main import get_command

from .. import __version__

_TYPE = re.compile(r" <(list\[)?(str|int|float)\]?>")
_PROGRAM = "backup-runner"
_COMPLETIONS = {
    "bash": "bash-completion/completions/backup-runner",
    "zsh": "zsh/site-functions/_backup-runner",
    "fish": "fish/vendor_completions.d/backup-runner.fish",
}
"""Where shells look, below `share`."""
_CODES = (
    ("0", "Done."),
    ("1", "Error: nothing was done, or only a part; the message says which."),
    ("2", "Only plan --detailed-exitcode: there are changes."),
    ("3", "Done, but some files were not backed up or restored, or objects are missing or damaged."),
    ("4", "The plan is stale."),
    ("5", "Stopped by a guard."),
    ("6", "Another run has locked the catalog or the lineage."),
    ("64", "Wrong usage."),
    ("130", "Interrupted; completed work is recorded."),
)


def files() -> dict[str, str]:
    """All files by their path below `share`: a page for the program and one for each command, and completions."""
    from .app import application

    root = get_command(application())
    context = root.make_context(_PROGRAM, [], resilient_parsing=True)
    commands = {name: one for name, one in getattr(root, "commands", {}).items() if not one.hidden}
    found = {f"man/man1/{_PROGRAM}.1": _page(_PROGRAM, [*_command(root, _PROGRAM, context), *_list(commands)])}
    for name, one in commands.items():
        path = f"{_PROGRAM} {name}"
        found[f"man/man1/{_PROGRAM}-{name}.1"] = _page(path, [*_section(one, path, context)])
    for shell, place in _COMPLETIONS.items():
        script = get_completion_script(prog_name=_PROGRAM, complete_var="_BACKUP_RUNNER_COMPLETE", shell=shell)
        found[place] = script.rstrip() + "\n"
    return found


def _page(path: str, body: list[str]) -> str:
    title = path.replace(" ", "-")
    head = [f'.TH "{title.upper()}" "1" "" "{_PROGRAM} {__version__}" "User Commands"', ".nh"]
    tail = [".SH EXIT STATUS", *(line for code, text in _CODES for line in (".TP", f"\\fB{code}\\fR", _roff(text)))]
    others = [] if path == _PROGRAM else [".SH SEE ALSO", f"\\fB{_PROGRAM}\\fR(1)"]
    return "\n".join([*head, *body, *tail, *others]) + "\n"


def _list(commands: dict[str, Any]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for name, one in commands.items():
        yield from (".TP", f"\\fB{_PROGRAM}\\-{_roff(name)}\\fR(1)", _roff(_first(one.help)))


def _section(command: Any, path: str, parent: Any) -> Iterator[str]:
    """A command, and those below it."""
    context = command.make_context(path, [], parent=parent, resilient_parsing=True)
    yield from _command(command, path, context)
    for name, one in getattr(command, "commands", {}).items():
        if one.hidden:
            continue
        below = one.make_context(f"{path} {name}", [], parent=context, resilient_parsing=True)
        yield f'.SH "{_roff(f"{path} {name}".upper())}"'
        yield from (line.replace(".SH", ".SS", 1) for line in _command(one, f"{path} {name}", below, named=False))


def _command(command: Any, path: str, context: Any, *, named: bool = True) -> Iterator[str]:
    if named:
        yield from (".SH NAME", f"{_roff(path.replace(' ', '-'))} \\- {_roff(_first(command.help))}")
    yield from (".SH SYNOPSIS", f"\\fB{_roff(path)}\\fR {_roff(' '.join(command.collect_usage_pieces(context)))}")
    yield from (".SH DESCRIPTION", *_paragraphs(command.help or ""))
    for kind, title in (("argument", "ARGUMENTS"), ("option", "OPTIONS")):
        params = [param for param in command.params if param.param_type_name == kind]
        rows = [record for param in params if (record := param.get_help_record(context)) and record[0] != "--help"]
        if rows:
            yield f".SH {title}"
        for name, text in rows:
            yield from (".TP", f"\\fB{_roff(_TYPE.sub('', name))}\\fR", _roff(" ".join(text.split())))


def _paragraphs(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        start, mark, example = line.partition("Example: ")
        if mark and not start.strip():
            yield from (".PP", ".EX", _roff(example), ".EE")
        elif line.strip():
            yield _roff(line.strip())
        else:
            yield ".PP"


def _first(text: str | None) -> str:
    """The first sentence of a help text."""
    return " ".join((text or "").strip().split("\n\n")[0].split()).split(". ")[0].rstrip(".")


def _roff(text: str) -> str:
    """One line of groff_man(7): nothing of it is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    text = "".join(character if character.isascii() else f"\\[u{ord(character):04X}]" for character in text)
    return f"\\&{text}" if text[:1] in (".", "'") else text


def main(folder: str) -> None:
    """Write all files below a folder."""
    for name, text in files().items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    os.environ["COLUMNS"] = "1000"
    main(sys.argv[1])
