"""Each broken job file says what its golden file says. `UPDATE_GOLDEN=1 pytest tests/jobfile` rewrites them."""

import os
from pathlib import Path

import pytest

from backup_runner.jobfile import RULES, load
from backup_runner.jobfile.render import render_text

BROKEN = Path(__file__).parent / "broken"
FILES = sorted(path.name for path in BROKEN.glob("*.yaml"))
ENV = {"HOME": "/home/u", "EMPTY": ""}


def test_there_are_enough_of_them():
    assert len(FILES) >= 100


@pytest.mark.parametrize("name", FILES)
def test_message(name, monkeypatch):
    monkeypatch.chdir(BROKEN)
    result = load([name], env=ENV)
    text = render_text(result.diagnostics, result.sources) + "\n"
    golden = BROKEN / name.replace(".yaml", ".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert result.jobs == []
    assert result.diagnostics
    assert text == golden.read_text(encoding="utf-8")


def test_every_rule_is_broken_by_one_of_them(monkeypatch):
    monkeypatch.chdir(BROKEN)
    met = {item.code for name in FILES for item in load([name], env=ENV).diagnostics}
    needs_more_than_one_file = {"BR001", "BR045"}
    errors = {code for code, rule in RULES.items() if rule.severity == "error"}
    assert errors - met == needs_more_than_one_file


def test_no_golden_file_without_its_job():
    assert {path.stem for path in BROKEN.glob("*.txt")} == {Path(name).stem for name in FILES}
