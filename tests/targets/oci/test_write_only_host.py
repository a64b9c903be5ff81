"""A host with public keys only, under the write-only policy of docs/oci-setup.md: nothing can be read, replaced or
deleted with all that it has, and its owner elsewhere prunes and restores."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import oci
import pytest
from jsonschema import Draft202012Validator

from backup_runner.container import Identity
from backup_runner.container.suite2.recipients import Public
from backup_runner.container.suite2.seeds import Secret, SecretKind
from tests.oci_emulator.fixture import Running, start
from tests.support.jobs import assert_same, photograph
from tests.targets.oci.site import Site, kill_group
from tests.targets.oci.test_write_only import documented, harm

SCHEMA = Path(__file__).parents[3] / "schemas" / "target-check.schema.json"
OPS = Secret(SecretKind.PAIR, b"o" * 32)
ROUNDS = 10


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path / "emulator") as emulator:
        yield emulator


def write_only(tmp_path: Path, running: Running) -> Site:
    user = running.new_user("host", policy=documented("host/"))
    auth = {"method": "config_file", "config_file": user.config_file}
    public = Public.of(Identity(OPS), bytes(32)).text
    settings = {"encryption": {"recipients": [public]}, "retention": {"keep_last": 3}}
    site = Site(tmp_path / "host", running, target={"auth": auth}, settings=settings)
    (site.root / "key").unlink()
    return site


def owner(site: Site, name: str) -> Site:
    """Another machine with the identity and full rights on the bucket."""
    root = site.root.parent / name
    prefix = {"prefix": site.prefix}
    settings = {"encryption": {"key_file": "./ops.pair"}}
    found = Site(root, site.emulator, target=prefix, settings=settings)
    (root / "key").unlink()
    (root / "ops.pair").write_text(OPS.text + "\n")
    (root / "ops.pair").chmod(0o600)
    return found


def change(site: Site, number: int) -> None:
    site.write("same", 5000)
    site.write("changes", 20_000, seed=number)
    site.write(f"f{number}", 3000)
    if number > 3:
        (site.data / f"f{number - 3}").unlink()


def snapshots(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("snapshots", "--json").out)
    return found


def stored(running: Running) -> dict[str, str]:
    """MD5 of each object, by name."""
    found = running.client().list_objects(running.namespace, running.bucket, fields="md5").data.objects
    return {item.name: item.md5 for item in found}


def killed(site: Site, uploads: int) -> bool:
    """An apply that is killed once it has put that many objects; whether it was still running."""
    site.emulator.clear_log()
    process = site.begin("apply", "--yes", "--workers", "2")
    # The emulator's log is the event to wait for; an apply that is faster has ended.
    while process.poll() is None and len(site.log("PutObject")) < uploads:
        pass
    with contextlib.suppress(ProcessLookupError):
        kill_group(process)
    return process.returncode == -signal.SIGKILL


def test_ten_snapshots_under_the_policy_and_everything_else_elsewhere(tmp_path: Path, running: Running) -> None:
    site = write_only(tmp_path, running)
    kept, kills = {}, 0
    for number in range(1, ROUNDS + 1):
        change(site, number)
        before = stored(running)
        if number in (3, 6, 8):
            kills += killed(site, uploads=number // 3)
        done = site.apply("--json")
        # Nothing that was there is another object now, or gone.
        assert before.items() <= stored(running).items()
        kept[done.summary["snapshot"]] = photograph(str(site.data))
    assert kills
    listed = snapshots(site)
    assert sum(one["status"] == "complete" for one in listed) == 3
    assert harm(running, site) == []
    assert readable(running, site) == []
    for verb, *more in (("restore", "--to", str(site.back)), ("catalog pull",), ("verify", "--level", "data")):
        refused = site.run(verb, *more, codes=None)
        assert refused.code == 1
        assert "this host only encrypts" in refused.err

    ops = owner(site, "ops")
    ops.run("catalog pull")
    before = stored(running)
    ops.run("prune", "--yes", "--override-guard", "max_free_percent")
    gone = before.keys() - stored(running).keys()
    # The lease that the host's first run left, and data that no snapshot needs.
    assert {name.split("/")[-2] for name in gone} == {"data", "lease"}
    # The host goes on, and drops from its catalog what was deleted elsewhere.
    change(site, ROUNDS + 1)
    done = site.apply("--json")
    assert not done.summary["problems"]
    kept[done.summary["snapshot"]] = photograph(str(site.data))

    away = owner(site, "away")
    away.run("catalog pull")
    listed = snapshots(away)
    left = [one["id"] for one in listed if one["status"] == "complete"]
    assert len(left) == 3
    for number in left:
        back = tmp_path / f"back{number}"
        away.run("restore", "--to", str(back), "--at", str(number))
        assert_same(kept[number], photograph(str(back)))
    away.run("verify", "--level", "data")


def readable(running: Running, site: Site) -> list[str]:
    """Objects that the host's own credentials read, in part or their headers."""
    client = running.client(site.target["auth"]["config_file"])
    found = []
    for name in stored(running):
        with contextlib.suppress(oci.exceptions.ServiceError):
            client.get_object(running.namespace, running.bucket, name, range="bytes=0-9")
            found.append(name)
    return found


def test_a_policy_with_more_rights_shows_that_the_tests_can_fail(tmp_path: Path, running: Running) -> None:
    site = write_only(tmp_path, running)
    change(site, 1)
    site.apply()
    full = replace(site, target={"auth": {"method": "config_file", "config_file": running.owner.config_file}})
    assert {name.split("/")[-2] for name in readable(running, full)} >= {"data", "records", "keys"}
    assert {"overwrite records", "delete keys"} <= set(harm(running, full))


def checked(site: Site, *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """The document of `target check`, and what people read."""
    done = site.run("target check", *words, "--json", codes=(code,))
    document: dict[str, Any] = json.loads(done.out)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    assert document["ok"] == (code == 0)
    return document, done.err


def with_rights_of(site: Site, name: str, policy: str) -> Site:
    user = site.emulator.new_user(name, policy=policy)
    return replace(site, target={"auth": {"method": "config_file", "config_file": user.config_file}})


def test_the_check_of_a_host_set_up_as_documented_succeeds(tmp_path: Path, running: Running) -> None:
    site = write_only(tmp_path, running)
    document, said = checked(site)
    assert document["write_only"]
    failed = {check["operation"] for check in document["checks"] if not check["ok"]}
    assert failed == {"GetObject", "ReplaceObject", "DeleteObject"}
    assert "MISSING" not in said
    assert "Policy statements" not in said
    assert "all as intended on a write-only host" in said
    (probe,) = stored(running)
    assert f"the probe {probe.removeprefix(site.prefix)} was not deleted" in said


def test_a_host_with_a_key_is_write_only_if_one_says_so(tmp_path: Path, running: Running) -> None:
    site = owner(write_only(tmp_path, running), "with-key")
    site = with_rights_of(site, "keyed", documented(site.prefix))
    _, said = checked(site, code=1)
    assert "If that is intended, add --write-only." in said
    assert "all as intended" in checked(site, "--write-only")[1]


@pytest.mark.parametrize(("right", "verb"), [("READ", "read"), ("OVERWRITE", "replace"), ("DELETE", "delete")])
def test_more_rights_than_that_are_the_finding(tmp_path: Path, running: Running, right: str, verb: str) -> None:
    site = write_only(tmp_path, running)
    policy = documented("host/").replace(
        "any {request.permission='OBJECT_CREATE'}",
        f"any {{request.permission='OBJECT_CREATE', request.permission='OBJECT_{right}'}}",
    )
    site = with_rights_of(site, "more", policy)
    document, said = checked(site)
    assert document["write_only"]
    assert f"warning: this host should only add objects, but it can also {verb};" in said
    assert "all as intended" not in said
    _, said = checked(site, "--write-only", code=1)
    assert f"too many permissions: this host should only add objects, but it can also {verb};" in said


def test_a_write_only_host_that_cannot_write_fails(tmp_path: Path, running: Running) -> None:
    site = write_only(tmp_path, running)
    site = with_rights_of(site, "less", "\n".join(documented("host/").splitlines()[:2]))
    _, said = checked(site, code=1)
    assert "MISSING PutObject" in said
    assert "all as intended" not in said
