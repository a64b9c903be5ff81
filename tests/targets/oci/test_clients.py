"""Clients that nobody here wrote, unchanged, against the emulator: oci-cli, ocifs and rclone.

They go into an environment of their own below .tools/, once; where they cannot be installed, the tests are skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running, start
from tests.targets.oci.clients import installed
from tests.targets.oci.site import MIB, Site

MANY = 1005
BIG = (64 << 20) + 12_345


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder with the clients' programs."""
    return installed()


@pytest.fixture(scope="module")
def running(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        auth = AuthSpec(config_file=emulator.owner.config_file)
        spec = OciTargetSpec(emulator.bucket, emulator.namespace, "many/", endpoint=emulator.url, auth=auth)
        target, digest = OciTarget(spec), hashlib.md5(b"x").digest()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: target.put(f"{n:04}", b"x", md5=digest), range(MANY)))
        yield emulator


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big file.bin"
    path.write_bytes(os.urandom(BIG))
    return path


def run(command: list[str], **variables: str) -> str:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def operations(running: Running) -> set[str]:
    found = {line["operation"] for line in running.log()}
    assert not [line for line in running.log() if line["status"] in (400, 401, 403, 500)]
    running.clear_log()
    return found


def test_oci_cli(tools: Path, running: Running, big: Path, tmp_path: Path) -> None:
    running.clear_log()

    def oci(*arguments: str) -> str:
        command = [str(tools / "oci"), "--endpoint", running.url, "--config-file", running.owner.config_file]
        command += ["os", "object", *arguments, "--namespace", running.namespace, "--bucket-name", running.bucket]
        return run(command, OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING="True", SUPPRESS_LABEL_WARNING="True")

    oci("put", "--file", str(big), "--name", "cli/a b/ü", "--part-size", "16")
    listed = json.loads(oci("list", "--all"))["data"]
    assert len([item for item in listed if item["name"].startswith("many/")]) == MANY
    assert [item["size"] for item in listed if item["name"] == "cli/a b/ü"] == [BIG]
    oci("get", "--name", "cli/a b/ü", "--file", str(tmp_path / "part"), "--range", "bytes=1000-1999")
    assert (tmp_path / "part").read_bytes() == big.read_bytes()[1000:2000]
    oci("get", "--name", "cli/a b/ü", "--file", str(tmp_path / "all"))
    assert (tmp_path / "all").read_bytes() == big.read_bytes()
    oci("delete", "--name", "cli/a b/ü", "--force")
    assert [line["status"] for line in running.log("DeleteObject")] == [204]
    assert {"CommitMultipartUpload", "ListObjects", "GetObject", "DeleteObject"} <= operations(running)


OCIFS = """
import sys
from ocifs import OCIFileSystem
url, config, bucket, namespace, big = sys.argv[1:]
fs = OCIFileSystem(config=config, profile="DEFAULT", config_kwargs={"service_endpoint": url})
top = f"{bucket}@{namespace}"
data = open(big, "rb").read()
assert len(fs.ls(f"{top}/many")) == int(MANY)
fs.put(big, f"{top}/fs/big")
assert fs.info(f"{top}/fs/big")["size"] == len(data)
assert fs.cat_file(f"{top}/fs/big", start=1000, end=2000) == data[1000:2000]
with fs.open(f"{top}/fs/written", "wb", block_size=16 << 20) as file:
    file.write(data)
assert fs.cat_file(f"{top}/fs/written") == data
fs.pipe_file(f"{top}/fs/small", b"small")
assert sorted(fs.ls(f"{top}/fs", refresh=True)) == [f"{top}/fs/{name}" for name in ("big", "small", "written")]
fs.rm(f"{top}/fs/small")
fs.rm(f"{top}/fs/big")
fs.rm(f"{top}/fs/written")
fs.invalidate_cache()
assert not fs.exists(f"{top}/fs/small")
"""


def test_ocifs(tools: Path, running: Running, big: Path) -> None:
    running.clear_log()
    script = OCIFS.replace("int(MANY)", str(MANY))
    arguments = [running.url, running.owner.config_file, running.bucket, running.namespace, str(big)]
    run([str(tools / "python"), "-c", script, *arguments], OCIFS_IAM_TYPE="api_key")
    assert {"CommitMultipartUpload", "ListObjects", "GetObject", "DeleteObject"} <= operations(running)


def test_rclone(tools: Path, running: Running, big: Path, tmp_path: Path) -> None:
    running.clear_log()
    config = tmp_path / "rclone.conf"
    config.write_text(
        "[oos]\ntype = oracleobjectstorage\nprovider = user_principal_auth\n"
        f"namespace = {running.namespace}\ncompartment = ocid1.compartment.oc1..emulated\n"
        f"region = us-ashburn-1\nendpoint = {running.url}\n"
        f"config_file = {running.owner.config_file}\nconfig_profile = DEFAULT\n"
    )
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "big").symlink_to(big)
    (source / "sub" / "ü & +.txt").write_bytes(b"small")
    (source / "empty").write_bytes(b"")

    def rclone(*arguments: str) -> str:
        options = ["--config", str(config), "--copy-links", "--retries", "1"]
        options += ["--oos-upload-cutoff", "32M", "--oos-chunk-size", "16M", "--oos-no-check-bucket"]
        return run([str(tools / "rclone"), *arguments, *options])

    top = f"oos:{running.bucket}"
    assert len(rclone("lsf", f"{top}/many").split()) == MANY
    rclone("copy", str(source), f"{top}/rc")
    rclone("check", str(source), f"{top}/rc")
    rclone("check", "--download", str(source), f"{top}/rc")
    assert rclone("lsf", "-R", "--files-only", f"{top}/rc").splitlines() == ["big", "empty", "sub/ü & +.txt"]
    assert rclone("cat", "--offset", "1", "--count", "3", f"{top}/rc/sub/ü & +.txt") == "mal"
    rclone("moveto", f"{top}/rc/empty", f"{top}/rc/moved")
    rclone("copyto", f"{top}/rc/sub/ü & +.txt", f"{top}/rc/copied")
    rclone("delete", f"{top}/rc")
    assert [name for name in rclone("lsf", "-R", "--files-only", top).splitlines() if name.startswith("rc/")] == []
    used = operations(running)
    assert {"CommitMultipartUpload", "ListObjects", "GetObject", "DeleteObject", "CopyObject"} <= used


def test_an_object_of_an_apply_opens_with_recover_alone(tools: Path, running: Running, tmp_path: Path) -> None:
    """What `oci os object get` fetches, docs/recover.py opens: no catalog, none of our modules."""
    site = Site(tmp_path / "recovering", running)
    site.write("docs/a.bin", 100_000)
    site.write("large", 5 * MIB)
    site.apply()
    names = [item.name for item in site.bucket().list() if "/data/" in item.name]
    assert len(names) == 2
    for name in names:
        file = tmp_path / "fetched" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        command = [str(tools / "oci"), "--endpoint", running.url, "--config-file", running.owner.config_file]
        command += ["os", "object", "get", "--namespace", running.namespace, "--bucket-name", running.bucket]
        run([*command, "--name", site.prefix + name, "--file", str(file)], SUPPRESS_LABEL_WARNING="True",
            OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING="True")  # fmt: skip
    script = Path(__file__).parents[3] / "docs" / "recover.py"
    objects = [str(tmp_path / "fetched" / name) for name in names]
    options = ["--key-file", str(site.root / "key"), "--to", str(tmp_path / "opened")]
    # -I: neither the checkout nor anything else is on the import path but the installed libraries.
    run([sys.executable, "-I", str(script), "extract", *objects, *options])
    for path in ("docs/a.bin", "large"):
        assert (tmp_path / "opened" / path).read_bytes() == (site.data / path).read_bytes()
