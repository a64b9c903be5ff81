"""docs/cli.md, made from the commands themselves: `python -m backup_runner.cli.reference > docs/cli.md`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

_TYPE = re.compile(r" <(list\[)?(str|int|float)\]?>")
_HEAD = """\
# Command line

Made from the commands by `python -m backup_runner.cli.reference > docs/cli.md`; a test keeps it current.

| exit | meaning |
|---|---|
| 0 | done; nothing left undone |
| 1 | error; nothing, or not everything, was done, and the message says which |
| 2 | only `plan --detailed-exitcode`: there are changes |
| 3 | done, but some files could not be read, stored as they were, or restored; each is named |
| 4 | the plan is stale; plan again |
| 5 | a guard stopped it |
| 6 | another run has locked the catalog or the lineage; who and since when is said |
| 64 | wrong usage |
| 130 | interrupted; completed work is recorded |

With `--json`, stdout is for programs and all text goes to stderr; `backup-runner schema NAME` prints the shape, and
`schemas/` has them all. `backup-runner --install-completion` lets the shell complete commands, options, job files,
snapshots and stored paths."""


def reference() -> str:
    """The whole document. The parser wraps nothing in it, whatever the terminal."""
    from .app import app

    root = get_command(app)
    lines = [_HEAD, "", *_section(root, "backup-runner", parent=None)]
    return "\n".join(lines).rstrip() + "\n"


def _section(command: Any, path: str, *, parent: Any) -> Iterator[str]:
    context = command.make_context(path, [], parent=parent, resilient_parsing=True)
    commands = getattr(command, "commands", {})
    yield f"## {path}"
    yield ""
    yield f"`{path} {' '.join(command.collect_usage_pieces(context))}`"
    yield ""
    yield from _help(command.help or "")
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    for title, params in (("Argument", arguments), ("Option", options)):
        # What a command's own help option says is the same everywhere.
        rows = [record for param in params if (record := param.get_help_record(context)) and record[0] != "--help"]
        if rows:
            yield from (f"| {title} | |", "|---|---|")
            yield from (f"| `{_cell(_TYPE.sub('', name))}` | {_cell(text)} |" for name, text in rows)
            yield ""
    for name, one in commands.items():
        if not one.hidden:
            yield from _section(one, f"{path} {name}", parent=context)


def _help(text: str) -> Iterator[str]:
    """Paragraphs as they are, the example as a code block."""
    for line in text.strip().splitlines():
        start, mark, example = line.partition("Example: ")
        if mark and not start.strip():
            yield from ("```sh", example, "```")
        else:
            yield line.strip()
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    os.environ["COLUMNS"] = "1000"
    sys.stdout.write(reference())
