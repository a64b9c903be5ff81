"""A wrong byte anywhere in an answer: what can be read is asked for again, and nothing is lost for one such look."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.catalog import Catalog
from backup_runner.errors import CatalogError, TargetError, TransientError
from backup_runner.repository import drift
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running
from tests.support.jobs import Home

PLACES = 150
DATA = b"part"


def connect(running: Running, prefix: str, *, patience: float, namespace: str | None = "emulated") -> OciTarget:
    auth = AuthSpec(config_file=running.owner.config_file)
    return OciTarget(
        OciTargetSpec(running.bucket, namespace, prefix, endpoint=running.url, auth=auth), patience=patience
    )


def garbled(running: Running, operation: str) -> Iterator[float]:
    """Every so often a place in the answer's body; the next such answer is wrong there."""
    for number in range(PLACES):
        running.clear_faults()
        place = number / PLACES
        running.add_faults({"kind": "corrupt", "operation": operation, "count": 1, "at": place})
        yield place
    running.clear_faults()


class Portal(http.server.BaseHTTPRequestHandler):
    """What a network that wants a login answers, whatever one asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        page = b"" if self.command == "HEAD" else b"<html>Log in</html>"
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_is_none_of_this_kind(running: Running) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        auth = AuthSpec(config_file=running.owner.config_file)
        spec = OciTargetSpec("b", "n", endpoint=f"http://127.0.0.1:{server.server_port}", auth=auth)
        target = OciTarget(spec, patience=0)
        calls: list[Callable[[], object]] = [
            lambda: target.put("u/data/a", DATA, md5=md5(DATA).digest()),
            lambda: target.get("u/data/a"),
            lambda: target.get("u/data/a", 1, 1),
            lambda: target.get_tail("u/data/a", 1),
            lambda: target.stat("u/data/a"),
            lambda: OciTarget(replace(spec, namespace=None), patience=0).identity,
            lambda: list(target.list()),
        ]
        for call in calls:
            with pytest.raises(TransientError):
                call()
        server.shutdown()


def test_a_listing_that_cannot_be_read_is_a_passing_fault(running: Running) -> None:
    sound, hasty = connect(running, "garbled/", patience=10), connect(running, "garbled/", patience=0)
    sound.put("u/data/o", DATA, md5=md5(DATA).digest())
    refused = []
    for _ in garbled(running, "ListObjects"):
        try:
            list(hasty.list())
        except TargetError as error:
            refused.append(error.message)
    assert len(refused) > PLACES / 10
    assert [message for message in refused if not message.startswith("ListObjects")] == []


def test_no_object_is_lost_for_one_garbled_listing(running: Running, tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    target = home.target = connect(running, "drift/", patience=0)  # type: ignore[assignment]
    assert target is not None
    home.write("small")
    home.write("large", os.urandom(5 << 20))
    home.apply()
    cat = Catalog(f"{home.root}/catalog.db", create=False)
    (store,) = cat.stores()
    judged = 0
    for place in garbled(running, "ListObjects"):
        try:
            found = drift.look(cat, store, target)
        except (TargetError, CatalogError):
            continue
        assert found.bad == {}, place
        judged += 1
    cat.close()
    assert judged > PLACES / 2
