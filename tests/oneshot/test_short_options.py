"""Options as people have them in their scripts for backup-tool mean here what they meant there."""

from __future__ import annotations

import os

import pytest

from backup_runner.cli.spread import spread
from backup_runner.jobfile.configfile import load_config


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["directory", "backup", "--dir-paths", "a", "b", "-fc"], "--dir-paths a --dir-paths b --force-checksum"),
        (["directory", "backup", "-fc", "--dir-paths", "a"], "--force-checksum --dir-paths a"),
        (["directory", "backup", "--dir-paths", "a", "-f", "c", "d", "-fc"],
         "--dir-paths a --skip-files c --skip-files d --force-checksum"),
        (["file", "backup", "a", "-o", "-fc"], "a -o --force-checksum"),
        (["file", "restore", "1", "-sr"], "1 --set-restore"),
    ],
)  # fmt: skip
def test_short_options(words, expected):
    assert spread(words) == [*words[:2], *expected.split()]


def test_the_settings_file_may_stand_behind_the_command():
    assert spread(["file", "list", "-s", "x.yaml"]) == ["-s", "x.yaml", "file", "list"]
    assert spread(["file", "restore", "1", "-sr"])[:2] == ["file", "restore"]


def test_force_checksum_reads_and_skips_nothing(home):
    home.write("c", b"1234")
    home.write("d", b"5678")
    home.run("directory", "backup", "--dir-paths", home.data, "-fc")
    assert "data/c" in home.run("file", "list")
    status = os.stat(home.data / "c")
    (home.data / "c").write_bytes(b"4321")
    os.utime(home.data / "c", ns=(status.st_atime_ns, status.st_mtime_ns))
    home.run("directory", "backup", "--dir-paths", home.data, "-o", "-fc")
    assert "Not backed up" not in home.err


@pytest.mark.parametrize("named", ["{home}/.backup-tool/config", "~/.backup-tool/config", "{home}/link"])
def test_their_config_works_by_name_as_it_does_by_default(tmp_path, named):
    folder = tmp_path / ".backup-tool"
    folder.mkdir()
    (folder / "config").write_text(
        "general:\n  database_file: /old/database.sql\n  something_else: 1\noci:\n  bucket: b\n"
    )
    (tmp_path / "link").symlink_to(folder / "config")
    env = {"HOME": str(tmp_path)}
    by_default = load_config(None, env=env)
    config = load_config(named.format(home=tmp_path), env=env)
    assert config.foreign_database == "/old/database.sql"
    assert {name: one.value for name, one in config.settings.items()} == {
        name: one.value for name, one in by_default.settings.items()
    }
    assert (
        "backup-tool's config"
        in load_config(None, env=env | {"BACKUP_RUNNER_CONFIG": named.format(home=tmp_path)}).notice
    )
