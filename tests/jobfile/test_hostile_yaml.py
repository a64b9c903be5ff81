"""No input makes the reader raise, hang or swell: random text, mutated jobs, bombs."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.jobfile import RULES, load
from backup_runner.jobfile.render import render_text

HERE = Path(__file__).parent
ENV = {"HOME": "/home/u", "DATA": "/srv/data"}
SEEDS = [path.read_bytes() for path in sorted([*HERE.glob("valid/*.yaml"), *HERE.glob("broken/*.yaml")])]
FULL = os.environ.get("PROOF") == "full"


def check(folder, data):
    path = folder / "any.yaml"
    path.write_bytes(data)
    result = load([str(path)], env=ENV)
    text = render_text(result.diagnostics, result.sources)
    text.encode("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert bool(result.jobs) != bool(result.diagnostics)
    lines = len(data.splitlines()) + 1
    for item in result.diagnostics:
        assert item.code in RULES
        assert 1 <= item.line <= lines + data.count(b"\xc2\x85") + data.count(b"\xe2\x80")
        assert item.column >= 1
        assert (item.end_line, item.end_column) >= (item.line, item.column)


ALPHABET = st.sampled_from(
    [*"ab1~: -#,[]{}&*!|>'\"%@`?\\\n\t$", "version: 1\n", "\n  ", "- ", "<<", "é", "\u2028", "\ufeff", "\0"]
)


@given(st.lists(ALPHABET, max_size=60).map("".join))
@settings(max_examples=5000 if FULL else 500, deadline=None)
def test_random_yaml(tmp_path_factory, text):
    check(tmp_path_factory.getbasetemp(), text.encode("utf-8"))


@given(st.binary(max_size=80))
@settings(max_examples=1000 if FULL else 100, deadline=None)
def test_random_bytes(tmp_path_factory, data):
    check(tmp_path_factory.getbasetemp(), data)


@st.composite
def mutated(draw):
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 12)))
        data = data[:at] + draw(st.one_of(st.just(b""), st.binary(max_size=3), ALPHABET.map(str.encode))) + data[until:]
    return data


@given(mutated())
@settings(max_examples=10000 if FULL else 600, deadline=None)
def test_mutated_jobs(tmp_path_factory, data):
    check(tmp_path_factory.getbasetemp(), data)


LIMIT = 128 * 1024
BOMBS = {
    "aliases": "a: &a0 [x]\n" + "".join(f"b{i}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(40)),
    "alias chain": "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(3000)),
    "keys": "".join(f"k{i}: x\n" for i in range(12000)),
    "same key": "k: x\n" * 9000,
    "sources": "sources:\n" + "- path: /a/b/c/d\n" * 3000,
    "nested sources": "sources:\n" + "".join(f"- path: /a{'/b' * (i % 40)}\n" for i in range(2000)),
    "flow depth": "[" * (LIMIT - 1),
    "block depth": "- " * (LIMIT // 2),
    "map depth": "{a: " * (LIMIT // 4),
    "indent": "".join(" " * i + "a:\n" for i in range(480)),
    "bangs": "!" * LIMIT,
    "anchors": "&a " * (LIMIT // 3),
    "long plain": "a " * (LIMIT // 2),
    "long quoted": '"' + "\\u0041" * (LIMIT // 6),
    "quoted blank lines": "'" + "\n" * (LIMIT - 1),
    "literal blank lines": "|\n" + "\n" * (LIMIT - 2),
    "directives": "%a\n" * (LIMIT // 3),
    "documents": "---\n" * (LIMIT // 4),
    "digits": "version: " + "9" * (LIMIT - 20),
    "variables": "sources: [{path: '" + "${A}" * (LIMIT // 5) + "'}]",
    "long key": "k" * 1000 + ": x",
    "unknown keys": "".join(f"overwrit{i}: x\n" for i in range(4000)),
}


def test_the_size_limit(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_text("#" * (LIMIT + 1))
    assert [item.code for item in load([str(path)], env={}).diagnostics] == ["BR004"]


def test_aliases_do_not_get_around_the_depth_limit(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text("a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(30)))
    [item] = load([str(path)], env={}).diagnostics
    assert (item.code, item.message) == ("BR004", "is nested deeper than 20 levels")


def _limits():
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


PROBE = """
import sys, time
from tests.support.measured import peak
from backup_runner.jobfile import load
from backup_runner.jobfile.render import render_text
start = time.process_time()
result = load(sys.argv[1:], env={})
text = render_text(result.diagnostics, result.sources)
print(len(result.jobs), len(result.diagnostics), time.process_time() - start, peak() >> 10)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_quickly(tmp_path, name):
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[name], encoding="utf-8")
    assert path.stat().st_size <= LIMIT, "it would only meet the size limit"
    run = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], cwd=HERE.parents[1], capture_output=True, text=True, check=True,
        preexec_fn=_limits,
    )  # fmt: skip
    jobs, diagnostics, seconds, peak = run.stdout.split()
    assert (jobs, diagnostics != "0") == ("0", True)
    assert float(seconds) < 2
    assert int(peak) < 200
