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

Generated from the commands by `python -m backup_runner.cli.reference > docs/cli.md`; tests compare it.

| exit | meaning |
|---|---|
| 0 | done |
| 1 | error: nothing was done, or only a part; the message says which |
| 2 | only `plan --detailed-exitcode`: there are changes |
| 3 | done, but some files were not backed up or restored, or objects are missing or damaged; the output lists them |
| 4 | the plan is stale: make a new one |
| 5 | stopped by a guard |
| 6 | another run has locked the catalog or the lineage; the message says who and since when |
| 64 | wrong usage |
| 130 | interrupted; completed work is recorded |

With `--json`, standard output is for programs and all text goes to standard error. `backup-runner schema NAME` prints
the JSON schema; `schemas/` contains all of them. `backup-runner --install-completion` sets up shell completion of
commands, options, job files, snapshots and stored paths."""


def reference() -> str:
    """The whole document. The parser wraps nothing in it, whatever the terminal."""
    from .app import application

    root = get_command(application())
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
