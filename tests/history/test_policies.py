"""What the bucket does not allow, or charges for: kept back, named, and never an end of the run."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import oci
import pytest

from backup_runner.container import Identity
from backup_runner.errors import BusyError
from backup_runner.repository.session import Session
from backup_runner.spec import Retention
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec, StorageTier
from tests.history.site import Site
from tests.oci_emulator.fixture import Running, start
from tests.restoring.build import tree

_DAY = 86_400


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


class OciSite(Site):
    """The bucket is the emulator's, seen as one of its users."""

    spec: OciTargetSpec

    def session(self) -> Session:
        self.job_changes["target"] = self.spec
        session = Session(self.job(), {})
        session.key._identity = Identity.of_keyring(self.keyring)
        return session

    def see(self, emulator: Running, config_file: str, *, tier: StorageTier = StorageTier.STANDARD) -> None:
        self.spec = OciTargetSpec(
            emulator.bucket,
            emulator.namespace,
            prefix=f"{os.path.basename(os.path.dirname(self.root))}/",
            storage_tier=tier,
            region="us-ashburn-1",
            endpoint=emulator.url,
            auth=AuthSpec(config_file=config_file),
        )

    def data_names(self) -> list[str]:
        session = self.session()
        try:
            return [item.name for item in session.target.list() if "/data/" in item.name]
        finally:
            session.close()


@pytest.fixture
def remote(folder: str, emulator: Running) -> OciSite:
    site = OciSite(f"{folder}/site")
    site.see(emulator, emulator.owner.config_file)
    return site


def _two_snapshots(site: Site) -> None:
    site.write("a", os.urandom(1000))
    site.apply()
    site.write("a", os.urandom(2000))
    site.apply()
    site.retention = Retention(keep_last=1)


@pytest.mark.parametrize(("tier", "days"), [(StorageTier.INFREQUENT_ACCESS, 31), (StorageTier.ARCHIVE, 90)])
def test_objects_stay_for_the_days_that_are_charged(
    remote: OciSite, emulator: Running, monkeypatch: pytest.MonkeyPatch, tier: StorageTier, days: int
) -> None:
    remote.see(emulator, emulator.owner.config_file, tier=tier)
    _two_snapshots(remote)
    header, outcome = remote.prune()
    assert outcome.counts == {"forget": 1}
    (note,) = [note for note in header.notes if "kept for now" in note]
    assert note.endswith(f"is no longer needed, but kept for now: {tier} charges at least {days} days")
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + (days * _DAY - 60) * 10**9)
    assert remote.prune()[1].counts == {}
    monkeypatch.setattr(time, "time_ns", lambda: now() + (days * _DAY + 60) * 10**9)
    assert remote.prune()[1].counts == {"delete": 1}
    assert len(remote.data_names()) == 1


def test_a_pack_is_not_repacked_while_its_days_are_charged(remote: OciSite, emulator: Running) -> None:
    remote.see(emulator, emulator.owner.config_file, tier=StorageTier.INFREQUENT_ACCESS)
    remote.write("b", os.urandom(100))
    _two_snapshots(remote)
    assert remote.prune()[1].counts == {"forget": 1}


def test_what_may_not_be_deleted_stays_and_is_named(remote: OciSite, emulator: Running) -> None:
    _two_snapshots(remote)
    no_delete = emulator.new_user("no-delete", deny=("OBJECT_DELETE",))
    remote.see(emulator, no_delete.config_file)
    _, outcome = remote.prune()
    assert outcome.counts == {"forget": 1}
    assert any("could not be deleted" in note for note in outcome.notes), outcome.notes
    # The catalog still knows it.
    assert remote.plan(pruning="none").totals.changes == 0
    before = remote.data_names()
    assert len(before) == 2
    remote.see(emulator, emulator.owner.config_file)
    assert remote.prune()[1].counts == {"delete": 1}
    assert len(remote.data_names()) == 1


def test_what_a_retention_rule_of_the_bucket_holds_is_kept_back_and_named(remote: OciSite, emulator: Running) -> None:
    """Nothing may be overwritten or deleted for a day: runs go on without a lease, prune takes what is free later."""
    bucket = f"held-{os.path.basename(os.path.dirname(remote.root))}"
    client = oci.object_storage.ObjectStorageClient(
        oci.config.from_file(emulator.owner.config_file), service_endpoint=emulator.url
    )
    client.create_bucket(emulator.namespace, {"name": bucket, "compartmentId": "ocid1.compartment.oc1..a"})
    rule = {"displayName": "a day", "duration": {"timeAmount": 1, "timeUnit": "DAYS"}}
    made = client.create_retention_rule(emulator.namespace, bucket, rule)
    remote.spec = replace(remote.spec, bucket=bucket)
    _two_snapshots(remote)
    _, outcome = remote.prune()
    assert outcome.counts == {"forget": 1}
    (note,) = [note for note in outcome.notes if "could not be deleted" in note]
    assert "retention rule of the bucket protects this object" in note
    assert len(remote.data_names()) == 2
    assert _restores(remote)
    client.delete_retention_rule(emulator.namespace, bucket, made.data.id)
    assert remote.prune()[1].counts == {"delete": 1}
    assert len(remote.data_names()) == 1
    shutil.rmtree(f"{remote.root}/out")
    assert _restores(remote)


def test_a_host_that_may_only_add(remote: OciSite, emulator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves its lease behind, and the next run, on another host, goes on without one and says so."""
    adder = emulator.new_user("adder", deny=("OBJECT_DELETE", "OBJECT_OVERWRITE"))
    remote.see(emulator, adder.config_file)
    remote.write("a", b"first")
    _, outcome = remote.apply()
    assert any(note.startswith("the lease stays in the bucket, because policy forbids") for note in outcome.notes)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-pod")
    remote.write("b", b"second")
    _, outcome = remote.apply()
    assert "continuing without a lease, because policy forbids overwriting objects" in outcome.notes
    _restores(remote)
    # Who may overwrite does wait for it.
    remote.see(emulator, emulator.owner.config_file)
    with pytest.raises(BusyError):
        remote.apply()


def _restores(site: Site) -> dict[bytes, Any]:
    goal = f"{site.root}/out"
    assert site.restore(goal).problems == []
    found = tree(os.fsencode(goal))
    assert found == tree(os.fsencode(site.data))
    return found
