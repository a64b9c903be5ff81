"""What a plan that somebody vouched for may still not do: its lines are looked at again, by the job and the catalog."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import orjson
import pytest

from backup_runner.planning.opening import open_plan
from backup_runner.spec import Retention
from tests.cli.conftest import Place, Result
from tests.support.forging import Fields, digest, forge, parts, upload
from tests.support.jobs import Home, bucket_digest


@pytest.fixture
def filled(place: Place) -> Path:
    """A job with 40 files that are backed up in two snapshots; and the plan for one that is new."""
    for number in range(38):
        (place.data / f"{number}.txt").write_text(str(number))
    (place.data.parent / "secret").write_text("of somebody else")
    for _ in range(2):
        assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "new.txt").write_text("new")
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    return place.root / "saved.plan"


def applied(place: Place, plan: Path, *more: str) -> Result:
    return place.run("apply", plan.name, "--plan-digest", digest(plan), *more)


def refused(place: Place, plan: Path, code: int, text: str) -> None:
    before = bucket_digest(str(place.root / "bucket"))
    result = applied(place, plan)
    assert result.code == code, result.out + result.err
    assert text in result.err
    assert "nothing was changed" in result.err
    assert bucket_digest(str(place.root / "bucket")) == before


ODD_KEYS: list[Fields] = [
    upload("../secret"), upload("docs/../../secret"), upload("/etc/passwd"), upload("a//b"), upload("./a"), upload(""),
    upload("docs/"), upload("docs", type="directory"), upload("x", path_base64="Li4vc2VjcmV0"), upload("a\0b"),
    upload("b.txt", action="link", leader="../secret"), upload("../secret", action="hold"),
    upload("../secret", action="remove", why="skipped"),
]  # fmt: skip


@pytest.mark.parametrize("line", ODD_KEYS, ids=lambda line: f"{line['action']} {line['path']!r}"[:30])
def test_keys_that_are_no_paths_below_a_source(place: Place, filled: Path, line: Fields) -> None:
    header, actions = parts(filled)
    forge(filled, header, [*actions, line])
    refused(place, filled, 1, "is not a path below a source")


def test_keys_outside_of_the_sources(place: Place, filled: Path) -> None:
    place.job.write_text(place.job.read_text().replace("{path: ./data}", "{path: ./data/docs}"))
    assert place.run("plan", "job.yaml", "--out", "saved.plan", "--override-guard", "max_delete_percent").code == 0
    header, actions = parts(filled)
    forge(filled, header, actions)
    before = dict(header)
    forge(filled, before, [*actions, upload("new.txt")])
    refused(place, filled, 1, "is not inside a source")


@pytest.mark.parametrize("name", ["../../etc/passwd", "x/../y"])
@pytest.mark.parametrize("action", ["adopt", "delete", "repack"])
def test_names_that_are_none_of_objects(place: Place, filled: Path, action: str, name: str) -> None:
    header, actions = parts(filled)
    forge(filled, header, [*actions, {"kind": "action", "action": action, "object": name, "size": 1, "why": "x"}])
    refused(place, filled, 1, "is not an object name")


def test_forgetting_where_no_retention_is(place: Place, filled: Path) -> None:
    header, actions = parts(filled)
    forget = [{"kind": "action", "action": "forget", "snapshot": number, "size": 0, "why": "x"} for number in (1, 2)]
    forge(filled, header | {"pruning": "only"}, [*actions, *forget])
    refused(place, filled, 1, "it forgets snapshots, but the job has no `retention`")
    assert [item["id"] for item in snapshots(place)] == [1, 2]


def test_forgetting_more_than_retention_does(place: Place, filled: Path) -> None:
    place.write_job(retention="{keep_last: 5}")
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    header, actions = parts(filled)
    forget = [{"kind": "action", "action": "forget", "snapshot": number, "size": 0, "why": "x"} for number in (1, 2)]
    forge(filled, header | {"pruning": "retention"}, [*actions, *forget])
    result = applied(place, filled)
    assert result.code == 0, result.err
    assert "snapshot 1 was not forgotten" in result.out
    assert [item["id"] for item in snapshots(place)] == [1, 2, 3]


def snapshots(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(place.run("snapshots", "job.yaml", "--json").out)
    return found


def test_more_files_taken_out_than_a_guard_lets_pass(place: Place, filled: Path) -> None:
    header, actions = parts(filled)
    gone = [upload(f"{number}.txt", action="remove", why="skipped by a rule") for number in range(38)]
    totals = header["totals"] | {"known": 10**12}
    forge(filled, header | {"totals": totals, "guards": []}, [*actions, *gone])
    refused(place, filled, 5, "max_delete_percent is")
    allowed = applied(place, filled, "--override-guard", "max_delete_percent")
    assert allowed.code == 0, allowed.err


def test_more_files_changed_than_a_guard_lets_pass(place: Place, filled: Path) -> None:
    header, actions = parts(filled)
    changed = [upload(f"{number}.txt", action="update", why="content changed") for number in range(38)]
    forge(filled, header | {"guards": []}, [*actions, *changed])
    refused(place, filled, 5, "max_change_percent is")


def test_what_was_overridden_when_planning_holds(place: Place, filled: Path) -> None:
    for number in range(38):
        (place.data / f"{number}.txt").unlink()
    saved = place.run("plan", "job.yaml", "--out", "saved.plan", "--override-guard", "max_delete_percent")
    assert saved.code == 0, saved.err
    result = place.run("apply", "saved.plan")
    assert result.code == 0, result.err


def test_an_engine_without_rules_forgets_nothing(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    home.write("a")
    home.apply()
    home.apply()
    home.plan().save(f"{home.root}/plan")
    path = Path(home.root, "plan")
    header, actions = parts(path)
    forget = [{"kind": "action", "action": "forget", "snapshot": number, "size": 0, "why": "x"} for number in (1, 2)]
    forge(path, header, [*actions, *forget])
    outcome = home.apply(open_plan(str(path)))
    assert "forget" not in outcome.counts
    assert [number for (number,) in home.rows("SELECT id FROM snapshot ORDER BY id")] == [1, 2, 3]
    assert any("was not forgotten" in note for note in outcome.notes)


def test_rules_that_are_there_still_forget(tmp_path: Path) -> None:
    home = Home(str(tmp_path), settings={"retention": Retention(keep_last=1)})
    home.write("a")
    home.apply()
    home.write("a", "changed")
    home.plan().save(f"{home.root}/plan")
    outcome = home.apply(open_plan(f"{home.root}/plan"))
    assert outcome.counts["forget"] == 1
    assert dataclasses.asdict(outcome)["status"] == "complete"
