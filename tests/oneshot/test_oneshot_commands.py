"""Each command of the table, with each option, as a process."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil


def test_a_file_from_backup_to_restore_and_cleanup(either):
    home = either
    path = home.write("letter", b"first")
    home.run("file", "backup", path)
    (listed,) = home.run("file", "list", "--json")
    assert (listed["local_file_path"], listed["size"], listed["job"]) == ("data/letter", 5, "one-shot")
    assert listed["local_md5_checksum"] == base64.b64encode(hashlib.md5(b"first").digest()).decode()
    (stored,) = home.run("backup", "list", "--json")
    assert stored["id"] == listed["backup_entry_id"]
    assert stored["original_md5_checksum"] == listed["local_md5_checksum"]

    path.write_bytes(b"second!")
    held = home.run("file", "backup", path)
    assert "hold" in held
    assert "data/letter" in held
    assert home.run("file", "list", "--json") == [listed | {"held_back": True}]
    assert "hint: kept: replace it with `--overwrite`" in home.run("file", "restore", str(listed["id"]), code=3)
    assert path.read_bytes() == b"second!"
    home.run("file", "restore", str(listed["id"]), "--overwrite")
    assert path.read_bytes() == b"first"

    path.write_bytes(b"second!")
    home.run("file", "backup", path, "--overwrite")
    assert home.ids() == {"data/letter": listed["id"]}
    path.unlink()
    home.run("file", "restore", str(listed["id"]))
    assert path.read_bytes() == b"second!"

    home.write("other", b"stays")
    path.unlink()
    dry = home.run("file", "cleanup", "--dry-run")
    assert "remove" in dry
    assert home.ids() == {"data/letter": listed["id"]}
    home.run("file", "cleanup")
    assert home.run("file", "list", "--json") == []
    home.run("file", "restore", str(listed["id"]))
    assert path.read_bytes() == b"second!"

    assert len(home.run("backup", "list", "--json")) == 2
    home.run("backup", "cleanup", "--dry-run")
    assert len(home.run("backup", "list", "--json")) == 2
    home.run("backup", "cleanup")
    assert home.run("backup", "list", "--json") == []
    assert not (home.root / "work").exists()


def test_what_was_held_back_is_stored_once_overwrite_is_given(either):
    home = either
    assert "back up something first" in home.call("file", "list").err
    path = home.write("letter", b"first")
    for command in (("file", "backup", path), ("directory", "backup", "--dir-paths", "data")):
        home.run(*command, "--overwrite")
        path.write_bytes(path.read_bytes() + b", and more")
        assert "hold" in home.run(*command)
        assert "update" in home.run(*command, "--overwrite")
        (listed,) = home.run("file", "list", "--json")
        assert (listed["held_back"], listed["size"]) == (False, len(path.read_bytes()))


def test_directories(either):
    home = either
    home.write("docs/a", b"a")
    home.write("docs/deep/b", b"same")
    home.write("docs/c.tmp", b"skipped")
    home.write("docs/cache/d", b"skipped")
    home.write("pictures/e", b"same")
    skip = ["--skip-files", "*.tmp", f"{home.data}/docs/cache"]
    home.run("directory", "backup", "--dir-paths", "data/docs", "data/pictures", *skip)
    ids = home.ids()
    assert sorted(ids) == ["data/docs/a", "data/docs/deep/b", "data/pictures/e"]
    (group,) = home.run("file", "duplicates", "--json").values()
    assert [item["local_file_path"] for item in group] == ["data/docs/deep/b", "data/pictures/e"]
    assert "stored once for 2 files" in home.run("file", "duplicates")
    assert "data/docs/deep/b" in home.run("file", "list")
    assert "container" in home.run("backup", "list")

    home.write("docs/a", b"longer now")
    os.unlink(home.data / "docs/deep/b")
    home.write("docs/new", b"new")
    again = home.run("directory", "backup", "--dir-paths", "data/docs", *skip)
    assert "hold" in again
    assert "no longer exist but stay listed" in again
    assert home.ids() == ids | {"data/docs/new": home.ids()["data/docs/new"]}
    home.run("directory", "backup", "--dir-paths", "data/docs", "--overwrite", *skip)
    home.run("file", "restore", str(ids["data/docs/deep/b"]))
    assert (home.data / "docs/deep/b").read_bytes() == b"same"


def test_force_checksum_finds_what_times_do_not_tell(home):
    path = home.write("docs/a", b"one")
    home.run("directory", "backup", "--dir-paths", "data/docs", "--overwrite")
    times = os.stat(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    plan = home.run("directory", "backup", "--dir-paths", "data/docs", "--overwrite", "--force-checksum", "--json")
    (why,) = [line["why"] for line in plan if line["kind"] == "action" and line["action"] == "update"]
    assert why.startswith("content changed")


def test_a_missing_or_empty_source_stops_the_cleanup(home):
    for number in range(3):
        home.write(f"docs/{number}", b"x")
    home.run("directory", "backup", "--dir-paths", "data/docs")
    shutil.move(home.data / "docs", home.root / "elsewhere")
    home.run("file", "cleanup", code=5)
    assert "hint: nothing was changed" in home.err
    assert len(home.ids()) == 3
    (home.data / "docs").mkdir()
    home.run("file", "cleanup", code=5)
    assert len(home.ids()) == 3
    home.run("file", "cleanup", "--override-guard", "source_missing", "--override-guard", "source_empty")
    assert home.ids() == {}


def test_the_cleanup_of_backups_leaves_what_other_jobs_need(home):
    home.write("docs/a", b"shared")
    home.write("docs/b", b"only one-shot")
    job = home.root / "job.yaml"
    job.write_text(
        "version: 1\nname: other\nsources: [{path: data/docs, skip: [b]}]\n"
        f"target: {{type: directory, path: {home.root}/bucket}}\n"
    )
    home.run("directory", "backup", "--dir-paths", "data/docs")
    home.run("apply", job, "--yes")
    os.unlink(home.data / "docs/b")
    home.run("file", "cleanup")
    home.run("backup", "cleanup")
    home.run("verify", job, "--level", "data")
    assert {item["local_file_path"] for item in home.run("file", "list", "--json")} == {"data/docs/a"}


def test_md5(home):
    path = home.write("a", b"text")
    expected = base64.b64encode(hashlib.md5(b"text").digest()).decode()
    assert home.run("file", "md5", path).strip() == expected
    assert home.run("file", "md5", path, "--json")["md5"] == expected
    home.run("file", "md5", home.root / "nothing", code=1)


def test_encrypt_and_decrypt(home):
    plain = os.urandom(2_500_000)
    path = home.write("a", plain)
    for option, authentic in (((), True), (("--backup-tool",), False)):
        said = home.run("file", "encrypt", path, "sealed", "--overwrite", *option, "--json")
        sealed = (home.root / "sealed").read_bytes()
        assert said["authentic"] is authentic
        assert said["sealed_md5"] == base64.b64encode(hashlib.md5(sealed).digest()).decode()
        assert plain[:1000] not in sealed
        home.run("file", "decrypt", "sealed", "back", "--overwrite")
        assert (home.root / "back").read_bytes() == plain
    home.run("file", "decrypt", "sealed", "back", code=1)
    assert "already exists" in home.err


def test_a_damaged_file_is_not_decrypted(home):
    path = home.write("a", os.urandom(100_000))
    home.run("file", "encrypt", path, "sealed")
    sealed = bytearray((home.root / "sealed").read_bytes())
    sealed[50_000] ^= 1
    (home.root / "sealed").write_bytes(sealed)
    home.run("file", "decrypt", "sealed", "back", code=1)
    assert sorted(p.name for p in home.root.iterdir() if "back" in p.name and p.is_file()) == []
    (home.config.parent / "crypto-key").write_bytes(b"another key 1234")
    home.run("file", "encrypt", path, "other")
    (home.config.parent / "crypto-key").write_bytes(b"test-key-0123456789-abcdefghijkl")
    home.run("file", "decrypt", "other", "back", code=1)
    assert "encrypted to other recipients" in home.err


def test_paths_that_cannot_be_meant(home):
    home.run("file", "backup", "data", code=64)
    home.run("directory", "backup", "--dir-paths", home.write("a", b""), code=64)
    home.run("file", "backup", "data/nothing", code=1)
    home.run("file", "backup", "/etc/hostname", code=1)
    home.run("file", "list", code=1)
    home.run("file", "restore", "7", code=1)


def test_the_job_file_that_would_do_the_same(home):
    home.write("docs/a", b"a")
    home.write("docs/b.tmp", b"b")
    words = ["directory", "backup", "--dir-paths", "data/docs", "--skip-files", "*.tmp", "--overwrite"]
    text = home.run("job", "from-command", "--name", "docs", *words)
    job = home.root / "docs.yaml"
    job.write_text(text)
    home.run("validate", job)
    plan = home.run("plan", job, "--json")
    assert [line["path"] for line in plan if line["kind"] == "action"] == ["data/docs/", "data/docs/a"]
    home.run("job", "from-command", "file", "list", code=64)
    home.run("job", "from-command", "directory", "backup", code=64)
    single = home.run("job", "from-command", "file", "backup", "data/docs/a")
    job.write_text(single)
    plan = home.run("plan", job, "--json")
    assert [line["path"] for line in plan if line["kind"] == "action"] == ["data/docs/a"]


def test_every_help_has_an_example(home):
    for group, commands in {
        "file": ["backup", "list", "restore", "cleanup", "duplicates", "md5", "encrypt", "decrypt"],
        "directory": ["backup"],
        "backup": ["list", "cleanup"],
        "config": ["show"],
        "job": ["from-command"],
        "catalog": ["import-backup-tool"],
    }.items():
        for command in commands:
            before = "--set oci.bucket=other " if group == "config" else ""
            text = " ".join(home.run(group, command, "--help").split())
            assert f"Example: backup-runner {before}{group} {command}" in text


def test_a_cache_file_of_another_run_or_kind_is_left_alone(home):
    home.write("docs/a", b"a")
    home.write("more/b", b"b")
    cache = home.root / "cache.json"
    command = ["directory", "backup", "--cache-file", cache, "--dir-paths"]
    home.run(*command, "data/docs")
    home.run(*command, "data/more")
    cache.write_text(cache.read_text().replace("complete", "interrupted"))
    home.run(*command, "data/docs", code=64)
    assert "Continuing" in home.run(*command, "data/more")
    cache.write_text('{"backup": {"pending_upload": {}, "processed": []}}')
    home.run(*command, "data/docs", code=64)
    assert "backup-tool's" in home.err
    assert "pending_upload" in cache.read_text()
