"""git itself is the oracle: on any rules, `decide` and `git check-ignore -v` name the same line."""

import os
import subprocess
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_runner.patterns import wildmatch
from backup_runner.patterns.globs import compile_rules

FULL = os.environ.get("PROOF") == "full"
NAMES = [
    *(b"a", b"b", b"ab", b"ba", b"aab", b"abb", b"abab", b"a.b", b"A", b"a b", b" ", b" a", b"a ", b"#a", b"!a"),
    *(b"\\", b"a\\", b"[a]", b"]", b"-", b"^a", b"*", b"**", b"?", b"\xc3\xa4", b"\xff", b"a\nb", b"\n", b".a"),
]
FEW = [b"a", b"b", b"ab", b"a b", b"\\", b"*"]
Oracle = Callable[..., dict[bytes, int | None]]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[bytes, bool]]:
    """A git work tree, and all its paths with whether they are folders. Below `d…` names are folders."""
    root = os.fsencode(tmp_path_factory.mktemp("oracle"))
    subprocess.run(["git", "init", "-q", root], check=True)
    found: dict[bytes, bool] = {name: False for name in NAMES if name not in FEW}
    for one in FEW:
        found[one] = True
        found |= {one + b"/" + two: False for two in NAMES if two not in FEW}
        for two in FEW[:4]:
            found[one + b"/" + two] = True
            found |= {b"/".join((one, two, three)): False for three in NAMES[:12]}
    for path in product([b"a"], [b"b"], [b"c"], FEW[:4]):
        found[b"a/b/c"] = True
        found[b"/".join(path)] = False
    for path, is_dir in sorted(found.items()):
        if is_dir:
            os.mkdir(root + b"/" + path)
        else:
            os.close(os.open(root + b"/" + path, os.O_CREAT | os.O_EXCL))
    return root, found


@pytest.fixture(scope="module")
def oracle(paths: tuple[bytes, dict[bytes, bool]]) -> Oracle:
    root, found = paths
    asked = b"\0".join(found) + b"\0"
    ends = ["-c", "core.excludesFile=/dev/null", "check-ignore", "-z", "--stdin", "--no-index", "-v", "-n"]

    def ask(lines: list[bytes], *, ignore_case: bool = False) -> dict[bytes, int | None]:
        with open(root + b"/.git/info/exclude", "wb") as rules:
            rules.write(b"\n".join(lines))
        command = ["git", "-C", root, "-c", f"core.ignorecase={str(ignore_case).lower()}", *ends]
        done = subprocess.run(command, input=asked, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        fields = done.stdout.split(b"\0")[:-1]
        return {fields[i + 3]: int(fields[i + 1]) - 1 if fields[i] else None for i in range(0, len(fields), 4)}

    return ask


def check(lines: list[bytes], oracle: Oracle, paths: dict[bytes, bool], *, ignore_case: bool = False) -> None:
    rules = compile_rules(lines, ignore_case=ignore_case)
    said = oracle(lines, ignore_case=ignore_case)
    for path, is_dir in paths.items():
        folder, slash, name = path.rpartition(b"/")
        here = rules.folder(folder + slash)
        could = here.could_skip_folder if is_dir else here.could_skip_file
        if here.match(folder + slash, name, is_dir=is_dir) and not (could and could(name)):
            pytest.fail(f"{lines}: the quick look lets {path!r} pass", pytrace=False)
        decision = rules.decide(path, is_dir=is_dir)
        if (decision.line if decision else None) != said[path]:
            pytest.fail(f"{lines}: {path!r} is {decision} for us, {said[path]} for git", pytrace=False)


ATOMS = [
    *(b"a", b"b", b"ab", b"c", b"A", b" ", b".", b"#", b"!", b"-", b"]", b"\\", b"\\a", b"\\*", b"\\/", b"\\ "),
    *(b"*", b"*", b"**", b"**", b"***", b"?", b"/", b"/", b"/", b"/**/", b"**/", b"/**", b"\xc3\xa4", b"\xff", b"\r"),
    *(b"[ab]", b"[!a]", b"[^b]", b"[a-b]", b"[a-]", b"[]a]", b"[!]a]", b"[\\]]", b"[--b]", b"[a", b"[/]", b"[a-c-]"),
    *(b"[[:alpha:]]", b"[[:space:]a]", b"[![:alpha:]]", b"[[:oops:]]", b"[[:]", b"[a-[:alpha:]]", b"[\\a-\\b]", b"["),
]
LINES = st.lists(
    st.builds(
        bytes.__add__, st.sampled_from([b"", b"", b"!"]), st.lists(st.sampled_from(ATOMS), max_size=6).map(b"".join)
    ),
    min_size=1,
    max_size=8,
)


@given(LINES)
@settings(
    max_examples=6000 if FULL else 250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_git_names_the_same_line(oracle: Oracle, paths: tuple[bytes, dict[bytes, bool]], lines: list[bytes]) -> None:
    check(lines, oracle, paths[1])


@given(LINES)
@settings(
    max_examples=3000 if FULL else 120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_git_names_the_same_line_where_case_is_ignored(
    oracle: Oracle, paths: tuple[bytes, dict[bytes, bool]], lines: list[bytes]
) -> None:
    check(lines, oracle, paths[1], ignore_case=True)


@pytest.mark.parametrize(
    "lines",
    [
        [b"/a**"], [b"/a**/b"], [b"/a**/**/b"], [b"a/**"], [b"**/b"], [b"a/**/b"], [b"**\\/b"], [b"a**/b"],
        [b"*", b"!a", b"!a/b"], [b"a/*", b"!a/b"], [b"*", b"!*/", b"!*.b"], [b"a/"], [b"!a/"], [b"/"], [b"//"],
        [b"!"], [b"#a"], [b"\\#a"], [b"\\!a"], [b"a\\ "], [b"a  "], [b"a\\  "], [b"a\\\\ "], [b"a\r"], [b""],
        [b"A"], [b"*A"], [b"*b*b"], [b"*a*a*b"], [b"/*/*b*b"], [b"?*b*b*"],
        [b"a//"], [b"a//b"], [b"a/b/c/"], [b"/*/*/*"], [b"*/b"], [b"**"], [b"/**"], [b"*\n"],
    ],
)  # fmt: skip
def test_known_corners(oracle: Oracle, paths: tuple[bytes, dict[bytes, bool]], lines: list[bytes]) -> None:
    check([line.rstrip(b"\n") for line in lines], oracle, paths[1])


def test_classes_hold_the_bytes_git_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = os.fsencode(tmp_path_factory.mktemp("classes"))
    subprocess.run(["git", "init", "-q", root], check=True)
    names = [b"x" + bytes([byte]) for byte in range(1, 256) if byte != ord("/")]
    for name in names:
        os.close(os.open(root + b"/" + name, os.O_CREAT))
    kinds = [name.decode() for name in wildmatch._CLASSES]
    for kind in kinds:
        rule = f"x[[:{kind}:]]".encode()
        with open(root + b"/.git/info/exclude", "wb") as rules:
            rules.write(rule)
        command = ["git", "-C", root, "-c", "core.ignorecase=false", "check-ignore", "-z", "--stdin", "--no-index"]
        done = subprocess.run(command, input=b"\0".join(names), capture_output=True, check=True)
        skipped = {name for name in names if compile_rules([rule]).decide(name, is_dir=False)}
        assert skipped == set(done.stdout.split(b"\0")[:-1]), kind
