"""A plan file whose fields are not what they have to be is refused where it is read, whatever would be done with it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from backup_runner import api
from backup_runner.errors import PlanFileError
from backup_runner.planning.opening import open_plan
from backup_runner.report.look import Look
from backup_runner.report.page.plans import plan_page
from backup_runner.report.page.render import render
from backup_runner.report.plan_text import Heading, plan_lines
from tests.cli.conftest import Place
from tests.planning.test_fuzz_plans import ACTIONS, HEADER
from tests.support.forging import digest, forge, upload

FIELDS = sorted(HEADER.keys() - {"kind", "format"})
WRONG: list[tuple[str, Any]] = [
    ("guards", [{"name": "x; touch y", "message": "m"}]), ("guards", [{"name": "x"}]), ("overridden", ["A b"]),
    ("problems", [{"path": "p", "problem": "un readable", "message": ""}]), ("scope", ["zz"]),
    ("problems", [{"path": "p", "path_base64": "/w=", "problem": "lost", "message": ""}]),
    ("totals", {"counts": {"explode": 1}}), ("totals", {"known": -1}), ("totals", {"more": 1}),
    ("cost", HEADER["cost"] | {"month_total": "1"}), ("cost", HEADER["cost"] | {"gb_months_added": {"<b>": 1}}),
    ("cost", HEADER["cost"] | {"requests_cost": 1e300}), ("history", HEADER["history"] * 600),
    ("history", [HEADER["history"][0] | {"totals": {"bytes": []}}]), ("created_ns", 1 << 63), ("serial", True),
    ("pruning", "all"),
]  # fmt: skip


def refused(path: Path, text: str) -> None:
    with pytest.raises(PlanFileError, match=re.escape(text)):
        open_plan(str(path))


@pytest.mark.parametrize(("name", "value"), [*((name, {"x": [1]}) for name in FIELDS), *WRONG])
def test_a_field_of_the_header(tmp_path: Path, name: str, value: Any) -> None:
    forge(tmp_path / "plan", HEADER, ACTIONS)
    open_plan(str(tmp_path / "plan")).close()
    forge(tmp_path / "plan", HEADER | {name: value}, ACTIONS)
    refused(tmp_path / "plan", f"header is damaged: '{name}'")


@pytest.mark.parametrize("name", ["", "more", "\x1b[31m" + "x" * 99])
def test_a_field_that_there_is_not(tmp_path: Path, name: str) -> None:
    forge(tmp_path / "plan", HEADER | {name: 1}, ACTIONS)
    refused(tmp_path / "plan", "header is damaged: ")
    forge(tmp_path / "plan", HEADER, [upload("a", **{name: 1})])
    refused(tmp_path / "plan", "line 2 of the plan is damaged: ")


@pytest.mark.parametrize("row", range(len(ACTIONS)))
def test_a_field_of_an_action(tmp_path: Path, row: int) -> None:
    for name in ACTIONS[row]:
        forge(tmp_path / "plan", HEADER, [ACTIONS[row] | {name: {"x": [1]}}])
        refused(tmp_path / "plan", "line 2 of the plan is damaged")


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_no_form_of_show_stumbles(place: Place, form: str) -> None:
    for name, value in (("cost", "free"), ("history", [1]), ("problems", [None]), ("notes", [{}])):
        forge(place.root / "odd.plan", HEADER | {name: value}, ACTIONS)
        shown = place.run("show", "odd.plan", "--format", form)
        assert (shown.code, shown.out) == (1, "")
        assert f"the plan file's header is damaged: '{name}'" in shown.err


def test_nor_does_apply(place: Place) -> None:
    forge(place.root / "odd.plan", HEADER | {"problems": [{"problem": []}]}, ACTIONS)
    applied = place.run("apply", "odd.plan", "--plan-digest", digest(place.root / "odd.plan"))
    assert (applied.code, "header is damaged: 'problems'" in applied.err) == (1, True)
    forge(place.root / "odd.plan", HEADER, ACTIONS)
    for said in ("é", "0" * 64):
        plan = api.open_plan(str(place.root / "odd.plan"), digest=said)
        with pytest.raises(PlanFileError, match="is not the plan that was reviewed"):
            _ = plan.job


def test_a_seal_that_is_no_hex(place: Place) -> None:
    forge(place.root / "odd.plan", HEADER, ACTIONS)
    data = (place.root / "odd.plan").read_text()
    (place.root / "odd.plan").write_text(data.replace('"actions":', '"mac":"é","actions":'))
    applied = place.run("apply", "odd.plan")
    assert (applied.code, "its signature is invalid" in applied.err) == (1, True)


def test_free_texts_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J\u202e\x9b"
    cost = HEADER["cost"] | {"currency": evil, "prices_of": evil}
    texts = {"job": evil, "plan_id": evil, "job_file": evil, "notes": [evil], "cost": cost}
    guards = [{"name": "min_files", "message": evil}]
    forge(tmp_path / "plan", HEADER | texts | {"guards": guards}, [*ACTIONS, upload(evil, why=evil)])
    plan = open_plan(str(tmp_path / "plan"))
    shown = ["\n".join(plan_lines(plan.header, plan.actions(), Heading(), Look()))]
    shown.append(render(plan_page(plan.header, plan.actions(), Heading())))
    for text in shown:
        assert not set(evil) - {"[", "2", "J"} & set(text)


@pytest.mark.parametrize("key", ["a/" * 2_000_000 + "f", "x" * 4_000_000 + "/f"])
def test_a_path_of_two_million_folders(tmp_path: Path, key: str) -> None:
    forge(tmp_path / "plan", HEADER, [upload(f"{number}") for number in range(50)] + [upload(key)])
    plan = open_plan(str(tmp_path / "plan"))
    started = time.process_time()
    assert "\n".join(plan_lines(plan.header, plan.actions(), Heading(), Look()))
    assert render(plan_page(plan.header, plan.actions(), Heading()))
    assert time.process_time() - started < 3


def test_sizes_too_far_apart_for_a_map(tmp_path: Path) -> None:
    forge(tmp_path / "plan", HEADER, [upload("a/b", size=1), upload("b/c", size=1 << 62), upload("c/d", size=9)])
    plan = open_plan(str(tmp_path / "plan"))
    page = plan_page(plan.header, plan.actions(), Heading())
    assert [tile.name for tile in page.tiles] == ["b/"]
    assert render(page)
