"""Documents of every sort, hundreds of them: `validate`, `fmt` and `migrate` answer 0 or 1, and never with a traceback.

They are made here, in the manner of YAML's own test suite: each construct in each place where a value can stand.
"""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from backup_runner.cli.app import run
from backup_runner.report.failures import DEBUG
from tests.jobfile.test_hostile_yaml import BOMBS
from tests.support.lintjobs import job

CONSTRUCTS = {
    "plain": "word",
    "plain over lines": "word\n      more",
    "single quoted": "'it''s'",
    "double quoted": '"\\x41\\u00e9\\U0001F600\\n"',
    "escaped line end": '"a\\\n      b"',
    "unknown escape": '"\\q"',
    "unclosed quote": '"abc',
    "literal": "|\n      # no comment\n      text\n",
    "literal keep": "|+\n      text\n\n\n",
    "literal indent": "|2\n        text\n",
    "literal bad indent": "|0\n      text\n",
    "folded": ">-\n      a\n      b\n\n      c\n",
    "flow list": "[a, [b], {c: d}]",
    "flow map": '{a: 1, "b": 2, ? c : 3, d}',
    "flow open": "[a, {b: c",
    "flow wrong end": "[a}",
    "flow empty items": "[a,,b]",
    "flow over lines": "[a, # one\n      b]",
    "block list": "\n      - a\n      - b\n",
    "compact nested": "\n      - - a\n        - b\n      - c: d\n        e: f\n",
    "block map": "\n      a: 1\n      b: 2\n",
    "complex key": "\n      ? [a, b]\n      : c\n",
    "duplicate": "{a: 1, a: 2}",
    "empty": "",
    "null": "null",
    "tilde": "~",
    "boolean": "yes",
    "true": "True",
    "octal": "0o17",
    "old octal": "017",
    "hex": "0xFF",
    "huge": "9" * 400,
    "float": "-1.5e+300",
    "infinity": "-.inf",
    "nan": ".nan",
    "date": "2001-12-14t21:59:43.10-05:00",
    "sexagesimal": "190:20:30",
    "merge": "{<<: {a: 1}, b: 2}",
    "anchor": "&a1 value",
    "anchor on nothing": "&a1",
    "alias to nothing": "*nowhere",
    "alias to self": "&me [*me]",
    "tag": "!!str 5",
    "own tag": "!mine {a: b}",
    "python tag": "!!python/object/apply:os.system [id]",
    "binary tag": "!!binary R0lGODlh",
    "verbatim tag": "!<tag:yaml.org,2002:str> x",
    "set tag": "!!set {a, b}",
    "comment": "value # comment",
    "no comment": "value#none",
    "colon": "a: b: c",
    "colon in plain": "http://example.com:80/#x",
    "question": "? a",
    "dash": "- a",
    "percent": "%a",
    "at": "@a",
    "backquote": "`a`",
    "tab": "\tvalue",
    "tab indent": "\n\t- a\n",
    "document end": "a\n...\nb: c",
    "second document": "a\n---\nb: c",
    "directive": "a\n...\n%YAML 1.1\n---\nb: c",
    "unicode": "日本語 \u2028 é\u0301",
    "byte order mark": "\ufeffa",
    "emoji": "😀",
    "control": "\x1b[31m",
    "half": '"\\ud83d"',
    "ignore": "x # backup-runner: ignore BR061 BR999",
}
PLACES = {
    "root": "{}",
    "value": "name: {}\n",
    "list": "version: 1\nsources:\n    - {}\n    - path: /a\n",
    "deep": "sources:\n  - path: /a\n    skip: {}\n    guards:\n      min_files: 1\n",
    "key": "{}: value\nname: a\n",
    "flow": "target: {{type: oci, bucket: {}, prefix: b}}\nversion: 1\n",
}
DOCUMENTS = {f"{what} as {place}": PLACES[place].format(CONSTRUCTS[what]) for what in CONSTRUCTS for place in PLACES}


def test_there_are_enough():
    assert len(set(DOCUMENTS.values())) >= 300


@pytest.mark.parametrize("place", PLACES)
def test_all_commands_answer(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for number, what in enumerate(CONSTRUCTS):
        Path(f"{number}.yaml").write_text(DOCUMENTS[f"{what} as {place}"], encoding="utf-8", newline="")
    for command in (["validate"], ["fmt", "--check"], ["migrate", "--check"]):
        assert run([*command, "."]) in (0, 1)
        answered(capsys)


def answered(capsys):
    """No fault became a message, and there was an answer."""
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert DEBUG not in said.err
    assert said.out + said.err


def test_each_in_a_job_that_is_right_elsewhere(tmp_path, monkeypatch, capsys):
    """There values come as far as the rules about paths, patterns and secrets."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for number, value in enumerate(CONSTRUCTS.values()):
        text = job(f"name: job-{number}\nskip:\n  - {value}\n")
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8", newline="")
    assert run(["validate", str(tmp_path)]) in (0, 1)
    answered(capsys)


@pytest.mark.parametrize("name", ["plain as root", "flow open as deep", "unicode as value", "ignore as value"])
def test_alone_as_well(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "a.yaml"
    path.write_text(DOCUMENTS[name], encoding="utf-8", newline="")
    assert run(["validate", str(path)]) == 1
    answered(capsys)


AT_RULES = {
    # All of these are under test without rules; here, those that get furthest.
    **{name: BOMBS[name] for name in ("aliases", "sources", "long quoted", "unknown keys", "variables")},
    "comments": job() + "# backup-runner: ignore BR999 BR998 BR061 BR020\n" * 2500,
    "one long comment": job(comment="# backup-runner: ignore " + "BR999 " * 20000),
    "hashes": job("skip: ['" + "# " * 2000 + "']", comment="# backup-runner: ignore BR061"),
    "many hashes": job("skip: [" + "'#', " * 9000 + "x]", comment="# backup-runner: ignore BR061"),
    "patterns": job("skip: [" + ", ".join(f"'*a{i}*'" for i in range(6000)) + "]"),
    "stars": job("skip: [" + ", ".join("'" + "*a" * 60 + f"{i}'" for i in range(900)) + "]"),
    "aliased pattern": job("skip: [&a '" + "*a" * 2000 + "', " + "*a, " * 9000 + "x]"),
    "aliased hook": job("hooks: {before: [&a '" + "token_" * 10000 + "', " + "*a, " * 9000 + "x]}"),
    "long hook": job("hooks: {before: ['" + "http://a:b" * 12000 + "']}"),
    "many sources and rules": job(
        "sources:\n" + "".join(f"- {{path: /d/{i}}}\n" for i in range(1500)) + "skip: [" + "'*a*b*', " * 5000 + "x]"
    ),
    "sources with rules": job("sources:\n" + "".join(f"- {{path: /d/{i}, skip: ['*.{i}', a]}}\n" for i in range(1500))),
}
PROBE = """
import sys, time
from tests.support.measured import peak
from backup_runner.cli.app import run
from backup_runner.report.failures import DEBUG
start = time.process_time()
code = run(["validate", sys.argv[1]])
print("PROBE", code, time.process_time() - start, peak() >> 10)
"""


def _limits():
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@pytest.mark.parametrize("name", AT_RULES)
def test_hostile_ones_are_answered_quickly(name, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(AT_RULES[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        preexec_fn=_limits,
        check=False,
    )
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    _, code, seconds, peak = line.split()
    assert code in ("0", "1")
    assert float(seconds) < 2
    assert int(peak) < 200
