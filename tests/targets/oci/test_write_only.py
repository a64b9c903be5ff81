"""A stolen host under the policies of docs/oci-setup.md, with the service's clock: what it can do to old backups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import oci
import pytest

from tests.oci_emulator.fixture import Running, start
from tests.targets.oci.site import Site

PAGE = Path(__file__).parents[3] / "docs" / "oci-setup.md"
DAY = 86_400.0
OLD_POLICY = """
Allow group g to manage buckets where any {request.permission='BUCKET_INSPECT', request.permission='BUCKET_READ'}
Allow group g to manage objects where any {request.permission='OBJECT_INSPECT', request.permission='OBJECT_CREATE'}
Allow group g to manage objects where any {request.permission='OBJECT_OVERWRITE'}
"""
"""What the page once gave out, with a rule of 30 days."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path / "emulator") as emulator:
        yield emulator


def documented(prefix: str) -> str:
    match = re.search(r"```text write-only\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match
    return match[1].replace("laptop/*", f"{prefix}*")


def host(tmp_path: Path, running: Running, policy: str) -> Site:
    """A site whose job runs as a user with that policy."""
    user = running.new_user("host", policy=policy)
    return Site(tmp_path / "host", running, target={"auth": {"method": "config_file", "config_file": user.config_file}})


def add_rule(running: Running, days: int | None) -> None:
    client = running.client()
    duration = {} if days is None else {"duration": {"timeAmount": days, "timeUnit": "DAYS"}}
    client.create_retention_rule(running.namespace, running.bucket, {"displayName": "rule", **duration})


def harm(running: Running, site: Site) -> list[str]:
    """All that the host's own credentials can try on each object there; what went through."""
    client = running.client(site.target["auth"]["config_file"])
    place = running.namespace, running.bucket
    names = [item.name for item in running.client().list_objects(*place).data.objects]
    assert {name.split("/")[-2] for name in names} >= {"data", "records", "lease"}
    done = []
    for name in names:
        upload = {"object": name}
        tries: dict[str, Callable[[], object]] = {
            "overwrite": lambda name=name: client.put_object(*place, name, b"gone"),  # type: ignore[misc]
            "delete": lambda name=name: client.delete_object(*place, name),  # type: ignore[misc]
            "multipart": lambda upload=upload: client.create_multipart_upload(*place, upload),  # type: ignore[misc]
            "rename": lambda name=name: client.rename_object(  # type: ignore[misc]
                *place, {"sourceName": name, "newName": f"{name}-gone"}
            ),
            "copy over": lambda name=name: client.copy_object(  # type: ignore[misc]
                *place,
                {"sourceObjectName": names[0], "destinationRegion": "us-ashburn-1", "destinationNamespace": place[0],
                 "destinationBucket": place[1], "destinationObjectName": name},
            ),
        }  # fmt: skip
        for what, act in tries.items():
            try:
                act()
            except oci.exceptions.ServiceError:
                continue
            done.append(f"{what} {name.split('/')[-2]}")
    return done


def test_with_the_documented_policy_nothing_that_is_there_can_be_harmed(tmp_path: Path, running: Running) -> None:
    site = host(tmp_path, running, documented("host/"))
    for number in range(3):
        site.write(f"f{number}", 2000)
        site.apply()
    running.settings(age=40 * DAY)
    assert harm(running, site) == []
    # Nor can it put objects where other hosts have theirs.
    client = running.client(site.target["auth"]["config_file"])
    with pytest.raises(oci.exceptions.ServiceError):
        client.put_object(running.namespace, running.bucket, "other/x", b"x")
    reader = replace(site, target={})
    reader.restore()
    reader.compare()


def test_a_rule_with_a_time_alone_does_not_protect_what_is_older(tmp_path: Path, running: Running) -> None:
    """Why the page no longer says that it does."""
    site = host(tmp_path, running, OLD_POLICY)
    add_rule(running, 30)
    site.write("f", 2000)
    site.apply()
    assert [line for line in harm(running, site) if line.startswith(("overwrite", "delete"))] == []
    running.settings(age=40 * DAY)
    assert {"overwrite data", "overwrite records", "overwrite lease"} <= set(harm(running, site))


def test_a_rule_without_a_time_protects_even_from_those_who_may_overwrite(tmp_path: Path, running: Running) -> None:
    site = host(tmp_path, running, OLD_POLICY)
    add_rule(running, None)
    site.write("f", 2000)
    site.apply()
    running.settings(age=4000 * DAY)
    assert [line for line in harm(running, site) if not line.startswith("multipart")] == []
    site.write("g", 2000)
    site.apply()
