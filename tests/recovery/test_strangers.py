"""Objects that somebody without the key put under the names of records, copies and leases: counted, named, passed over.

And records by somebody who has one store's key, pulled into a catalog that has another store as well."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from backup_runner.container import ObjectId, ObjectKind, seal_object
from backup_runner.container.keys import CryptoKey
from backup_runner.errors import CatalogError
from backup_runner.options import Level
from backup_runner.spec import CatalogSpec
from tests.history.site import CheapKeyring, Site
from tests.support.jobs import catalog_digest
from tests.support.measured import forget_peak, peak

STRANGER = CheapKeyring(CryptoKey(b"a stranger's key"))


@pytest.fixture
def two(site: Site) -> Site:
    """A site with two records."""
    for number in range(2):
        site.write(f"f{number}", secrets.token_bytes(100))
        site.apply()
    return site


def lineage_of(site: Site) -> str:
    return site.names("records")[0].partition("/")[0]


def plant(site: Site, name: str, data: bytes) -> Path:
    path = Path(site.bucket) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sealed(object_id: ObjectId, keyring: CheapKeyring, lines: Iterable[object], salt: bytes = bytes(32)) -> bytes:
    return seal_object(object_id, keyring, salt, b"\n".join(orjson.dumps(line) for line in lines) + b"\n")


def record(lineage: str, serial: int, keyring: CheapKeyring, *lines: object, previous: str = "") -> bytes:
    head = {"record": 1, "lineage": lineage, "serial": serial, "previous": previous, "salt": "00" * 32,
            "jobs": ["work"], "created_ns": time.time_ns()}  # fmt: skip
    return sealed(ObjectId.record(bytes.fromhex(lineage), serial), keyring, [head, *lines])


def restored(site: Site) -> dict[str, bytes]:
    back = Path(f"{site.root}/back")
    shutil.rmtree(back, ignore_errors=True)
    site.restore(str(back))
    return {path.name: path.read_bytes() for path in back.rglob("*") if path.is_file()}


def there(site: Site) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(site.data).iterdir()}


NOISE = {
    "one byte under the highest number": lambda lineage: (f"{lineage}/records/{10**16 - 1}", b"x"),
    "one byte under the next number": lambda lineage: (f"{lineage}/records/{3:016d}", b"x"),
    "another key's record": lambda lineage: (f"{lineage}/records/{3:016d}", record(lineage, 3, STRANGER)),
    "another key's, far ahead": lambda lineage: (f"{lineage}/records/{10**15}", record(lineage, 10**15, STRANGER)),
    "another key's copy": lambda lineage: (
        f"{lineage}/copies/{'ab' * 16}",
        sealed(ObjectId(bytes.fromhex(lineage), ObjectKind.COPIES, b"\xab" * 16), STRANGER, [{"copy": 1}]),
    ),
    "an empty copy": lambda lineage: (f"{lineage}/copies/{'ab' * 16}", b""),
    "another lineage": lambda _: (f"{'cd' * 16}/records/{1:016d}", record("cd" * 16, 1, STRANGER)),
    "a lease of another key": lambda lineage: (
        f"{lineage}/lease/{'00' * 16}",
        seal_object(ObjectId(bytes.fromhex(lineage), ObjectKind.LEASE, bytes(16)), STRANGER, bytes(32), b"{}"),
    ),
}


@pytest.mark.parametrize("what", NOISE)
def test_nothing_that_a_stranger_puts_there_stops_anything(two: Site, what: str) -> None:
    name, data = NOISE[what](lineage_of(two))
    path = plant(two, name, data)
    before = forget_peak()
    two.plan()
    two.write("more", b"more")
    assert two.apply()[1].status == "complete"
    for how in ("pull", "rebuild"):
        two.lose_catalog()
        found = getattr(two, how)()
        assert found.missing == []
        said = " ".join(found.notes)
        assert ("records" not in name and "copies" not in name) or "cd" in name or name in said, said
        assert restored(two) == there(two)
    two.write("even more", b"even more")
    assert two.apply()[1].status == "complete"
    two.lose_catalog()
    two.pull()
    assert restored(two) == there(two)
    assert "lease" in name or path.read_bytes() == data
    assert peak() - before < 300 << 10


def test_a_bucket_full_of_noise_is_not_followed_for_ever(two: Site) -> None:
    lineage = lineage_of(two)
    for serial in range(10**15, 10**15 + 400):
        plant(two, f"{lineage}/records/{serial}", b"x")
        plant(two, f"{lineage}/copies/{secrets.token_hex(16)}", b"x")
    two.plan()
    two.lose_catalog()
    found = two.pull()
    assert found.serial == 2
    assert len(found.notes) < 10
    assert restored(two) == there(two)


def test_a_huge_sparse_record_is_not_fetched(two: Site) -> None:
    path = plant(two, f"{lineage_of(two)}/records/{3:016d}", b"BKRUNNER")
    os.truncate(path, 6 << 30)
    two.lose_catalog()
    started = time.monotonic()
    assert two.pull().serial == 2
    assert time.monotonic() - started < 10
    # Nor is one whose header is a copy of a sound one.
    first = Path(two.bucket) / two.names("records")[1]
    os.truncate(first, 6 << 30)
    two.lose_catalog()
    found = two.pull()
    assert found.serial == 1
    assert first.name in " ".join(found.notes)
    assert time.monotonic() - started < 20


def test_a_lease_of_four_tebibytes(two: Site) -> None:
    path = plant(two, f"{lineage_of(two)}/lease/{'00' * 16}", b"x")
    os.truncate(path, 4 << 40)
    two.write("more", b"more")
    assert two.apply()[1].status == "complete"


# -- records of one store do not reach another


HOSTILE: dict[str, list[object]] = {
    "deletes a row of another store": [["-", "path", -1]],
    "deletes its own id zero": [["-", "version", 0]],
    "changes a row of another store": [["job", -1, "taken over"]],
    "an id that leaves no room above": [["job", 1 << 62, "last"]],
    "refers to another store's job": [["path", 5, -3, "x"]],
    "an object of another lineage": [
        ["object", 9, f"{'ef' * 16}/data/{'ab' * 16}", 1, 1, "", "", None, "", "", "Standard", 1, "live", 0]
    ],
    "an object that is a record": [
        ["object", 9, "{lineage}/records/0000000000000001", 1, 1, "", "", None, "", "", "Standard", 1, "live", 0]
    ],
    "a path that leads out": [["path", 9, 1, "../../etc/passwd"]],
    "an absolute path": [["path", 9, 1, "/etc/passwd"]],
    "a number that is a text": [["held", 1, "1", 1, 1]],
    "refers to what is not there": [["path", 9, 77, "x"]],
    "an unknown table": [["store", 1, "x"]],
    "a column too many": [["job", 7, "x", "y"]],
    "no row": [{"job": 7}],
    "a scope that is no JSON": [["snapshot", 7, 1, 1, 1, 1, "complete", "p", "[", "{}"]],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_rows_lie_within_their_store_or_the_whole_is_refused(folder: str, what: str) -> None:
    shared = CatalogSpec(f"{folder}/shared.db")
    ours = Site(f"{folder}/ours", job_changes={"catalog": shared})
    ours.write("a", b"ours")
    ours.apply()
    ours.write("b", b"ours too")
    ours.apply()
    theirs = Site(f"{folder}/theirs", keyring=STRANGER)
    theirs.write("c", b"theirs")
    theirs.apply()
    lineage = lineage_of(theirs)
    first = Path(theirs.bucket) / theirs.names("records")[0]
    import hashlib

    previous = hashlib.sha256(first.read_bytes()).hexdigest()
    lines: list[Any] = orjson.loads(orjson.dumps(HOSTILE[what]).replace(b"{lineage}", lineage.encode()))
    head = {"record": 1, "lineage": lineage, "serial": 2, "previous": previous, "salt": "00" * 32, "jobs": ["work"],
            "created_ns": time.time_ns()}  # fmt: skip
    object_id = ObjectId.record(bytes.fromhex(lineage), 2)
    with closing(theirs.session()) as session:
        sealing = session.keys(session.need_store()[1]).sealing
    payload = b"\n".join(orjson.dumps(line) for line in [head, *lines]) + b"\n"
    plant(theirs, object_id.name, sealing.whole(object_id, payload))
    before = catalog_digest(shared.path)
    into = Site(f"{folder}/theirs", keyring=STRANGER, job_changes={"catalog": shared})
    with pytest.raises(CatalogError):
        into.pull()
    assert catalog_digest(shared.path) == before
    # In a catalog of its own as well.
    alone = Site(f"{folder}/theirs", keyring=STRANGER, machine=5)
    with pytest.raises(CatalogError):
        alone.pull()


# -- a lineage that was given up


def test_a_retired_lineage_that_is_put_back_is_refused(site: Site, folder: str) -> None:
    from backup_runner.options import ApplyOptions

    site.write("a", b"secret that was deleted since")
    site.apply()
    old = lineage_of(site)
    shutil.copytree(f"{site.bucket}/{old}", f"{folder}/kept")
    shutil.rmtree(f"{site.bucket}/{old}")
    for suffix in ("", "-wal", "-shm"):
        Path(site.catalog_path + suffix).unlink(missing_ok=True)
    site.write("a", b"now")
    site.apply(apply_options=ApplyOptions(workers=1, new_lineage=True))
    new = lineage_of(site)
    assert new != old
    shutil.rmtree(f"{site.bucket}/{new}")
    shutil.copytree(f"{folder}/kept", f"{site.bucket}/{old}")
    for suffix in ("", "-wal", "-shm"):
        Path(site.catalog_path + suffix).unlink(missing_ok=True)
    for how in (site.pull, site.rebuild):
        with pytest.raises(CatalogError, match="was last seen in lineage"):
            how()
        assert not Path(site.catalog_path).exists()
    # Whoever names it may have it.
    assert site.rebuild(lineage=old).serial == 1
    site.lose_catalog()
    assert site.pull(lineage=old).serial == 1


# -- verify


def verified(site: Site) -> tuple[list[str], str]:
    """Names of what verify calls damaged, and its notes."""
    found = site.verify(level=Level.DATA)
    return [name for name, _ in found.damaged], " ".join(found.notes)


@pytest.mark.parametrize("what", [*NOISE, "a name that no record has"])
def test_verify_passes_over_what_a_stranger_put_there(two: Site, what: str) -> None:
    odd = lambda lineage: (f"{lineage}/records/zz", b"x")  # noqa: E731
    lineage = lineage_of(two)
    name, data = NOISE.get(what, odd)(lineage)
    plant(two, name, data)
    for _ in range(2):
        damaged, notes = verified(two)
        assert damaged == []
        named = f"ignored 1 object(s) with names of records that this key cannot decrypt: {name}"
        assert (named in notes) == (f"{lineage}/records/" in name), notes
        # An apply goes round it, so that it lies between records.
        two.write("more", b"more")
        two.apply()


def test_verify_names_records_of_ours_that_became_noise(two: Site) -> None:
    for number in range(2):
        two.write(f"more{number}", b"more")
        two.apply()
    plant(two, f"{lineage_of(two)}/records/{5:016d}", b"noise")
    names = two.names("records")
    sound = {name: Path(two.bucket, name).read_bytes() for name in names}
    for name in names[:4]:
        for bad in (b"junk", sound[name][:-1] + bytes([sound[name][-1] ^ 1]), sound[names[0]]):
            if bad != sound[name]:
                plant(two, name, bad)
                damaged, notes = verified(two)
                assert name in damaged
                assert names[4] not in damaged
                assert names[4] in notes
        plant(two, name, sound[name])
    assert verified(two)[0] == []
