"""Why a path is treated as it is, with git as the oracle for the lines that decide."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backup_runner.patterns.globs import compile_rules

NAMES = ["a", "b", "ab", "ba", "a.txt", "b.tmp", "c.log", "keep.tmp", "build", "cache", ".hidden", "x y", "ä", "[a]"]
LINES = [
    *("*.tmp", "!keep.tmp", "build/", "cache", "/a", "a/b", "**/ab", "b/**", "*.l?g", "!*.txt", "[ab]", "/*/ba/"),
    *("ab/*", "!ab/a.txt", "nothing-is-called-so", "*.t[mx]*", ".*", "a/**/b", "!build/", "x\\ y", "\\[a\\]"),
]
Check = Callable[[str], Callable[[Any], None]]


def grow(random_: random.Random, folder: Path, depth: int) -> None:
    for name in random_.sample(NAMES, random_.randint(4, 9)):
        path = folder / name
        if depth and random_.random() < 0.55:
            path.mkdir()
            grow(random_, path, depth - 1)
        else:
            path.write_bytes(b"x" * random_.randint(0, 3000))


def job_over_tree(place: Any, seed: int) -> tuple[list[str], list[str]]:
    """A random tree in a git work tree, a job over it with random lines; the lines and all paths of the tree."""
    random_ = random.Random(seed)
    tree = place.root / "tree"
    subprocess.run(["git", "init", "-q", tree], check=True)
    grow(random_, tree, 4)
    lines = random_.sample(LINES, 9)
    cut = random_.randint(0, len(lines))
    (tree / ".git" / "info" / "exclude").write_text("".join(f"{line}\n" for line in lines))
    document = {
        "version": 1,
        "name": "job",
        "sources": [{"path": "./tree"} | ({"skip": lines[cut:]} if lines[cut:] else {})],
        "skip": lines[:cut],
        "relative_path": "./tree",
        "target": {"type": "directory", "path": "./bucket"},
        "encryption": {"key_file": "./key"},
        "catalog": "./catalog.db",
    }
    place.job.write_text(json.dumps(document, ensure_ascii=False))
    found = [path.relative_to(tree) for path in sorted(tree.rglob("*"))]
    return lines, [str(path) for path in found if path.parts[0] != ".git"]


def git_says(tree: Path, paths: list[str]) -> list[str]:
    """The line that decides for each path, "" where none does."""
    command = ["git", "-C", tree, "-c", "core.ignorecase=false", "-c", "core.excludesFile=/dev/null"]
    command += ["check-ignore", "-z", "--stdin", "--no-index", "-v", "-n"]
    done = subprocess.run(command, input="\0".join(paths).encode(), capture_output=True, check=False)
    fields = done.stdout.decode().split("\0")[:-1]
    return [fields[at + 2] for at in range(0, len(fields), 4)]


def test_a_thousand_paths_have_the_line_that_git_names(place: Any, schema: Check) -> None:
    seen, skipped = 0, 0
    for seed in range(40):
        if seen >= 1000:
            break
        if (place.root / "tree").exists():
            subprocess.run(["rm", "-r", place.root / "tree"], check=True)
        _, paths = job_over_tree(place, seed)
        random.Random(seed).shuffle(paths)
        paths = paths[: 1000 - seen]
        asked = [word for path in paths for word in ("--explain", str(place.root / "tree" / path))]
        result = place.run("plan", "job.yaml", "--json", *asked)
        assert result.code == 0, result.err
        for document, path, said in zip(result.lines(), paths, git_says(place.root / "tree", paths), strict=True):
            assert document["path"] == path
            ours = document["rule"]["text"] if document["rule"] else ""
            assert ours == said, (seed, path)
            assert (document["state"] == "skipped") == bool(said and not said.startswith("!")), (seed, path)
            assert (document["action"] is None) == (document["state"] == "skipped"), (seed, path)
            skipped += document["state"] == "skipped"
        schema("explain")(document)
        seen += len(paths)
    assert seen == 1000
    assert 100 < skipped < 900


def test_skips_count_what_each_line_hides(place: Any, schema: Check) -> None:
    lines, paths = job_over_tree(place, 3)
    paths += [str(path.relative_to(place.root / "tree")) for path in (place.root / "tree" / ".git").rglob("*")]
    rules = compile_rules(lines)
    expected = {line: [0, 0] for line in lines}
    kept = 0
    for path in paths:
        full = place.root / "tree" / path
        decision = rules.decide(os.fsencode(path), is_dir=full.is_dir())
        if full.is_dir():
            continue
        if decision and decision.skip:
            expected[lines[decision.line]][0] += 1
            expected[lines[decision.line]][1] += full.stat().st_size
        else:
            kept += 1
    result = place.run("skips", "job.yaml", "--json")
    document = json.loads(result.out)
    schema("skips")(document)
    got = {item["text"]: [item["files"], item["bytes"]] for item in document["lines"] if not item["brings_back"]}
    assert got == {line: sums for line, sums in expected.items() if not line.startswith("!")}
    assert document["kept_files"] == kept
    assert "excludes nothing" in place.run("skips", "job.yaml").out


def test_skips_says_what_a_line_brings_back(place: Any) -> None:
    place.write_job(skip='["*.txt", "!b.txt", "!never", "docs/"]')
    result = place.run("skips", "job.yaml")
    assert result.code == 0, result.err
    rows = [" ".join(row.split()) for row in result.out.splitlines()]
    assert rows == [
        "8 *.txt excludes nothing",
        "8 !b.txt re-includes 1 file, 6 B",
        "8 !never re-includes nothing",
        "8 docs/ excludes 1 file, 1 folder, 5 B",
        "5 B docs/",
        "1 file, 6 B are left to back up; 2 lines do nothing",
    ]


def test_explain_tells_action_object_and_snapshots(place: Any, schema: Check) -> None:
    (place.root / "outside").write_text("x")
    (place.data / "link").symlink_to("b.txt")
    os.mkfifo(place.data / "pipe")
    place.run("apply", "job.yaml", "--yes")
    place.run("apply", "job.yaml", "--yes")
    (place.data / "b.txt").write_text("other!")
    (place.data / "docs" / "a.txt").unlink()
    names = ["b.txt", "docs/a.txt", "docs", "link", "pipe", "./outside", "data/b.txt", "catalog.db"]
    asked = [word for name in names for word in ("--explain", name)]
    result = place.run("plan", "job.yaml", "--json", *asked)
    found = result.lines()
    for document in found:
        schema("explain")(document)
    said = [(item["path"].rpartition("/")[2], item["state"], item["action"]) for item in found]
    assert said == [
        ("b.txt", "taken", "update"),
        ("a.txt", "missing", "remove"),
        ("docs", "taken", "touch"),
        ("link", "symlink", None),
        ("pipe", "special", None),
        ("outside", "outside", None),
        ("b.txt", "taken", "update"),
        ("catalog.db", "outside", None),
    ]
    assert found[2]["actions_below"] == {"remove": 1}
    assert found[0]["stored"]["objects"][0]["state"] == "live"
    assert [(item["first"]["id"], item["last"]["id"]) for item in found[0]["versions"]] == [(1, 2)]
    text = place.run("plan", "job.yaml", *asked).out
    assert "included  not backed up: it is not in any source of the job" in text
    assert "snapshots 1 to 2 (2): 6 B" in text


def test_our_own_files_and_what_lies_behind_symlinks(place: Any) -> None:
    (place.root / "real").mkdir()
    (place.root / "real" / "f").write_text("x")
    (place.data / "way").symlink_to(place.root / "real")
    place.job.write_text(place.job.read_text().replace("./catalog.db", "./data/catalog.db"))
    place.run("apply", "job.yaml", "--yes")
    found = place.run("plan", "job.yaml", "--json", "--explain", "way/f", "--explain", "catalog.db").lines()
    assert [(item["state"], item["decided_at"]["path"]) for item in found] == [
        ("symlink", "way"),
        ("own", "catalog.db"),
    ]
