"""docs/rules/ is what the table makes, and hooks for pre-commit name commands that are there."""

from pathlib import Path

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from backup_runner.cli.app import application
from backup_runner.jobfile import RULES
from backup_runner.jobfile import rules as codes
from backup_runner.jobfile.rulepages import pages
from backup_runner.jobfile.schema import job_schema

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "rules"


def test_the_pages_are_current():
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert on_disk == pages(), "run: python -m backup_runner.jobfile.rulepages docs/rules"


def test_every_code_has_a_row_and_only_one():
    named = [value for name, value in vars(codes).items() if name.isupper() and str(value).startswith("BR")]
    assert sorted(named) == sorted(RULES)
    assert all(rule.code == code and rule.why and rule.help for code, rule in RULES.items())


def test_hooks_for_pre_commit():
    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    known = {command.name for command in application().registered_commands}
    for hook in hooks:
        program, command, *_ = hook["entry"].split()
        assert (program, command in known, hook["language"]) == ("backup-runner", True, "python")


def test_the_job_schema_is_fit_for_a_catalogue():
    schema = job_schema()
    assert all(schema[key] for key in ("$schema", "$id", "title", "description", "examples"))
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)
