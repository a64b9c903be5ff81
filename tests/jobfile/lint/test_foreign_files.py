"""What others wrote is checked without reading anything else: symlinks in a merge request lead to no file elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.command import run_command

JOB = """version: 1
name: site
sources:
  - path: ../content
target: {type: directory, path: ../bucket}
encryption: {key_env: THE_KEY}
catalog: ../catalog.db
"""
SECRET = "-----BEGIN-THE-SECRET"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/key.yaml").write_text(f"{SECRET}: [\n")
    (tmp_path / "home/more").mkdir()
    (tmp_path / "home/more/own.yaml").write_text(f"{SECRET}: [\n")
    jobs = tmp_path / "checkout/jobs"
    jobs.mkdir(parents=True)
    (jobs / "site.yaml").write_text(JOB)
    return tmp_path / "checkout"


def run(checkout: Path, *arguments: str, code: int) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(checkout.parent / "home"), "THE_KEY": "swordfish"}
    done = run_command(arguments, cwd=checkout, env=env)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == code, said
    assert SECRET not in said
    assert "swordfish" not in said
    return said


@pytest.mark.parametrize("command", ["validate", "fmt", "migrate"])
def test_a_symlink_out_of_the_folder_is_not_followed(checkout: Path, command: str) -> None:
    (checkout / "jobs/evil.yaml").symlink_to("../../home/key.yaml")
    (checkout / "more").symlink_to("../home/more")
    for named in ("jobs", "jobs/evil.yaml", "more", "more/own.yaml", "jobs/*.yaml"):
        assert "is a symlink to a file outside its folder" in run(checkout, command, named, code=1)
    elsewhere = checkout.parent / "elsewhere"
    elsewhere.mkdir()
    assert "is a symlink to a file outside" in run(elsewhere, command, str(checkout / "jobs/evil.yaml"), code=1)


@pytest.mark.parametrize("command", ["plan", "skips"])
def test_nor_by_what_reads_one_job(checkout: Path, command: str) -> None:
    (checkout / "jobs/evil.yaml").symlink_to("../../home/key.yaml")
    (checkout / "more").symlink_to("../home/more")
    for named in ("jobs/evil.yaml", "more/own.yaml"):
        assert "is a symlink to a file outside its folder" in run(checkout, command, named, code=1)


def test_nor_by_show(checkout: Path) -> None:
    """A plan elsewhere names files; a job file is no plan, and nothing of it is quoted."""
    (checkout / "content").mkdir()
    (checkout / "content/page").write_text("hello")
    (checkout.parent / "home/key").write_text("plum-tree-cherry-stone-9182")
    (checkout / "jobs/site.yaml").write_text(JOB.replace("key_env: THE_KEY", f"key_file: {checkout.parent}/home/key"))
    run(checkout, "plan", "jobs/site.yaml", "--out", "../home/own.plan", code=0)
    (checkout / "evil.plan").symlink_to("../home/own.plan")
    (checkout / "jobs/evil.yaml").symlink_to("../../home/key.yaml")
    for named in ("evil.plan", "jobs/evil.yaml"):
        said = run(checkout, "show", named, code=1)
        assert "is a symlink to a file outside its folder" in said
        assert "Plan for" not in said
    (checkout / "own.plan").write_bytes((checkout.parent / "home/own.plan").read_bytes())
    (checkout / "alias.plan").symlink_to("own.plan")
    run(checkout, "show", "alias.plan", code=0)
    assert "is not a plan file" in run(checkout, "show", "jobs/site.yaml", code=1)


@pytest.mark.parametrize("command", ["validate", "fmt"])
def test_a_symlink_within_it_is(checkout: Path, command: str) -> None:
    (checkout / "jobs/alias.yaml").symlink_to("site.yaml")
    run(checkout, command, "jobs/alias.yaml", code=0)
    (checkout.parent / "there").symlink_to(checkout)
    run(checkout.parent, command, str(checkout.parent / "there/jobs/site.yaml"), code=0)


@pytest.mark.parametrize("place", ["sources", "target", "encryption", "catalog", "metrics"])
def test_values_of_variables_are_not_printed(checkout: Path, place: str) -> None:
    """A request may write the name of any variable that the CI system holds into a path."""
    values = {
        "sources": "sources: [{path: '${THE_KEY}/content'}, {path: '${THE_KEY}/content/below'}]",
        "target": "target: {type: directory, path: '/${THE_KEY}'}",
        "encryption": "encryption: {key_file: '/${THE_KEY}'}",
        "catalog": "catalog: '/${THE_KEY}/'",
        "metrics": "metrics: {textfile: '${THE_KEY}'}",
    }
    text = JOB if place == "metrics" else "\n".join(
        line for line in JOB.replace("sources:\n  - path: ../content", "sources: [{path: ../content}]").split("\n")
        if not line.startswith(place)
    )  # fmt: skip
    (checkout / "jobs/site.yaml").write_text(text + values[place] + "\n")
    for form in ("text", "json", "github", "sarif", "junit"):
        code = 1 if place == "sources" else 0
        run(checkout, "validate", "--format", form, "jobs", code=code)
    run(checkout, "fmt", "--check", "jobs/site.yaml", code=1 if place != "metrics" else 0)
