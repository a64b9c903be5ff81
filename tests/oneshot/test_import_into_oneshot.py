"""Someone who comes from backup-tool with nothing but its config: import, then the commands as before."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import sqlite3

import pytest

from backup_runner.container.keys import CryptoKey
from backup_runner.contents.legacy_format import encrypt
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget

SIZES = [0, 24_577, 100_001, 6_000_007]


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@pytest.fixture
def old_bucket(emulator):
    """Puts objects where backup-tool would, the large ones in parts, as it did."""
    auth = AuthSpec(config_file=emulator.owner.config_file)
    spec = OciTargetSpec(emulator.bucket, emulator.namespace, endpoint=emulator.url, auth=auth, region="us-ashburn-1")
    target = OciTarget(spec)

    def put(name: str, data: bytes) -> None:
        if len(data) < 5_000_000:
            target.put(name, data, md5=hashlib.md5(data).digest())
            return
        client, place = emulator.client(), (emulator.namespace, emulator.bucket)
        upload = client.create_multipart_upload(*place, {"object": name}).data.upload_id
        parts = []
        for number, start in enumerate(range(0, len(data), 3_000_000), start=1):
            done = client.upload_part(*place, name, upload, number, data[start : start + 3_000_000])
            parts.append({"partNum": number, "etag": done.headers["etag"]})
        client.commit_multipart_upload(*place, name, upload, {"partsToCommit": parts})

    yield put
    target.close()


def test_from_backup_tools_own_config(home, emulator, old_bucket, tmp_path):
    home.config.unlink()
    theirs = home.root / ".backup-tool"
    theirs.mkdir()
    (theirs / "key").write_bytes(b"a-key-of-16-byte")
    (theirs / "key").chmod(0o600)
    (theirs / "config").write_text(
        f"general:\n  database_file: {theirs}/database.sql\n  crypto_key_file: {theirs}/key\n"
        f"  relative_path: {home.root}\n  work_directory: {theirs}/work\n"
        f"oci:\n  config_file: {emulator.owner.config_file}\n  config_section: DEFAULT\n"
        f"  namespace: {emulator.namespace}\n  bucket: {emulator.bucket}\n"
    )
    with sqlite3.connect(theirs / "database.sql") as conn:
        conn.execute(
            "CREATE TABLE backup_entry (id INTEGER PRIMARY KEY, uploaded_file_path, original_md5_checksum, "
            "uploaded_md5_checksum)"
        )
        conn.execute("CREATE TABLE backup_entry_local_file (id INTEGER PRIMARY KEY, backup_entry_id, local_file_path)")
        for number, size in enumerate(SIZES, start=1):
            plain = os.urandom(size)
            home.write(f"docs/{size}", plain)
            sealed = bytearray()
            with open(home.data / f"docs/{size}", "rb") as file:
                encrypt(CryptoKey(b"a-key-of-16-byte"), size, file.read, sealed.extend)
            name = f"{tmp_path.name}-{number}"
            old_bucket(name, bytes(sealed))
            conn.execute(
                "INSERT INTO backup_entry VALUES (?, ?, ?, ?)", (number, name, _md5(plain), _md5(bytes(sealed)))
            )
            row = (number + 70, number, f"data/docs/{size}")
            conn.execute("INSERT INTO backup_entry_local_file VALUES (?, ?, ?)", row)
        sealed = bytearray()
        encrypt(CryptoKey(b"a-key-of-16-byte"), 5, io.BytesIO(b"alone").read, sealed.extend)
        old_bucket(f"{tmp_path.name}-alone", bytes(sealed))
        entry = (9, f"{tmp_path.name}-alone", _md5(b"alone"), _md5(bytes(sealed)))
        conn.execute("INSERT INTO backup_entry VALUES (?, ?, ?, ?)", entry)
    conn.close()
    endpoint = ["--set", f"oci.endpoint={emulator.url}", "--set", "oci.region=us-ashburn-1"]

    home.run(*endpoint, "catalog", "import-backup-tool")
    assert "using backup-tool's config" in home.err
    listed = home.run(*endpoint, "file", "list", "--json")
    assert {item["local_file_path"]: item["id"] for item in listed} == {
        f"data/docs/{size}": number + 71 for number, size in enumerate(SIZES)
    }
    backups = home.run(*endpoint, "backup", "list", "--json")
    assert {item["format"] for item in backups} == {"legacy"}

    before = {size: (home.data / f"docs/{size}").read_bytes() for size in SIZES}
    for number, size in enumerate(SIZES):
        (home.data / f"docs/{size}").unlink()
        home.run(*endpoint, "file", "restore", str(number + 71))
    assert {size: (home.data / f"docs/{size}").read_bytes() for size in SIZES} == before

    emulator.clear_log()
    plan = home.run(*endpoint, "directory", "backup", "--dir-paths", "data/docs", "--json")
    kinds = {line["action"] for line in plan if line["kind"] == "action" and line["type"] == "file"}
    assert kinds == {"touch"}
    assert not [line for line in emulator.log("PutObject") if "/data/" in line["name"]]
    # The listing tells that the old objects are there; none is asked for one by one.
    assert not [line for line in emulator.log("HeadObject") if line["name"].startswith(tmp_path.name)]
    # Now its strong hash is known, a copy is stored as a link.
    home.write("docs/copy", before[100_001])
    plan = home.run(*endpoint, "directory", "backup", "--dir-paths", "data/docs", "--json")
    assert [line["action"] for line in plan if line.get("path") == "data/docs/copy"] == ["link"]
    (home.data / "docs/0").unlink()
    home.run(*endpoint, "file", "cleanup")
    kept = {item["original_md5_checksum"] for item in home.run(*endpoint, "backup", "list", "--json")}
    assert _md5(b"alone") in kept
    home.run(*endpoint, "backup", "cleanup")
    left = {item["original_md5_checksum"] for item in home.run(*endpoint, "backup", "list", "--json")}
    assert left == {_md5(before[size]) for size in SIZES if size}
