"""Objects that ask for more scrypt than a command pays for: what is ours is found, or how to find it is named."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from backup_runner.container import Identity, ObjectId
from backup_runner.container.header import new_header
from backup_runner.container.keys import DEFAULT_COST, Cost, CryptoKey, KdfBudget
from backup_runner.container.suite2 import sealer
from backup_runner.container.suite2.founding import found_lineage
from backup_runner.container.suite2.roster import Roster, seal_keys
from backup_runner.errors import CatalogError
from backup_runner.repository.ownkey import _KDF_UNITS
from tests.history.site import KEYRING, CheapKeyring, Site
from tests.recovery.test_strangers import plant, record, restored, there

STRANGER = Identity.of_keyring(CheapKeyring(CryptoKey(b"a stranger's key")))


class PaidKeyring(CheapKeyring):
    """Without scrypt, and yet paid for like it."""

    def stretch(self, salt: bytes, cost: Cost = DEFAULT_COST) -> bytes:
        if (salt, cost) not in self._stretched:
            assert self.budget is not None
            self.budget.spend(cost)
            self._stretched[salt, cost] = super().stretch(salt, cost)
        return self._stretched[salt, cost]


def new_command(site: Site) -> KdfBudget:
    """From here on, the site's key has the budget of one command."""
    budget = KdfBudget(units=_KDF_UNITS)
    site.keyring = PaidKeyring(KEYRING.crypto_key, budget=budget)
    return budget


def plant_lineage(site: Site, stamp: float | None = None) -> None:
    """A lineage by somebody else that is sound: whether our key opens it only scrypt can tell."""
    lineage = found_lineage(STRANGER, salt=os.urandom(32))
    object_id, data = seal_keys(lineage, Roster([]))
    head = {"record": 2, "lineage": lineage.id.hex(), "serial": 1, "previous": "", "salt": "00" * 32, "seed": "00" * 32,
            "jobs": ["work"], "created_ns": time.time_ns()}  # fmt: skip
    first = ObjectId.record(lineage.id, 1)
    for name, sealed in (
        (object_id.name, data),
        (first.name, sealer.seal_object(lineage, first, orjson.dumps(head) + b"\n")),
    ):
        path = plant(site, name, sealed)
        if stamp is not None:
            os.utime(path, (stamp, stamp))


@pytest.fixture
def crowded(site: Site) -> Site:
    """A site with two records, in a bucket that had 80 more lineages put into it later."""
    for name in ("a", "b"):
        site.write(name, name.encode())
        site.apply()
    for _ in range(80):
        plant_lineage(site, time.time() + 60)
    return site


def test_lineages_by_others_do_not_use_up_what_ours_needs(crowded: Site) -> None:
    crowded.lose_catalog()
    budget = new_command(crowded)
    assert crowded.pull().serial == 2
    assert budget.refused > 0
    assert restored(crowded) == there(crowded)
    for how in (crowded.rebuild, crowded.plan, crowded.apply, crowded.verify):
        new_command(crowded)
        how()


def test_where_they_do_the_lineage_can_be_named(crowded: Site) -> None:
    """As if they were older than ours."""
    ours = min(crowded.names("records"), key=lambda name: os.stat(f"{crowded.bucket}/{name}").st_mtime).split("/")[0]
    for path in Path(crowded.bucket).rglob("*"):
        if path.is_file() and ours not in str(path):
            os.utime(path, (1, 1))
    crowded.lose_catalog()
    new_command(crowded)
    with pytest.raises(CatalogError, match="more key derivations than one command makes") as caught:
        crowded.pull()
    assert "--lineage" in str(caught.value.hint)
    new_command(crowded)
    assert crowded.pull(lineage=ours).serial == 2


def test_records_of_suite_1_that_ask_for_scrypt(site: Site) -> None:
    """Sixteen runs each, under the highest numbers, which are tried first."""
    lineage = "ab" * 16
    plant(site, f"{lineage}/records/{1:016d}", record(lineage, 1, KEYRING, ["job", 1, "work"]))
    for serial in range(10**15, 10**15 + 30):
        object_id = ObjectId.record(bytes.fromhex(lineage), serial)
        header, _ = new_header(object_id, STRANGER.keyring, os.urandom(32))
        stanza = header[56:143]
        head = header[:12] + (len(header) + 15 * len(stanza)).to_bytes(4, "big") + header[16:54] + b"\0\x10"
        head += b"".join(stanza[:15] + os.urandom(32) + stanza[47:] for _ in range(16))
        plant(site, object_id.name, head + hashlib.sha256(head).digest() + os.urandom(100))
    budget = new_command(site)
    assert site.pull().serial == 1
    assert budget.refused > 0
    new_command(site)
    site.write("a", b"a")
    assert site.apply()[1].serial == 2
    site.lose_catalog()
    new_command(site)
    assert site.pull().serial == 2
    with closing(site.session()) as session:
        assert session.know(lineage) is not None
