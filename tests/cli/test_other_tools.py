"""What people type who come from restic, borg, borgmatic or kopia: the answer is a command or key that exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
from typer.main import get_command

from backup_runner.cli.app import application
from backup_runner.cli.otherverbs import _VERBS
from backup_runner.jobfile.checking import BLOCKS
from backup_runner.jobfile.others import _KEYS


@pytest.mark.parametrize("verb", sorted(set(_VERBS) - {"backup"}))
def test_verbs_of_others(place: Any, capsys: Any, verb: str) -> None:
    done = place.call(capsys, verb, "x")
    assert done.code == 64
    assert f"hint: {_VERBS[verb]}\n" in done.err
    top: Any = get_command(application())
    commands = re.findall(r"`(?:backup-runner )?((?:[a-z-]+ ?)+)", _VERBS[verb])
    assert commands
    for command in commands:
        found = top
        for word in command.split():
            if word not in getattr(found, "commands", {}):
                break
            found = found.commands[word]
        assert found is not top, command


def test_backup_of_a_job(place: Any, capsys: Any) -> None:
    assert "`backup-runner apply job.yaml` backs up a job" in place.call(capsys, "backup", "job.yaml").err


def test_help_in_three_ways(place: Any, capsys: Any) -> None:
    first = place.call(capsys, "restore", "--help").out
    assert first.startswith("Usage: backup-runner restore")
    assert place.call(capsys, "restore", "-h").out == first
    assert place.call(capsys, "help", "restore").out == first
    assert place.call(capsys, "help").out == place.call(capsys, "-h").out == place.call(capsys, "--help").out


@pytest.mark.parametrize("key", sorted(_KEYS))
def test_keys_of_others(place: Any, capsys: Any, key: str) -> None:
    place.write_job(**{key: "x"})
    done = place.call(capsys, "validate", "job.yaml")
    assert f"use {_KEYS[key]} instead" in done.out + done.err
    for name in re.findall(r"^([a-z_.]+)|` (?:and|with) `([a-z_.]+)", _KEYS[key]):
        first, _, second = (name[0] or name[1]).partition(".")
        assert first in BLOCKS[""].model_fields
        assert not second or any(second.split(".")[-1] in block.model_fields for block in BLOCKS.values())
