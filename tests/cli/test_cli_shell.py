"""What holds for every command: usage, errors, pipes, start-up time; and those that need no job."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from backup_runner import __version__
from backup_runner.planning.file import Header, Totals, action_fields, write
from backup_runner.planning.oldreasons import reason_of
from backup_runner.records import Action, ActionKind
from backup_runner.report.schemas import OUTPUTS

SCHEMAS = Path(__file__).parents[2] / "schemas"


def save_plan(path: Path, number: int = 3) -> None:
    actions = [Action(ActionKind.UPLOAD, reason_of("new"), b"f%d\xff" % index, size=1) for index in range(number)]
    totals = Totals()
    for action in actions:
        totals.add(action)
    header = Header("id", "job", str(path.parent / "gone.yaml"), "digest", "", 0, "", 1, 1, totals=totals)
    path.write_bytes(b"".join(write(header, [json.dumps(action_fields(item)).encode() for item in actions])))


def test_version_and_help(place: Any) -> None:
    assert place.run("--version").out == f"backup-runner {__version__}\n"
    shown = place.run("--help")
    assert shown.code == 0
    for name in ("validate", "plan", "show", "apply", "restore", "snapshots", "verify", "catalog", "key", "schema"):
        assert f"\n  {name} " in shown.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["plan"],
        ["plan", "--nonsense", "job.yaml"],
        ["plan", "job.yaml", "--override-guard", "nonsense"],
        ["plan", "job.yaml", "job.yaml", "--out", "x"],
        ["apply", "job.yaml", "--yes", "--workers", "0"],
        ["apply", "job.yaml", "--yes", "--wait", "soon"],
        ["apply", "job.yaml"],
        ["verify", "job.yaml", "--sample", "0%"],
        ["verify", "job.yaml", "--level", "deep"],
        ["restore", "job.yaml", "--overwrite", "perhaps"],
        ["schema", "nonsense"],
    ],
)
def test_wrong_usage_is_64_with_a_hint_and_changes_nothing(place: Any, capsys: Any, arguments: list[str]) -> None:
    before = place.files()
    result = place.call(capsys, *arguments)
    assert (result.code, result.out) == (64, "")
    assert result.err.startswith("error: ")
    assert "\n  hint: " in result.err
    assert "Traceback" not in result.err
    assert place.files() == before


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["restore"], ["snapshots"], ["verify"], ["show"]])
def test_a_file_that_is_not_there(place: Any, capsys: Any, command: list[str]) -> None:
    result = place.call(capsys, *command, "missing.yaml")
    assert (result.code, result.out) == (1, "")
    assert "missing.yaml" in result.err
    assert "Traceback" not in result.err


def test_an_unexpected_fault_has_no_traceback_unless_asked_for(place: Any) -> None:
    # A module that fails on import stands for a fault of ours.
    (place.root / "sqlite3.py").write_text("raise RuntimeError('odd\\x1b[2J')")
    env = {"PYTHONPATH": str(place.root)}
    result = place.run("plan", "job.yaml", env=env)
    assert result.code == 1
    assert "unexpected RuntimeError at " in result.err
    assert "BACKUP_RUNNER_DEBUG=1" in result.err
    assert "Traceback" not in result.err
    debug = place.run("plan", "job.yaml", env=env | {"BACKUP_RUNNER_DEBUG": "1"}).err
    assert "/sqlite3.py:1 in <module>" in debug
    assert "odd" not in result.err + debug


@pytest.mark.parametrize(
    ("raised", "said", "now"),
    [
        (
            "OSError(28, 'No space left on device')",
            "the system refused (output, catalog, work directory or target): No",
            "free space on that disk",
        ),
        (
            "OSError(30, 'Read-only file system', '/x/y')",
            "the system refused: /x/y: Read-only file system",
            "mount it",
        ),
    ],
)
def test_what_the_machine_lacks_is_no_fault_of_ours(place: Any, raised: str, said: str, now: str) -> None:
    (place.root / "sqlite3.py").write_text(f"raise {raised}")
    result = place.run("plan", "job.yaml", env={"PYTHONPATH": str(place.root)})
    assert result.code == 1
    assert f"error: {said}" in result.err
    assert f"hint: {now}" in result.err
    assert "unexpected" not in result.err


def test_wrong_usage_as_a_process(place: Any) -> None:
    result = place.run("plan", "--nonsense")
    assert (result.code, result.out) == (64, "")
    assert result.err.startswith("error: ")


def test_options_have_the_choices_and_guards_of_the_engines() -> None:
    import re

    from backup_runner import api
    from backup_runner.cli.options import GUARDS, Level, Overwrite

    assert list(Level) == list(api.Level)
    assert list(Overwrite) == list(api.Overwrite)
    root = Path(api.__file__).parents[1]
    source = "".join(path.read_text() for path in root.rglob("*.py"))
    assert set(re.findall(r'GuardHit\(\s*"(\w+)"', source)) == set(GUARDS)


def test_show(place: Any, schema: Any) -> None:
    save_plan(place.root / "saved")
    shown = place.run("show", "saved")
    assert shown.code == 0
    assert "  + f0\\xff        1 B  new\n" in shown.out
    assert shown.out.endswith("Plan: 3 to upload (3 B); 0 unchanged (0 B).\n")
    lines = place.run("show", "--json", "saved").lines()
    assert [line["kind"] for line in lines] == ["header", "action", "action", "action", "summary"]
    assert lines[1]["path_base64"] == "ZjD/"
    for line in lines:
        schema("plan")(line)


def test_show_tells_an_altered_plan_before_it_shows_any_of_it(place: Any) -> None:
    save_plan(place.root / "saved")
    text = (place.root / "saved").read_text()
    (place.root / "saved").write_text(text.replace('"size": 1', '"size": 2', 1))
    result = place.run("show", "--json", "saved")
    assert (result.code, result.out) == (1, "")
    assert "modified" in result.err


def test_a_plan_whose_job_file_is_gone(place: Any) -> None:
    save_plan(place.root / "saved")
    digest = sha256((place.root / "saved").read_bytes()).hexdigest()
    result = place.run("apply", "saved", "--plan-digest", digest)
    assert result.code == 1
    assert "gone.yaml does not exist" in result.err


def test_a_broken_pipe_is_quiet(place: Any) -> None:
    save_plan(place.root / "saved", 5_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "backup_runner", "show", "--json", "saved"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=place.root,
        env=place.environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)


@pytest.mark.parametrize("command", [["schema", "job"], ["--version"]])
def test_a_full_disk_is_told_from_a_fault_of_ours(command: list[str]) -> None:
    """What fits the buffer fails at the last flush, the rest while it is printed."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "backup_runner", *command], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"bug in backup-runner" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_text_fits_an_ascii_stream(place: Any) -> None:
    save_plan(place.root / "grün")
    result = place.run("show", "grün", env={"PYTHONIOENCODING": "ascii"})
    assert result.code == 0
    assert result.out.isascii()
    assert place.run("show", "grau-ü", env={"PYTHONIOENCODING": "ascii"}).code == 1


def test_key_new_never_overwrites(place: Any) -> None:
    made = place.run("key", "new", "keys/fresh")
    path = place.root / "keys" / "fresh"
    assert made.code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    key = path.read_bytes()
    assert key.startswith(b"bkr-key1")
    assert key.count(b"\n") == 1
    again = place.run("key", "new", "keys/fresh")
    assert again.code == 1
    assert "already exists" in again.err
    assert path.read_bytes() == key
    assert key.decode().strip() not in made.out + again.err


def test_committed_schemas_are_what_the_command_prints(place: Any) -> None:
    committed = {path.name.removesuffix(".schema.json"): path.read_text() for path in SCHEMAS.iterdir()}
    names = place.run("schema", "list").out.split()
    assert names == ["job", "config", *OUTPUTS]
    printed = {name: place.run("schema", name).out for name in names}
    assert printed.keys() == committed.keys()
    assert [name for name in names if printed[name] != committed[name]] == [], "run `make docs`"
    for text in printed.values():
        Draft202012Validator.check_schema(json.loads(text))


def cpu_seconds(place: Any, *arguments: str) -> float:
    """The least of three runs: the machine has other work too."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert place.run(*arguments).code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


@pytest.mark.skipif(os.getloadavg()[0] > 4, reason="too much else going on to measure")
def test_start_up_is_quick(place: Any) -> None:
    assert cpu_seconds(place, "--help") < 0.2
    assert cpu_seconds(place, "validate", "job.yaml") < 0.45


def modules_of(place: Any, *arguments: str) -> set[str]:
    """The modules that are loaded when a command ends."""
    code = "import sys; from backup_runner.cli.app import run; run(sys.argv[1:]); print('\\n', *sys.modules)"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=place.root)
    return {*done.stdout.splitlines()[-1].split()}


HEAVY = {
    "asyncio",
    "blake3",
    "cryptography",
    "jinja2",
    "logging",
    "numpy",
    "oci",
    "orjson",
    "rich",
    "sqlite3",
    "zstandard",
}


def folders_of(modules: set[str]) -> set[str]:
    return {name.split(".")[1] for name in modules if name.startswith("backup_runner.")}


def test_help_loads_commands_alone(place: Any) -> None:
    loaded = modules_of(place, "--help")
    assert folders_of(loaded) == {"cli", "api", "errors", "foreign"}
    assert len([name for name in loaded if name.startswith("backup_runner.")]) <= 48
    assert not loaded & (HEAVY | {"pydantic", "ruamel"})


def test_validate_loads_what_reads_jobs_alone(place: Any) -> None:
    loaded = modules_of(place, "validate", "job.yaml")
    engines = {"runs", "applying", "planning", "restoring", "verifying", "recovery", "repository", "contents", "source"}
    assert not folders_of(loaded) & (engines | {"workers", "catalog", "container", "records"})
    of_targets = {name.rpartition(".")[2] for name in loaded if name.startswith("backup_runner.targets.")}
    assert of_targets == {"models", "section", "directory", "oci", "model", "spec"}
    assert not loaded & HEAVY
    # Each command is a module; only the one that was asked for is described to the parser.
    commands = {name for name in loaded if name.startswith("backup_runner.cli.")}
    shared = {"app", "otherverbs", "output", "settings", "spread", "streams"}
    assert commands == {f"backup_runner.cli.{name}" for name in (*shared, "validate")}
