"""What `schedule` prints works as it stands: systemd accepts it, and the command runs with no other variables."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from backup_runner.runs.schedule import environment_file

ODD = 'it\'s 50% "mine" $HOME'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A job in a folder of an odd name, whose paths and key come from variables."""
    folder = tmp_path / ODD
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/a").write_text("a")
    (folder / "job.yaml").write_text(
        "version: 1\nname: docs\nsources: [{path: '${DATA}/docs'}]\nrelative_path: '${DATA}'\n"
        f"target: {{type: directory, path: {tmp_path}/bucket}}\n"
        "encryption: {key_env: BACKUP_KEY}\ncatalog: '~/catalog.db'\n"
        "notify: [{style: ntfy, url_env: NTFY_URL}]\nschedule: {every: day, at: '02:30'}\n"
    )
    return folder


def printed(place: Path, home: Path, *more: str, prefix: tuple[str, ...] = ()) -> str:
    programs = Path(sys.executable).parent
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "DATA": str(place),
        "BACKUP_KEY": "0123456789-abcde",
        "NTFY_URL": "http://127.0.0.1:9/x",
    }  # fmt: skip
    command = [*prefix, str(programs / "backup-runner"), "schedule", "job.yaml", *more]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def units(text: str, folder: Path) -> Path:
    """The printed units as files; returns the service."""
    name = ""
    texts: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("# ") and line.endswith((".service", ".timer")) and " " not in line[2:]:
            name = line.rpartition("/")[2]
        elif name and not line.startswith("#"):
            texts.setdefault(name, []).append(line)
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder / "backup-runner-docs.service"


@pytest.mark.skipif(os.geteuid() != 0, reason="the system's units are root's")
def test_units_of_root_are_the_systems(place: Path, tmp_path: Path) -> None:
    text = printed(place, tmp_path)
    assert "# /etc/systemd/system/backup-runner-docs.timer" in text
    assert "--user" not in text
    assert "EnvironmentFile=/etc/backup-runner/docs.env" in text
    assert f"HOME={tmp_path}" in text
    verified(units(text, tmp_path))


def test_units_of_a_user_are_the_users(place: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Others may enter it, unlike the folders of pytest.
        os.chmod(folder, 0o755)
        shutil.copy(place / "job.yaml", folder)
        other = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        text = printed(Path(folder), tmp_path, prefix=other if os.geteuid() == 0 else ())
    assert "# ~/.config/systemd/user/backup-runner-docs.timer" in text
    assert "loginctl enable-linger" in text


def verified(service: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not there")
    # The timer would be looked for among the installed units.
    command = ["systemd-analyze", "verify", "--man=no", str(service), str(service.with_suffix(".timer"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wrong = [line for line in done.stderr.splitlines() if "docs" in line]
    assert (done.returncode, wrong) == (0, [])


def test_the_command_runs_with_the_unit_s_variables_alone(place: Path, tmp_path: Path) -> None:
    text = units(printed(place, tmp_path), tmp_path).read_text()
    start = next(line for line in text.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    # systemd.syntax(7): quotes and backslashes as a shell has them; doubled, % and $ stand for themselves.
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(start)]
    env = {"HOME": str(tmp_path), "DATA": str(place), "BACKUP_KEY": "0123456789-abcde"}
    env["NTFY_URL"] = "http://127.0.0.1:9/x"
    done = subprocess.run(words, env=env, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "catalog.db").exists()


def test_the_crontab_line_reads_the_variables(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(place, tmp_path, "--format", "crontab")
    monkeypatch.setenv("HOME", str(tmp_path))
    stored = environment_file("docs", system=os.geteuid() == 0)
    assert [line for line in text.splitlines() if line.startswith("#   ")] == [
        "#   BACKUP_KEY=...", "#   DATA=...", "#   NTFY_URL=...",
    ]  # fmt: skip
    line = text.splitlines()[-1]
    command = line.split(" ", 5)[5].replace("\\%", "%").replace(stored, str(tmp_path / "docs.env"))
    value = str(place).replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    (tmp_path / "docs.env").write_text(
        f'DATA="{value}"\nBACKUP_KEY="0123456789-abcde"\nNTFY_URL="http://127.0.0.1:9/x"\n'
    )
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"HOME": str(tmp_path)}, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "catalog.db").exists()
