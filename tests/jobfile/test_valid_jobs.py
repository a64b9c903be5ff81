"""What valid job files come to, and what a job's digest is about."""

import os
import pickle
from copy import deepcopy
from pathlib import Path

import pytest

from backup_runner.jobfile import JobFileError, load, load_one
from backup_runner.spec import (
    CatalogSpec,
    Detect,
    EncryptionSpec,
    Guards,
    Limits,
    Overwrite,
    Retention,
    SkipLine,
    SkipOrigin,
    Source,
    Symlinks,
)
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from backup_runner.targets.oci.spec import AuthMethod, OciTargetSpec, StorageTier

VALID = Path(__file__).parent / "valid"
ENV = {"HOME": "/home/u", "DATA": "/srv/data"}
MINIMAL = (VALID / "minimal.yaml").read_text(encoding="utf-8")


def write(folder, text, name="job.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_minimal_job_gets_the_defaults():
    job = load_one(str(VALID / "minimal.yaml"), env={})
    assert job.base == b""
    assert job.sources == (Source(path=b"/srv/data", key=job.sources[0].key),)
    assert job.sources[0].key.rstrip(b"/") == b"srv/data"
    assert (job.overwrite, job.detect, job.symlinks) == (Overwrite.CHANGED, Detect.CTIME, Symlinks.SKIP)
    assert job.target == DirectoryTargetSpec("/srv/bucket")
    assert job.encryption == EncryptionSpec(key_env="BACKUP_KEY")
    assert job.catalog == CatalogSpec("/srv/catalog.db")
    assert job.retention is None
    assert job.guards == Guards(1, 50, 20, require_mount=False)
    assert job.work_directory == "/srv/catalog.db.work"


def test_the_designs_example():
    job = load_one(str(VALID / "design.yaml"), env=ENV)
    assert job.base == b"/home/u"
    assert [source.key for source in job.sources] == [b"documents", b"photos"]
    assert isinstance(job.target, OciTargetSpec)
    assert job.target.auth.config_file == "/home/u/.oci/config"
    assert job.retention == Retention(keep_last=3, keep_daily=14, keep_weekly=8, keep_monthly=12, keep_within=7 * 86400)


def test_every_key_arrives():
    job = load_one(str(VALID / "everything.yaml"), env=ENV)
    folder = str(VALID)
    a, b = job.sources
    assert (a.path, b.path) == (b"/srv/data/a", b"/srv/data/b")
    assert (a.allow_empty, b.allow_empty) == (True, False)
    assert a.guards == Guards(5, 100, 20, require_mount=False)
    assert b.guards == Guards(0, 100, 20, require_mount=True)
    assert a.skip == b.skip
    assert a.skip[1] == SkipLine("!keep.raw", 5, SkipOrigin.SOURCE)
    assert [line.text for line in job.skip] == ["#literal", "\\#x", "été/"]
    assert (job.overwrite, job.detect, job.symlinks) == (Overwrite.NEVER, Detect.CHECKSUM, Symlinks.STORE)
    target = job.target
    assert isinstance(target, OciTargetSpec)
    assert (target.prefix, target.storage_tier) == ("laptop/anna/", StorageTier.ARCHIVE)
    assert target.ca_bundle == f"{folder}/ca.pem"
    assert target.auth.method is AuthMethod.SESSION_TOKEN
    assert target.limits == Limits(upload=1572864, download=500_000, requests_in_flight=4, listed_objects=5000)
    assert job.encryption == EncryptionSpec(key_command=("pass", "show", "backup"))
    assert job.catalog == CatalogSpec(f"{folder}/cache/catalog.db", remote=True)
    assert job.retention == Retention(
        keep_hourly=1, keep_yearly=2, keep_within=9 * 86400, repack_dead_percent=10, keep_rebuilt=False
    )
    assert job.work_directory == f"{folder}/work"
    assert pickle.loads(pickle.dumps(job)) == job


def test_keys_of_directories_end_in_a_slash(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "elsewhere").mkdir()
    text = MINIMAL.replace("[{path: /srv/data}]", "[{path: link}, {path: file}, {path: dir}, {path: gone}]")
    job = load_one(write(tmp_path, text + "relative_path: .\n"), env={})
    assert [source.key for source in job.sources] == [b"dir/", b"file", b"gone", b"link/"]
    assert job.sources[3].path == os.fsencode(tmp_path / "link")
    assert job.sources[2].covers(b"gone/x")
    assert not job.sources[2].covers(b"gone.txt")


def test_a_source_can_be_the_base_itself(tmp_path):
    text = MINIMAL.replace("/srv/data", ".") + "relative_path: .\n"
    source = load_one(write(tmp_path, text), env={}).sources[0]
    assert source.key == b""
    assert source.covers(b"anything")


def test_the_whole_system():
    job = load_one(str(VALID / "minimal.yaml"), env={})
    assert job.sources[0].path == job.base + b"/" + job.sources[0].key.rstrip(b"/")


def test_a_root_source(tmp_path):
    text = MINIMAL.replace("/srv/data", "/").replace(
        "{type: directory, path: /srv/bucket}", "{type: oci, bucket: b, auth: {method: instance_principal}}"
    )
    job = load_one(write(tmp_path, text), env={})
    assert (job.base, job.sources[0].path, job.sources[0].key) == (b"", b"/", b"")


def test_bytes_that_are_not_utf8_come_in_by_a_variable(tmp_path):
    text = MINIMAL.replace("/srv/data", "'/srv/${NAME}'")
    job = load_one(write(tmp_path, text), env={"NAME": os.fsdecode(b"caf\xe9")})
    assert job.sources[0].path == b"/srv/caf\xe9"
    assert len(job.digest()) == 64


def test_dollar_brace_can_be_meant(tmp_path):
    job = load_one(write(tmp_path, MINIMAL.replace("/srv/data", "'/srv/$${A}/$B'")), env={})
    assert job.sources[0].path == b"/srv/${A}/$B"


def test_json_is_yaml(tmp_path):
    job = load_one(write(tmp_path, MINIMAL.replace("/srv/data", '"/srv/\\ud83d\\ude00"')), env={})
    assert job.sources[0].path == "/srv/😀".encode()


def test_two_leading_slashes_are_one(tmp_path):
    job = load_one(write(tmp_path, MINIMAL.replace("/srv/data", "//srv//data/./x/..")), env={})
    assert job.sources[0].path == b"/srv/data"


def test_home_is_given_or_taken_from_the_environment(tmp_path):
    path = write(tmp_path, MINIMAL.replace("/srv/data", "~/x"))
    assert load_one(path, env={"HOME": "/a"}).sources[0].path == b"/a/x"
    assert load_one(path, env={"HOME": "/a"}, home="/b").sources[0].path == b"/b/x"
    with pytest.raises(JobFileError, match="HOME is not set"):
        load_one(path, env={})


def test_a_byte_order_mark_and_crlf_are_fine(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_one(str(path), env={}).name == "minimal"


CHANGES = {
    "name": ("minimal", "other"),
    "source": ("/srv/data", "/srv/data2"),
    "target": ("/srv/bucket", "/srv/bucket2"),
    "key": ("BACKUP_KEY", "OTHER_KEY"),
    "key kind": ("key_env: BACKUP_KEY", "key_file: /BACKUP_KEY"),
    "catalog": ("catalog.db", "catalog2.db"),
    "skip": ("catalog:", "skip: [a]\ncatalog:"),
    "skip order": ("catalog:", "skip: [b, a]\ncatalog:"),
    "skip of source": ("/srv/data}", "/srv/data, skip: [a]}"),
    "overwrite": ("catalog:", "overwrite: never\ncatalog:"),
    "detect": ("catalog:", "detect: mtime\ncatalog:"),
    "symlinks": ("catalog:", "symlinks: store\ncatalog:"),
    "relative_path": ("catalog:", "relative_path: /srv\ncatalog:"),
    "guards": ("catalog:", "guards: {min_files: 2}\ncatalog:"),
    "allow_empty": ("catalog:", "allow_empty: true\ncatalog:"),
    "retention": ("catalog:", "retention: {keep_last: 2}\ncatalog:"),
    "retention value": ("catalog:", "retention: {keep_last: 3}\ncatalog:"),
    "work_directory": ("catalog:", "work_directory: /w\ncatalog:"),
}


def test_the_digest_moves_with_every_setting(tmp_path):
    texts = [MINIMAL, *(MINIMAL.replace(*change) for change in CHANGES.values())]
    digests = {load_one(write(tmp_path, text), env={}).digest() for text in texts}
    assert len(digests) == len(CHANGES) + 1


def test_the_digest_does_not_see_how_it_is_written(tmp_path):
    first = load_one(str(VALID / "minimal.yaml"), env={}).digest()
    text = "# a comment\n\n" + MINIMAL.replace("/srv/data", "/srv/./data").replace("name: minimal", "name: 'minimal'")
    assert load_one(write(tmp_path, text + "overwrite: changed\n"), env={}).digest() == first


def test_the_digest_is_the_same_tomorrow():
    digest = load_one(str(VALID / "minimal.yaml"), env={}).digest()
    assert digest == "389dd99fb48d092550fb048b5f0f81941b478e71c3c8930bcf2d834fa165fbcf"


def test_defaults_stand_below_the_job(tmp_path):
    text = "version: 1\nname: x\nsources: [{path: /a}]\ntarget: {type: oci, region: r-1}\nguards: {min_files: 3}\n"
    defaults = {
        "catalog": "/c.db",
        "encryption": {"key_file": "~/k"},
        "target": [{"type": "oci", "bucket": "b", "region": "other", "auth": {"method": "instance_principal"}}],
        "guards": {"min_files": 9, "max_delete_percent": 7},
    }
    before = deepcopy(defaults["target"])
    job = load_one(write(tmp_path, text), env=ENV, defaults=defaults)
    assert isinstance(job.target, OciTargetSpec)
    assert (job.target.bucket, job.target.region) == ("b", "r-1")
    assert job.guards == Guards(3, 50, 7, require_mount=False)
    assert job.encryption.key_file == "/home/u/k"
    assert defaults["target"] == before


def test_an_oci_default_leaves_a_directory_target_alone(tmp_path):
    job = load_one(write(tmp_path, MINIMAL), env={}, defaults={"target": [{"type": "oci", "bucket": "b"}]})
    assert job.target == DirectoryTargetSpec("/srv/bucket")


def test_an_error_in_the_defaults_says_where_it_comes_from(tmp_path):
    result = load([write(tmp_path, MINIMAL)], env={}, defaults={"overwrite": "sometimes", "colour": 1})
    assert [("config file" in item.message, item.line) for item in result.diagnostics] == [(True, 1), (True, 1)]
