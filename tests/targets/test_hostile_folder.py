"""A bucket folder that a second user can write to: what they put there deletes, overwrites, hangs and blocks nothing.

The attacker is another user where the tests run as root, as apply does on most servers; elsewhere the same user."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import BackupRunnerError, ObjectExists, ObjectMissing, TargetError
from backup_runner.targets.base import Put
from backup_runner.targets.directory.target import DirectoryTarget
from tests.support.jobs import Home

NOBODY = 65534
DATA = b"data"
MD5 = md5(DATA, usedforsecurity=False).digest()
STRAY = "0123456789ab-1-0123456789abcdef"
"""Looks like the temporary file of another machine's dead writer."""
LONG_AGO = time.time() - 3 * 86_400


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder that other users can pass through, with a bucket that all may write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "bucket").mkdir()
    (folder / "bucket").chmod(0o777)
    precious = folder / "precious"
    precious.mkdir(mode=0o700)
    for name in (STRAY, "data", "parts", "meta", "x"):
        (precious / name).write_bytes(b"precious")
        os.utime(precious / name, (LONG_AGO, LONG_AGO))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bucket(top: Path) -> Path:
    return top / "bucket"


@pytest.fixture
def target(bucket: Path) -> DirectoryTarget:
    return DirectoryTarget(str(bucket))


def attack(bucket: Path, script: str, *arguments: str) -> None:
    """Run `script` in the bucket's folder as the other user."""
    other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*other, "/bin/sh", "-ec", script, "sh", *arguments], cwd=bucket, check=True, timeout=30)


def intact(top: Path) -> None:
    assert {path.name: path.read_bytes() for path in (top / "precious").iterdir()} == dict.fromkeys(
        (STRAY, "data", "parts", "meta", "x"), b"precious"
    )


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 30


# -- nothing foreign is deleted


@pytest.mark.parametrize("name", [".tmp", ".uploads", "0123"])
def test_a_symlink_in_place_of_a_folder_is_refused(target: DirectoryTarget, top: Path, name: str) -> None:
    attack(top / "bucket", 'ln -s "$2" "$1"', name, str(top / "precious"))
    for act in (
        lambda: target.put("0123/data/a", DATA, md5=MD5),
        lambda: target.abort_upload("0123/data/a", "0" * 32),
        lambda: target.get("0123/x"),
        lambda: target.delete("0123/x"),
    ):
        with contextlib.suppress(BackupRunnerError):
            act()
    with pytest.raises(TargetError, match="symlink"):
        target.abort_upload("0123/data/a", "0" * 32)
        target.put("0123/data/b", DATA, md5=MD5)
    assert [item.name for item in target.list() if item.name == "0123/x"] == []
    intact(top)


def test_strays_that_are_symlinks_to_folders_lead_nowhere(target: DirectoryTarget, top: Path) -> None:
    attack(top / "bucket", 'mkdir -m 777 .tmp; ln -s "$1" ".tmp/$2"', str(top / "precious"), STRAY)
    target.put("l/data/a", DATA, md5=MD5)
    intact(top)


def test_only_names_of_our_own_are_deleted_as_strays(target: DirectoryTarget, bucket: Path) -> None:
    folder = bucket / ".tmp"
    (folder / STRAY).mkdir(parents=True)
    for path in (folder / STRAY / "data", folder / STRAY / "theirs", folder / "theirs", folder / "a-1-b"):
        path.write_bytes(b"x")
    for path in (folder / "theirs", folder / "a-1-b", folder / STRAY):
        os.utime(path, (LONG_AGO, LONG_AGO))
    target.put("l/data/a", DATA, md5=MD5)
    assert sorted(os.listdir(folder)) == sorted([STRAY, "theirs", "a-1-b"])
    assert os.listdir(folder / STRAY) == ["theirs"]


def test_aborting_an_upload_deletes_the_files_of_an_upload_alone(target: DirectoryTarget, top: Path) -> None:
    folder = top / "bucket" / ".uploads"
    folder.mkdir()
    one, two, three = (digit * 32 for digit in "123")
    (folder / one).symlink_to(top / "precious")
    for upload, names in ((two, ("data", "meta", "parts")), (three, ("data", "theirs"))):
        (folder / upload).mkdir()
        for name in names:
            (folder / upload / name).write_bytes(b"x")
    for upload in (one, two, three, "../l"):
        target.abort_upload("l/data/a", upload)
    intact(top)
    assert sorted(os.listdir(folder)) == [one, three]
    assert os.listdir(folder / three) == ["theirs"]


# -- nothing foreign is overwritten


@pytest.mark.parametrize("name", [".lock", "l/data/a", "l/lease"])
def test_symlinks_to_files_are_neither_written_nor_made_nor_read(
    target: DirectoryTarget, top: Path, bucket: Path, name: str
) -> None:
    attack(bucket, 'mkdir -p l/data; chmod 777 l l/data; ln -s "$2" "$1"', name, str(top / "made"))
    for act in (
        lambda: target.put("l/data/a", DATA, md5=MD5),
        lambda: target.put("l/lease", DATA, md5=MD5, condition=Put.REPLACE, etag="x"),
        lambda: target.get("l/data/a"),
        lambda: target.delete("l/data/b"),
    ):
        with contextlib.suppress(BackupRunnerError):
            act()
    assert not (top / "made").exists()


SWAP = """
end=$(($(date +%s) + 4))
while [ "$(date +%s)" -lt "$end" ]; do
  mv -T l/data l/real 2>/dev/null && ln -sT "$1" l/data 2>/dev/null; rm -f l/data; mv -T l/real l/data 2>/dev/null
done
"""


def test_a_folder_that_is_swapped_all_the_time_never_leads_out(
    target: DirectoryTarget, top: Path, bucket: Path
) -> None:
    attack(bucket, "mkdir -p l/data; chmod 777 l l/data")
    other = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*other, "/bin/sh", "-c", SWAP, "sh", str(top / "precious")]
    stored = 0
    with subprocess.Popen(command, cwd=bucket) as swapping:
        while swapping.poll() is None:
            with contextlib.suppress(BackupRunnerError):
                target.put(f"l/data/{stored:08d}", DATA, md5=MD5)
                stored += 1
                target.delete("l/data/x")
    assert stored
    intact(top)


# -- nothing hangs


@pytest.mark.parametrize("kind", ["mkfifo", "mkdir", "ln -s /dev/zero"])
def test_what_is_no_file_is_no_object(target: DirectoryTarget, bucket: Path, kind: str) -> None:
    attack(bucket, f"mkdir -p l/data; chmod 777 l l/data; {kind} l/data/a")
    for act in (
        lambda: target.get("l/data/a"),
        lambda: target.get_tail("l/data/a", 10),
        lambda: target.stat("l/data/a"),
    ):
        with pytest.raises((ObjectMissing, TargetError)):
            act()
    assert list(target.list()) == []
    with pytest.raises(ObjectExists):
        target.put("l/data/a", DATA, md5=MD5)
    target.delete("l/data/a")


@pytest.mark.parametrize("kind", ["mkfifo", "mkdir"])
def test_a_lock_that_is_no_file_is_named(target: DirectoryTarget, bucket: Path, kind: str) -> None:
    attack(bucket, f"{kind} .lock")
    target.put("l/lease", DATA, md5=MD5)
    with pytest.raises(TargetError, match=r"\.lock is not a regular file"):
        target.delete("l/lease")


def test_a_lock_that_somebody_else_keeps_is_waited_for_in_vain_and_named(top: Path, bucket: Path) -> None:
    attack(bucket, "touch .lock; chmod 666 .lock")
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys, time\nfile = open(sys.argv[1])\nfcntl.flock(file, fcntl.LOCK_EX)\n"
         "print('held', flush=True)\ntime.sleep(60)", str(bucket / ".lock")], stdout=subprocess.PIPE
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        target = DirectoryTarget(str(bucket))
        target.put("l/lease", DATA, md5=MD5)
        with pytest.raises(TargetError, match="was locked by another process"):
            target.delete("l/lease")
    finally:
        holder.kill()
        holder.wait()


def test_names_that_no_object_can_have_are_passed_over(target: DirectoryTarget, bucket: Path) -> None:
    target.put("l/data/a", DATA, md5=MD5)
    for name in (b"\xff", "ü".encode(), b"a b", b"new\nline"):
        Path(os.fsdecode(os.fsencode(bucket) + b"/l/data/" + name)).write_bytes(b"x")
    assert [item.name for item in target.list()] == ["l/data/a"]


def test_folders_nested_without_end(target: DirectoryTarget, bucket: Path) -> None:
    target.put("m/data/a", DATA, md5=MD5)
    kept = os.getcwd()
    for start in (bucket, bucket / "m" / "data"):
        os.chdir(start)
        try:
            for _ in range(1500):
                os.mkdir("l")
                os.chdir("l")
        finally:
            os.chdir(kept)
    assert [item.name for item in target.list()] == ["m/data/a"]
    subprocess.run(["rm", "-rf", str(bucket)], check=True)


def test_a_whole_job_over_a_folder_full_of_traps(top: Path, bucket: Path) -> None:
    """Backed up, trapped, backed up again: what was replaced is named and stored again, the rest untouched."""
    home = Home(str(top))
    home.write("a", b"first")
    home.apply()
    (lineage,) = [path.name for path in bucket.iterdir() if len(path.name) == 32]
    (stored,) = (bucket / lineage / "data").iterdir()
    stored.unlink()
    os.mkfifo(stored)
    os.mkfifo(bucket / lineage / "data" / ("f" * 32))
    os.mkfifo(bucket / lineage / "copies")
    home.write("b", b"second")
    outcome = home.apply()
    assert outcome.status == "complete", json.dumps(outcome.problems, default=str)
    home.check()


@pytest.mark.parametrize("kind", ["fifo", "folder", "socket"])
def test_a_lease_that_is_no_file_does_not_stop_a_run(
    top: Path, bucket: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(str(top))
    home.write("a", b"first")
    home.apply()
    (lineage,) = [path.name for path in bucket.iterdir() if len(path.name) == 32]
    lease = bucket / lineage / "lease" / ("0" * 32)
    if kind == "fifo":
        os.mkfifo(lease)
    elif kind == "folder":
        lease.mkdir()
    else:
        # From inside of the folder: a socket's path has room for 108 bytes.
        monkeypatch.chdir(lease.parent)
        socket.socket(socket.AF_UNIX).bind(lease.name)
    home.write("b", b"second")
    assert home.apply().status == "complete"
    home.check()
