"""Pages refer to what exists: links lead somewhere, and docs/code.md names modules of the tree."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "backup_runner"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "changes").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
NAMED = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]*(?:\.[a-z]+)?)`")


@cache
def anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


def dead_links(page: Path) -> list[str]:
    found = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors(goal)):
            found.append(link)
    return found


def dead_names(text: str) -> list[str]:
    """Paths of code that do not exist: below the program, one of its folders, or the root, with or without ".py"."""
    folders = [ROOT, PROGRAM, *(path for path in PROGRAM.iterdir() if path.is_dir())]
    return [
        name
        for name in NAMED.findall(text)
        if not any((folder / name).exists() or (folder / f"{name}.py").exists() for folder in folders)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not dead_links(page)


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A head\n[a](#a-head) [b](#b-head) [c](gone.md) [d](https://example.org/x) `[e](gone.md)`\n")
    assert dead_links(page) == ["#b-head", "gone.md"]


def test_the_map_of_the_code_names_what_exists() -> None:
    text = (ROOT / "docs/code.md").read_text()
    assert len(NAMED.findall(text)) > 100
    assert not dead_names(text)


def test_names_that_do_not_exist_are_found() -> None:
    assert dead_names("`planning/paths.py`, `planning/gone.py`, `gone/`") == ["planning/gone.py", "gone/"]
