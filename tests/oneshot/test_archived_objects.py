"""Objects in the archive tier: imported without being read, thawed by `--set-restore`, restored whole."""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3

from backup_runner.container.keys import CryptoKey
from backup_runner.contents.legacy_format import encrypt
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec, StorageTier
from backup_runner.targets.oci.target import OciTarget

SIZE = 100_001


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def test_an_archived_import_is_thawed_and_restored(oci_home, emulator):
    home, prefix = oci_home
    plain = os.urandom(SIZE)
    path = home.write("a", plain)
    sealed = bytearray()
    with open(path, "rb") as file:
        encrypt(CryptoKey(b"test-key-0123456789-abcdefghijkl"), SIZE, file.read, sealed.extend)
    auth = AuthSpec(config_file=emulator.owner.config_file)
    spec = OciTargetSpec(
        emulator.bucket, emulator.namespace, f"{prefix}/", StorageTier.ARCHIVE, "us-ashburn-1", emulator.url, auth=auth
    )
    target = OciTarget(spec)
    target.put("old-object", bytes(sealed), md5=hashlib.md5(sealed).digest())
    target.close()
    database = home.root / "old.sql"
    with sqlite3.connect(database) as conn:
        conn.execute("CREATE TABLE backup_entry (id, uploaded_file_path, original_md5_checksum, uploaded_md5_checksum)")
        conn.execute("CREATE TABLE backup_entry_local_file (id, backup_entry_id, local_file_path)")
        conn.execute("INSERT INTO backup_entry VALUES (1, 'old-object', ?, ?)", (_md5(plain), _md5(bytes(sealed))))
        conn.execute("INSERT INTO backup_entry_local_file VALUES (1, 1, 'data/a')")
    conn.close()

    home.run("catalog", "import-backup-tool", "--database", database)
    path.unlink()
    home.run("file", "restore", "1", code=3)
    assert not emulator.log("RestoreObjects")
    home.run("file", "restore", "1", "--set-restore", code=3)
    assert len(emulator.log("RestoreObjects")) == 1
    emulator.settings(age=60)
    home.run("file", "restore", "1")
    emulator.settings(age=0)
    assert path.read_bytes() == plain


def test_one_archived_object_does_not_keep_the_others_from_being_imported(oci_home, emulator):
    """The smallest is archived, by a lifecycle rule, and its size is known: it is not what the key is tried on."""
    home, prefix = oci_home
    auth = AuthSpec(config_file=emulator.owner.config_file)
    database = home.root / "old.sql"
    with sqlite3.connect(database) as conn:
        conn.execute("CREATE TABLE backup_entry (id, uploaded_file_path, original_md5_checksum, uploaded_md5_checksum)")
        conn.execute(
            "CREATE TABLE backup_entry_local_file (id, backup_entry_id, local_file_path, cached_mtime, cached_size)"
        )
        for number, (size, tier) in enumerate([(10, StorageTier.ARCHIVE), (5000, StorageTier.STANDARD)], start=1):
            plain, sealed = os.urandom(size), bytearray()
            with open(home.write(f"f{number}", plain), "rb") as file:
                encrypt(CryptoKey((home.config.parent / "crypto-key").read_bytes()), size, file.read, sealed.extend)
            spec = OciTargetSpec(
                emulator.bucket, emulator.namespace, f"{prefix}/", tier, "us-ashburn-1", emulator.url, auth=auth
            )
            OciTarget(spec).put(f"o{number}", bytes(sealed), md5=hashlib.md5(sealed).digest())
            row = (number, f"o{number}", _md5(plain), _md5(bytes(sealed)))
            conn.execute("INSERT INTO backup_entry VALUES (?, ?, ?, ?)", row)
            file_row = (number, number, f"data/f{number}", 1.0, size)
            conn.execute("INSERT INTO backup_entry_local_file VALUES (?, ?, ?, ?, ?)", file_row)
    conn.close()
    home.run("catalog", "import-backup-tool", "--database", database)
    assert "data/f1" in home.run("file", "list")
