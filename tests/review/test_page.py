"""The page of a plan and of a job's history, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backup_runner.planning.oldreasons import reason_of
from backup_runner.report.page.plans import plan_page
from backup_runner.report.page.render import render
from backup_runner.report.page.rows import RowKind, Rows
from backup_runner.report.plan_text import Heading
from backup_runner.report.reasons import why
from tests.cli.conftest import furnished
from tests.review.browser import axe_source, open_page, probe, with_script
from tests.review.made_up import HOSTILE, actions, header

GUARD = {"name": "max_delete_percent", "message": "26 % would be removed; max_delete_percent is 20"}
PROBLEM = {"path": "<script>alert(1)</script>", "problem": "unreadable", "message": "Permission <b>denied</b>"}


def document(number: int, **values: object) -> str:
    made = actions(number)
    return render(plan_page(header(made, **values), made, Heading("oci:ns/backup/")))


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "page.html"
        path.write_text(text)
        return path

    return write


def test_the_page_needs_nothing_else_and_lets_no_other_script_run(page: Callable[[str], Path]) -> None:
    text = document(300, guards=[GUARD], problems=[PROBLEM])
    assert not re.search(r"(src|href)=\"(?!#)|https?://|url\(|@import", text)
    assert "<img" not in text
    assert text.count("<script") == 2
    dom = open_page(page(text))
    assert "data-opened" in dom
    assert "302, " in dom
    injected = text.replace("</main>", "<script>document.title = 'taken over'</script></main>")
    assert "<title>Plan: documents</title>" in open_page(page(injected))


def test_every_path_arrives_whole(page: Callable[[str], Path]) -> None:
    rows = Rows([RowKind("upload", "+", "new", 0)])
    names = ["a", "a/b", "a/b😀c", "a/b😀d", "a/\udcff".encode("utf-8", "backslashreplace").decode(), "ä/<b>", "\u2028"]
    for name in names:
        rows.add("upload", name, 1, "new")
    made = plan_page(header([]), [], Heading())
    made.rows = rows
    script = """
    const seen = [...document.querySelectorAll("#rows .path")].map((cell) => cell.title);
    document.body.dataset.probe = JSON.stringify(seen)"""
    assert probe(open_page(page(with_script(render(made), script)))) == sorted(names)


PROBE = """
const wait = (action) => {
  const start = performance.now();
  action();
  document.body.offsetHeight;
  return performance.now() - start;
};
const find = document.getElementById("find"), sort = document.getElementById("sort");
const type = (text) => wait(() => { find.value = text; find.dispatchEvent(new Event("input")); });
const count = () => document.getElementById("count").textContent;
const took = {first: type("photos"), second: type("photos/2024 raw 0001"), found: count(), why: type("already")};
took.linked = count();
took.none = type("there is no such path");
took.nothing = document.getElementById("rows").textContent;
type("");
took.size = wait(() => { sort.value = "size"; sort.dispatchEvent(new Event("change")); });
took.largest = [...document.querySelectorAll("#rows .path")].slice(0, 3).map((cell) => cell.title);
took.chip = wait(() => document.querySelector("#chips button").click());
took.drawn = document.querySelectorAll("#rows .row").length;
document.getElementById("window").scrollTop = 1e7;
document.getElementById("window").dispatchEvent(new Event("scroll"));
took.end = document.querySelector("#rows .row:last-child").getAttribute("aria-rowindex");
took.rowcount = document.getElementById("table").getAttribute("aria-rowcount");
took.opened = Number(document.documentElement.dataset.opened);
document.body.dataset.probe = JSON.stringify(took)
"""


def test_a_hundred_thousand_actions_open_and_filter_fast(page: Callable[[str], Path]) -> None:
    made = actions(100_000)
    text = render(plan_page(header(made), made, Heading()))
    took: dict[str, Any] = probe(open_page(page(with_script(text, PROBE))))
    print({name: value for name, value in took.items() if isinstance(value, int | float)}, f"{len(text):,} bytes")
    assert took["opened"] < 3000
    for name in ("first", "second", "why", "none", "size", "chip"):
        assert took[name] < 200, name
    matching = [a for a in made if b"photos/2024" in a.key and b"raw" in a.key and b"0001" in a.key]
    assert took["found"].startswith(f"{len(matching):,} of 100,002, ")
    assert took["linked"].startswith(f"{sum('already' in why(a) for a in made):,} of ")
    assert "Nothing matches" in took["nothing"]
    largest = sorted((a for a in made if a.key), key=lambda a: -a.size)[:3]
    assert took["largest"] == [a.key.decode() for a in largest]
    assert took["drawn"] < 60
    assert took["end"] == took["rowcount"]


AXE = """;axe.run().then((result) => { document.body.dataset.probe = JSON.stringify([result.passes.length,
  matchMedia("(prefers-color-scheme: dark)").matches, result.violations.map(
  (found) => [found.impact, found.id, found.nodes.map((node) => node.html).slice(0, 3)])]) })"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report with additions, changes and removals in its newest snapshot."""
    place = furnished(tmp_path_factory.mktemp("report"))
    for number in range(30):
        (place.data / f"file {number}").write_text("x" * 100 * number)
    place.run("apply", "job.yaml", "--yes")
    (place.data / "file 1").unlink()
    (place.data / "file 2").write_text("changed")
    (place.data / "new").write_text("new")
    place.run("apply", "job.yaml", "--yes")
    done = place.run("report", "job.yaml", "--html", "report.html")
    assert done.code == 0, done.err
    return (place.root / "report.html").read_text()


@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("what", ["plan", "report"])
def test_axe_finds_nothing_serious(
    page: Callable[[str], Path], report: str, what: str, scheme: str, width: int
) -> None:
    script = axe_source() + AXE
    text = document(300, guards=[GUARD], problems=[PROBLEM]) if what == "plan" else report
    options = [f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"]
    passes, dark, violations = probe(open_page(page(with_script(text, script)), *options, width=width, virtual=True))
    assert [item for item in violations if item[0] in ("serious", "critical", "moderate")] == []
    assert (passes > 15, dark) == (True, scheme == "dark")


def test_only_the_most_important_rows_stay_in_a_huge_plan() -> None:
    rows = Rows([RowKind("upload", "+", "new", 1), RowKind("remove", "-", "gone", 0)], most=3)
    for number in range(10):
        rows.add("upload", f"new-{number}", number, "new")
    rows.add("remove", "gone", 0, "gone")
    assert (rows.kept, rows.total) == (3, 11)
    assert [name in rows.packed() for name in ("gone", '"new-9"', '"new-1"')] == [True, False, False]
    made = plan_page(header([]), [], Heading())
    made.rows = rows
    assert "3 of 11 are on this page" in render(made)


def test_show_and_report_write_pages(place: Any, page: Callable[[str], Path]) -> None:
    place.run("apply", "job.yaml", "--yes")
    (place.data / "b.txt").write_text("something else")
    (place.data / "new").write_text("x" * 3000)
    place.run("apply", "job.yaml", "--yes")
    (place.data / "docs" / "a.txt").unlink()
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    shown = place.run("show", "saved.plan", "--format", "html")
    assert shown.code == 0, shown.err
    assert place.run("show", "saved.plan", "--format", "html", "--out", "plan.html").out == ""
    assert (place.root / "plan.html").read_text() == shown.out
    reported = place.run("report", "job.yaml", "--html", "report.html")
    assert reported.code == 0, reported.err
    plan, report = (open_page(place.root / name) for name in ("plan.html", "report.html"))
    assert "1 to remove" in plan
    assert plan.count("snapshot 1, ") == 2
    assert "Snapshot 2 of " in report
    assert re.search(r'id="count"[^>]*>3, ', report)
    assert "added 1" in report
    refused = place.run("report", "job.yaml", "--html", "nowhere/report.html")
    assert (refused.code, "hint: " in refused.err) == (64, True)


def test_markdown_fits_a_comment_and_no_name_breaks_out(place: Any) -> None:
    from backup_runner.report.markdown import code, markdown_lines, text

    made = actions(20_000)
    comment = "\n".join(markdown_lines(header(made, guards=[GUARD], problems=[PROBLEM]), made, Heading("oci:x")))
    assert len(comment) < 65_536
    lines = comment.splitlines()
    assert lines[0] == "### Plan for `documents` → `oci:x`"
    assert lines.index("**1 to delete**") < lines.index("**Largest to store**")
    assert comment.count("<details>") == comment.count("</details>") > 5
    assert "<script>" not in re.sub(r"`+[^\n]*?`+", "", comment)
    assert "Estimated cost: $0.28 this month" in comment
    assert code("a`b") == "``a`b``"
    assert code("``") == "``` `` ```"
    assert code("a|b\nc") == "`a¦b\\nc`"
    assert text("see @ann, *now* <b> https://x") == "see @\u200bann, \\*now\\* &#60;b&#62; https:\u200b//x"
    assert HOSTILE.decode("utf-8", "replace")[:9] in comment


def test_markdown_is_cut_before_a_forge_refuses_it() -> None:
    from backup_runner.records import Action, ActionKind
    from backup_runner.report.markdown import markdown_lines

    made = [
        Action(kind, reason_of("y" * 300), b"n" * 900 + str(at).encode(), size=1)
        for at in range(80)
        for kind in ActionKind
    ]
    for action in made:
        if action.kind in ("forget",):
            action.snapshot_id = 1
    comment = "\n".join(markdown_lines(header(made), made, Heading()))
    assert 50_000 < len(comment) < 61_000
    assert comment.endswith("`backup-runner show` shows all of it_")
