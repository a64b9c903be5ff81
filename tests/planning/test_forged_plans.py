"""A plan file that somebody else wrote, or changed after it was reviewed, changes nothing and runs nothing."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Place, Result
from tests.support.forging import digest, forge, parts, upload


@pytest.fixture
def saved(place: Place) -> Path:
    """The plan of a job of which nothing is backed up yet."""
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    return place.root / "saved.plan"


def assert_refused(place: Place, result: Result, text: str) -> None:
    assert result.code == 1, result.out + result.err
    assert re.search(text, result.err), result.err
    assert "\n  hint: " in result.err
    assert not (place.root / "bucket").exists()


def test_a_forged_header_names_another_job_file_with_a_hook(place: Place, saved: Path) -> None:
    marker = place.root / "ran"
    place.write_job("evil", hooks=f"{{before: [touch, {marker}]}}")
    evil = place.root / "evil.yaml"
    evil.write_text(evil.read_text().replace("key_file: ./key", f"key_command: [touch, {marker}]"))
    header, actions = parts(saved)
    forge(saved, header | {"job_file": str(evil), "job": "evil"}, actions)
    result = place.run("apply", "saved.plan")
    assert not marker.exists()
    assert_refused(place, result, "cannot tell who made the plan")
    assert "--plan-digest" in result.err
    assert "plan JOB --out" in result.err


def test_a_job_file_that_only_a_forged_plan_names_is_not_even_read(place: Place, saved: Path) -> None:
    header, actions = parts(saved)
    os.mkfifo(place.root / "fifo.yaml")
    forge(saved, header | {"job_file": str(place.root / "fifo.yaml")}, actions)
    assert_refused(place, place.run("apply", "saved.plan"), "cannot tell who made the plan")


def test_an_attacker_brings_a_job_with_a_catalog_and_a_key_of_his_own(place: Place, tmp_path: Path) -> None:
    """What a plan names cannot vouch for it: everything beside the job file comes from the same hands."""
    marker = tmp_path / "ran"
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    shutil.copytree(place.data, theirs / "data")
    shutil.copy(place.root / "key", theirs / "key")
    text = place.job.read_text() + f"hooks: {{before: [touch, {marker}]}}\n"
    (theirs / "job.yaml").write_text(text)
    elsewhere = Place(theirs)
    assert elsewhere.run("plan", "job.yaml", "--out", "their.plan").code == 0
    assert_refused(place, place.run("apply", "theirs/their.plan"), "cannot tell who made the plan")
    assert not marker.exists()


def test_a_changed_line_breaks_the_seal(place: Place, saved: Path) -> None:
    end = orjson.loads(saved.read_bytes().splitlines()[-1])
    header, actions = parts(saved)
    forge(saved, header, [*actions, upload("../outside")])
    lines = saved.read_bytes().splitlines()
    lines[-1] = orjson.dumps(orjson.loads(lines[-1]) | {"mac": end["mac"]})
    saved.write_bytes(b"\n".join(lines) + b"\n")
    assert_refused(place, place.run("apply", "saved.plan"), "cannot tell who made the plan")


def test_an_old_plan_without_a_seal(place: Place, saved: Path) -> None:
    forge(saved, *parts(saved))
    assert_refused(place, place.run("apply", "saved.plan"), "cannot tell who made the plan")


def test_a_file_that_was_swapped_after_the_review(place: Place, saved: Path) -> None:
    reviewed = digest(saved)
    header, actions = parts(saved)
    forge(saved, header, [*actions, upload("c.txt")])
    result = place.run("apply", "saved.plan", "--plan-digest", reviewed)
    assert_refused(place, result, f"its SHA-256 digest is {digest(saved)}")


def test_a_plan_made_elsewhere_is_applied_with_its_digest(place: Place, saved: Path) -> None:
    forge(saved, *parts(saved))
    for wrong in ("", "abc", "g" * 64):
        assert place.run("apply", "saved.plan", "--plan-digest", wrong).code == 64
    result = place.run("apply", "saved.plan", "--plan-digest", digest(saved).upper())
    assert result.code == 0, result.err
    assert "2 uploaded" in result.out or "snapshot 1" in result.out


@pytest.mark.parametrize("name", ["saved.plan", "saved.plan.zst"])
def test_plan_says_the_digest_of_the_file(place: Place, name: str) -> None:
    result = place.run("plan", "job.yaml", "--out", name)
    assert f"--plan-digest {digest(place.root / name)}" in result.out
    lines = place.run("plan", "job.yaml", "--out", name, "--json").lines()
    assert lines[-2] == {"kind": "saved", "file": name, "sha256": digest(place.root / name), "sealed": True}
    assert lines[-1]["kind"] == "summary"
    assert place.run("apply", name).code == 0


def test_the_job_is_named_by_who_applies(place: Place, saved: Path) -> None:
    place.write_job("other")
    refused = place.run("apply", "saved.plan", "--job", "other.yaml")
    assert_refused(place, refused, 'the plan is for job "job", but other.yaml contains job "other"')
    place.job.rename(place.root / "moved.yaml")
    assert_refused(place, place.run("apply", "saved.plan"), "does not exist")
    result = place.run("apply", "saved.plan", "--job", "moved.yaml")
    assert result.code == 0, result.err


def test_the_hooks_of_a_job_that_was_changed_since_do_not_run(place: Place, saved: Path) -> None:
    place.write_job(hooks=f"{{before: [touch, {place.root}/ran]}}")
    assert place.run("apply", "saved.plan").code == 4
    assert not (place.root / "ran").exists()


def test_these_options_are_for_plans(place: Place) -> None:
    for more in (("--job", "job.yaml"), ("--plan-digest", "0" * 64)):
        result = place.run("apply", "job.yaml", "--yes", *more)
        assert result.code == 64
        assert "saved plan" in result.err


# -- the secret


def test_the_secret_is_private_and_stays(place: Place, saved: Path) -> None:
    secret = place.root / ".backup-runner" / "plan-key"
    assert (secret.stat().st_mode & 0o777, secret.stat().st_size) == (0o600, 32)
    before = secret.read_bytes()
    place.run("plan", "job.yaml", "--out", "second.plan")
    assert secret.read_bytes() == before
    assert before.hex() not in saved.read_text()


@pytest.mark.parametrize("fault", ["symlink", "hard link", "mode", "short", "folder"])
def test_a_secret_that_is_not_ours_alone_vouches_for_nothing(place: Place, saved: Path, fault: str) -> None:
    secret = place.root / ".backup-runner" / "plan-key"
    if fault == "symlink":
        secret.rename(place.root / "elsewhere")
        secret.symlink_to(place.root / "elsewhere")
    elif fault == "hard link":
        os.link(secret, place.root / "elsewhere")
    elif fault == "mode":
        secret.chmod(0o640)
    elif fault == "short":
        secret.write_bytes(b"")
    else:
        secret.unlink()
        secret.mkdir()
    result = place.run("apply", "saved.plan")
    assert_refused(place, result, "cannot tell who made the plan")
    assert "plan-key" in result.err
    planned = place.run("plan", "job.yaml", "--out", "again.plan")
    assert planned.code == 0
    assert "plan-key" in planned.out
    assert "--plan-digest" in planned.out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_a_secret_of_another_user(place: Place, saved: Path) -> None:
    os.chown(place.root / ".backup-runner" / "plan-key", 65534, 65534)
    assert_refused(place, place.run("apply", "saved.plan"), "cannot tell who made the plan")


def test_without_a_home_the_digest_does(place: Place) -> None:
    (place.root / ".backup-runner").write_text("a file where the folder would be")
    planned = place.run("plan", "job.yaml", "--out", "saved.plan")
    assert planned.code == 0, planned.err
    assert place.run("apply", "saved.plan").code == 1
    assert place.run("apply", "saved.plan", "--plan-digest", digest(place.root / "saved.plan")).code == 0


def test_the_secret_is_not_backed_up(place: Place) -> None:
    # The home folder is the source: the secret of a plan that was made before lies in it.
    env = {"HOME": str(place.data)}
    assert place.run("plan", "job.yaml", "--out", "first.plan", env=env).code == 0
    assert (place.data / ".backup-runner" / "plan-key").exists()
    paths = {line.get("path") for line in place.run("plan", "job.yaml", "--json", env=env).lines()}
    assert "b.txt" in paths
    assert ".backup-runner/plan-key" not in paths
