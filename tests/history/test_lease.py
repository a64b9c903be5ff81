"""A lease whose holder is dead can be taken over, however many others look at it meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from backup_runner.errors import BusyError
from backup_runner.repository import lease
from tests.history.site import Site


@pytest.fixture
def left_behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose lineage has the lease of a run on another machine, which died."""
    site.write("a", b"first")
    site.apply()
    monkeypatch.setattr(lease, "LIFETIME", 1.2)
    monkeypatch.setattr(lease, "_LOOK", 0.1)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "another-pod")
        _lease(site).take(0)
    return site


def _lease(site: Site) -> lease.Lease:
    session = site.session()
    store = session.store()
    assert store is not None
    return lease.Lease(store, session.target, session.keys(store), lambda _: None)


def test_others_that_look_and_leave_do_not_make_it_live_longer(left_behind: Site) -> None:
    """Each finds out by a put whether policy forbids overwriting; that must not pass for a sign of life."""
    ended = threading.Event()
    refused: list[Any] = []

    def look_and_leave() -> None:
        while not ended.wait(0.4):
            try:
                _lease(left_behind).take(0)
            except BusyError as error:
                refused.append(error)

    others = threading.Thread(target=look_and_leave)
    others.start()
    try:
        patient = _lease(left_behind)
        patient.take(6)
    finally:
        ended.set()
        others.join()
    assert patient.held
    assert refused
    patient.release()


def test_a_holder_that_renews_is_waited_for(left_behind: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = _lease(left_behind)
    holder.take(5)
    monkeypatch.setattr(socket, "gethostname", lambda: "a-third-pod")
    started = time.monotonic()
    patient = _lease(left_behind)
    with pytest.raises(BusyError, match="another run has locked this lineage"):
        _wait_while_renewing(holder, patient)
    assert time.monotonic() - started >= 2
    holder.release()


def _wait_while_renewing(holder: lease.Lease, patient: lease.Lease) -> None:
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(0.3):
            holder._renewed -= lease._RENEW
            holder.renew()

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        patient.take(2)
    finally:
        ended.set()
        renewing.join()
