"""What only a directory can do wrong: names that lead out, full disks, files that others left."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import AccessDenied, ConditionFailed, ObjectExists, ObjectMissing, TargetError
from backup_runner.targets.base import Put
from backup_runner.targets.directory import files as dir_files
from backup_runner.targets.directory.place import Disk
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.targets.directory.temporary import temporary_name

DATA = b"data"
MD5 = md5(DATA, usedforsecurity=False).digest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


@pytest.fixture
def target(root: Path) -> DirectoryTarget:
    return DirectoryTarget(str(root))


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/../../x", "/etc/x", "a//x", "a/", "./a", ".tmp/x", ".lock", "a\0b", "ü", "a b"]
)
def test_names_never_lead_out(target: DirectoryTarget, tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"outside")
    for call in (
        lambda: target.put(name, DATA, md5=MD5),
        lambda: target.get(name),
        lambda: target.delete(name),
    ):
        with pytest.raises(TargetError):
            call()
    assert (tmp_path / "x").read_bytes() == b"outside"


def test_symlinks_are_not_followed(target: DirectoryTarget, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    target.put("l/data/x", DATA, md5=MD5)
    (root / "linked").symlink_to(outside)
    (root / "l" / "data" / "file").symlink_to(outside / "secret")
    with pytest.raises(TargetError, match="symlink"):
        target.put("linked/y", DATA, md5=MD5)
    with pytest.raises(TargetError):
        target.get("linked/secret")
    with pytest.raises(TargetError):
        target.get("l/data/file")
    with pytest.raises(ObjectExists):
        target.put("l/data/file", DATA, md5=MD5)
    assert [found.name for found in target.list()] == ["l/data/x"]
    assert os.listdir(outside) == ["secret"]


def test_a_changed_or_replaced_file_shows_in_the_listing(target: DirectoryTarget, root: Path) -> None:
    stored = target.put("l/data/x", DATA, md5=MD5)
    path = root / "l/data/x"
    path.write_bytes(b"DATA")
    assert target.stat("l/data/x").etag != stored.etag
    path.write_bytes(b"longer than before")
    assert target.stat("l/data/x").size != stored.size


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, TargetError, "no space left"),
        (errno.EROFS, TargetError, "mounted read-only"),
        (errno.EACCES, AccessDenied, "permission denied"),
        (errno.EIO, TargetError, "input/output error"),
    ],
)
def test_disk_errors_say_what_to_do(
    target: DirectoryTarget,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[TargetError],
    words: str,
) -> None:
    """A full disk cannot be had in a test without mounting one, so the write call answers as if."""
    target.put("l/data/a", DATA, md5=MD5)

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(dir_files.os, "pwrite", fail)
    with pytest.raises(kind, match=words) as caught:
        target.put("l/data/b", DATA, md5=MD5)
    assert caught.value.hint
    assert str(root) in caught.value.message
    assert os.listdir(root / ".tmp") == []
    assert [found.name for found in target.list()] == ["l/data/a"]


def test_a_file_system_without_links(target: DirectoryTarget, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(dir_files.os, "link", fail)
    target.put("l/data/x", DATA, md5=MD5)
    with pytest.raises(ObjectExists):
        target.put("l/data/x", b"other", md5=MD5)
    assert target.get("l/data/x") == DATA
    assert os.listdir(root / ".tmp") == []


def test_strays_of_dead_writers_go(root: Path) -> None:
    folder = root / ".tmp"
    folder.mkdir(parents=True)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    here = temporary_name().partition("-")[0]
    random, elsewhere = "0123456789abcdef", "0123456789ab"
    gone, alive = f"{here}-{int(dead.stdout)}-{random}", f"{here}-{os.getpid()}-{random}"
    names = {gone: 0, alive: 2, f"{elsewhere}-1-{random}": 0.5, f"{elsewhere}-2-{random}": 2, "not-1-ours": 2}
    for name, days in names.items():
        (folder / name).write_bytes(b"x")
        then = time.time() - days * 86_400
        os.utime(folder / name, (then, then))
    DirectoryTarget(str(root)).put("l/data/x", DATA, md5=MD5)
    assert sorted(os.listdir(folder)) == sorted([alive, f"{elsewhere}-1-{random}", "not-1-ours"])


def test_reading_creates_nothing(target: DirectoryTarget, root: Path) -> None:
    assert list(target.list()) == []
    with pytest.raises(ObjectMissing):
        target.stat("l/data/x")
    target.delete("l/data/x")
    assert not root.exists()


def test_a_process_killed_while_putting_leaves_no_object(root: Path) -> None:
    """SIGKILL at a random moment of a loop of puts: every name that exists is whole."""
    script = (
        "import sys, hashlib\n"
        "from backup_runner.targets.directory.target import DirectoryTarget\n"
        "target, data = DirectoryTarget(sys.argv[1]), bytes(300_000)\n"
        "print('go', flush=True)\n"
        "for number in range(100_000):\n"
        "    target.put(f'l/data/{number}', data, md5=hashlib.md5(data).digest())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        process.kill()
    found = list(DirectoryTarget(str(root)).list())
    assert found
    assert {item.size for item in found} == {300_000}


def test_replace_after_delete_fails(target: DirectoryTarget) -> None:
    etag = target.put("l/lease", DATA, md5=MD5).etag
    target.delete("l/lease")
    with pytest.raises(ConditionFailed):
        target.put("l/lease", DATA, md5=MD5, condition=Put.REPLACE, etag=etag)


UNMOUNTED = """
import hashlib, os, pickle, subprocess, sys
from backup_runner.errors import TargetError
from backup_runner.targets.directory.target import DirectoryTarget

disk = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "none", disk], check=True)
target = DirectoryTarget(f"{disk}/bucket" if sys.argv[2] == "below" else disk)
put = lambda to, name: to.put(f"{'0' * 32}/data/{name}", b"x", md5=hashlib.md5(b"x").digest())
put(target, "a" * 32)
worker = pickle.loads(pickle.dumps(target))
subprocess.run(["umount", "--lazy", disk], check=True)
for one in (target, worker):
    for act in (lambda: put(one, "b" * 32), lambda: list(one.list())):
        try:
            act()
        except TargetError as error:
            assert "is no longer on the disk" in error.message, error
        else:
            raise SystemExit("went on beside the disk")
print("left", os.listdir(disk))
"""


@pytest.mark.parametrize("where", ["below", "at"])
def test_a_disk_that_is_unmounted_meanwhile_is_not_replaced_by_its_mount_point(tmp_path: Path, where: str) -> None:
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    command = [*alone, sys.executable, "-c", UNMOUNTED, str(tmp_path), where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("left []\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_comes_back_with_another_number_is_no_alarm(tmp_path: Path) -> None:
    """Automounters may do that; the alarm is the file system of a folder above."""
    place = Disk("/proc", 1 << 40)
    place.check()
    with pytest.raises(TargetError, match="is no longer on the disk"):
        Disk(str(tmp_path), 1 << 40).check()
