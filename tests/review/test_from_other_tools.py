"""docs/from-restic.md and docs/from-borgmatic.md: each command that they name parses, each key is one of a job."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from backup_runner.cli.app import application
from backup_runner.cli.spread import spread
from backup_runner.jobfile.checking import BLOCKS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("from-restic.md", "from-borgmatic.md")


def answers(page: str) -> list[str]:
    """What stands in code in the right column of the table."""
    rows = [line.split(" | ", 1)[1] for line in (DOCS / page).read_text().splitlines() if line.startswith("| ")][1:]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


def parsed(command: str) -> Any:
    """Raises the parser's own errors."""
    found: Any = get_command(application())
    words = spread(shlex.split(command)[1:])
    context = found.make_context("backup-runner", words, resilient_parsing=False)
    while hasattr(found, "commands"):
        rest = [*context._protected_args, *context.args]
        name, found, rest = found.resolve_command(context, rest)
        context = found.make_context(name, rest, parent=context)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_commands_parse(page: str) -> None:
    commands = [one for one in answers(page) if one.startswith("backup-runner ") and "--help" not in one]
    assert len(commands) > 12
    for command in commands:
        assert parsed(command) is not None, command


@pytest.mark.parametrize("page", PAGES)
def test_keys_exist(page: str) -> None:
    known = {key for block in BLOCKS.values() for key in block.model_fields}
    keys = [one for one in answers(page) if re.match(r"[a-z_]+(:|$)", one)]
    assert len(keys) > 7
    for key in keys:
        assert key.partition(":")[0] in known | {"apply"}, key
