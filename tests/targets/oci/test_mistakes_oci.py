"""What people get wrong, as they meet it: `apply` says one clear thing, soon, and records nothing."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import Site
from tests.targets.oci.test_errors import token

SOON = 15.0


def session_token_expired(site: Site) -> Site:
    user = site.emulator.new_user("expired", session_token=token(time.time() - 600))
    return site.with_target(auth={"method": "session_token", "config_file": user.config_file})


def bucket_missing(site: Site) -> Site:
    return site.with_target(bucket="no-such-bucket")


def namespace_wrong(site: Site) -> Site:
    return site.with_target(namespace="someone-else")


def no_permission(site: Site) -> Site:
    user = site.emulator.new_user("reader", deny=("OBJECT_CREATE",))
    return site.with_target(auth={"config_file": user.config_file})


def clock_an_hour_off(site: Site) -> Site:
    site.emulator.settings(clock_offset=3600)
    return site


def name_that_does_not_resolve(site: Site) -> Site:
    return site.with_target(endpoint="http://object-storage.invalid:8080", namespace="emulated")


def connection_refused(site: Site) -> Site:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return site.with_target(endpoint=f"http://127.0.0.1:{port}", namespace="emulated")


MISTAKES: list[tuple[Callable[[Site], Site], str]] = [
    (session_token_expired, "expired 10 minutes ago"),
    (bucket_missing, "no bucket no-such-bucket"),
    (namespace_wrong, "namespace someone-else was not found"),
    (no_permission, "permission"),
    (clock_an_hour_off, "clock is 60 minutes behind"),
    (name_that_does_not_resolve, "cannot be resolved"),
    (connection_refused, "connection refused"),
]


@pytest.mark.parametrize(("mistake", "said"), MISTAKES, ids=[make.__name__ for make, _ in MISTAKES])
def test_one_clear_message_and_nothing_recorded(
    tmp_path: Path, running: Running, mistake: Callable[[Site], Site], said: str
) -> None:
    # The usual patience: what cannot pass is not waited for.
    site = mistake(Site(tmp_path, running, patience=300))
    site.write("a", 1000)
    running.clear_log()
    started = time.monotonic()
    try:
        done = site.apply(codes=(1,))
    finally:
        running.settings(clock_offset=0)
    assert time.monotonic() - started < SOON
    assert said in done.err, done.text
    assert done.err.count("error:") == 1, done.text
    assert not [line for line in running.log("PutObject", "CreateMultipartUpload") if line["status"] == 200]
    assert snapshots(site) == 0


def test_a_first_plan_looks_at_the_bucket(tmp_path: Path, running: Running) -> None:
    """Whoever reviews a plan learns then, and not from the apply, that it cannot be carried out."""
    site = Site(tmp_path, running)
    site.write("a", 1000)
    assert "does not know" not in site.run("plan").out
    missing = bucket_missing(site)
    assert "no bucket no-such-bucket" in missing.run("plan", codes=(1,)).err
    assert "offline: the bucket was not checked" in missing.run("plan", "--offline").out
    site.write_job()
    site.apply()
    for path in site.root.glob("catalog.db*"):
        if path.is_file():
            path.unlink()
    planned = site.run("plan")
    assert "note: the bucket contains objects that are not in the local catalog" in planned.out
    assert "already has backups of job" in site.apply(codes=(1,)).err


def snapshots(site: Site) -> int:
    path = site.root / "catalog.db"
    if not os.path.exists(path):
        return 0
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM snapshot").fetchone()[0])
