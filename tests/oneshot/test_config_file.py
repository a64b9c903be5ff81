"""Settings: where they come from, which one counts, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from backup_runner.errors import ConfigError, UsageError
from backup_runner.jobfile import JobFileError
from backup_runner.jobfile.configfile import job_defaults, load_config
from backup_runner.jobfile.schema import config_schema

TEXT = (
    "general:\n  database_file: ~/catalog.db\n  work_directory: work\noci:\n  bucket: b\n  instance_principal: true\n"
)


def load(tmp_path: Path, text: str | None = TEXT, *overrides: str, **env: str):
    if text is not None:
        (tmp_path / ".backup-runner").mkdir(exist_ok=True)
        (tmp_path / ".backup-runner" / "config.yaml").write_text(text)
    return load_config(None, env={"HOME": str(tmp_path)} | env, overrides=overrides, folder="/here")


def test_values_and_origins(tmp_path):
    config = load(tmp_path, TEXT, "oci.bucket=other", "general.relative_path=sub")
    file = str(tmp_path / ".backup-runner" / "config.yaml")
    assert config.settings["general.database_file"] == (f"{tmp_path}/catalog.db", f"{file}:2")
    assert config.settings["general.work_directory"].value == f"{tmp_path}/.backup-runner/work"
    assert config.settings["general.crypto_key_file"] == (f"{tmp_path}/.backup-runner/crypto-key", "default")
    assert config.settings["oci.bucket"] == ("other", "command line")
    assert config.settings["general.relative_path"] == ("/here/sub", "command line")
    assert job_defaults(config) == {
        "catalog": f"{tmp_path}/catalog.db",
        "relative_path": "/here/sub",
        "work_directory": f"{tmp_path}/.backup-runner/work",
        "target": [{"type": "oci", "bucket": "other", "auth": {"method": "instance_principal"}}],
    }


def test_without_a_file_jobs_get_nothing(tmp_path):
    assert job_defaults(load(tmp_path, None)) == {}
    assert job_defaults(load(tmp_path, "")) == {}
    assert job_defaults(load(tmp_path, "# only a comment\n")) == {}


def test_another_file(tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("oci: {bucket: elsewhere}\n")
    assert load(tmp_path, TEXT, BACKUP_RUNNER_CONFIG=str(other)).value("oci.bucket") == "elsewhere"
    with pytest.raises(ConfigError, match="config file not found"):
        load(tmp_path, TEXT, BACKUP_RUNNER_CONFIG="/nowhere.yaml")


def test_backup_tools_own_config_is_read_as_it_is(tmp_path):
    (tmp_path / ".backup-tool").mkdir()
    (tmp_path / ".backup-tool" / "config").write_text(
        "general:\n  database_file: /old/database.sql\n  crypto_key_file: /old/key\n  something_else: 1\n"
        "oci:\n  bucket: b\n"
    )
    config = load(tmp_path, None)
    assert "backup-tool's config" in config.notice
    assert config.value("general.crypto_key_file") == "/old/key"
    assert config.foreign_database == "/old/database.sql"
    # It is a database of another kind; ours never goes there.
    assert config.value("general.database_file") == f"{tmp_path}/.backup-runner/catalog.db"
    assert load(tmp_path, TEXT).notice == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("generl: {}\n", "did you mean"),
        ("general: {databse_file: /x}\n", "databse_file"),
        ("oci: {bucket: 'no good'}\n", "a bucket's name"),
        ("oci: {instance_principal: 'yes'}\n", "true or false"),
        ("general: {work_directory: '${NO_SUCH}/x'}\n", "NO_SUCH is not set"),
        ("- a\n", "has no sections"),
        ("general: [\n", "ends"),
        ("directory: {path: /b}\noci: {bucket: b}\n", "both set"),
        ("general: {database_file: /a}\ngeneral: {}\n", "duplicate key"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, text, says):
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, text)
    said = "".join(f"{item.line}:{item.column} {item.message} {item.hint}" for item in caught.value.diagnostics)
    assert says in said
    assert all(item.line >= 1 for item in caught.value.diagnostics)


@pytest.mark.parametrize(
    "override", ["bucket=x", "oci.bukket=x", "oci.bucket", "oci.bucket=a b", "oci.instance_principal=1"]
)
def test_overrides_that_cannot_be_meant(tmp_path, override):
    with pytest.raises(UsageError, match="--set"):
        load(tmp_path, TEXT, override)


def test_the_schema_takes_the_example():
    Draft202012Validator(config_schema()).validate({"general": {"database_file": "~/x"}, "oci": {"bucket": "b"}})


def test_config_show_and_the_order_of_command_line_job_and_file(home):
    shown = home.run("--set", "general.work_directory=elsewhere", "config", "show", "--json")
    settings = shown["settings"]
    assert settings["general.work_directory"] == {"value": f"{home.root}/elsewhere", "origin": "command line"}
    assert settings["directory.path"]["origin"].startswith(f"{home.config}:")
    assert "command line" in home.run("config", "show", "--set", "oci.region=r")
    home.write("docs/a", b"a")
    job = home.root / "job.yaml"
    text = "version: 1\nname: docs\nsources: [{path: data/docs}]\ntarget: {type: directory, path: bucket}\n"
    job.write_text(text + "catalog: own.db\n")
    home.run("apply", job, "--yes")
    assert (home.root / "own.db").exists()
    home.run("apply", job, "--yes", "--set", "general.database_file=third.db", "--set", "directory.path=bucket3")
    assert (home.root / "third.db").exists()
    assert (home.root / "bucket3").exists()
    assert not (home.config.parent / "catalog.db").exists()
