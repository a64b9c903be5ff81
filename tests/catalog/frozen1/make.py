"""Made `site.tar.xz`: run by hand, once, with the tree of commit 3354ba0 as its working directory.

    PYTHONPATH=. python make.py OUT

What that version wrote is what later ones must read for ever: a catalog of migration 1 with its bucket. There are small
and large files (in several objects), hard links, holes, attributes, a name that is not UTF-8, contents of backup-tool,
records, a full copy, an upload in parts that nobody finished, and an apply that died after it had forgotten snapshots
and before its record was in the bucket.
"""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

from backup_runner.applying import large, worker
from backup_runner.applying import paths as pathapplier
from backup_runner.applying.run import apply_plan
from backup_runner.catalog import journal
from backup_runner.jobfile import load_one
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.making import make_plan
from backup_runner.progress import Silent
from backup_runner.repository import commits
from backup_runner.repository.session import Session
from backup_runner.spec import Retention
from backup_runner.targets.base import Tier
from backup_runner.workers.interrupt import Interrupt
from tests.recovery.backup_tool.conftest import KEY, Old, Shell
from tests.support.jobs import ALL_GUARDS

NEVER = Interrupt()
for module in (pathapplier, worker):
    module.SMALL = 1000
large.STRETCH = 2500
MTIME = 1_700_000_000


def write(root: Path, name: str | bytes, data: bytes) -> None:
    path = os.fsencode(root / "data") + b"/" + os.fsencode(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, (MTIME, MTIME))


def session_of(job: Path, **changes: object) -> Session:
    loaded = load_one(str(job), env=os.environ)
    for name, value in changes.items():
        object.__setattr__(loaded, name, value)
    return Session(loaded, dict(os.environ))


def apply(job: Path, **changes: object) -> None:
    session = session_of(job, **changes)
    plan = make_plan(session, PlanOptions(overrides=ALL_GUARDS), Silent())
    outcome = apply_plan(session, plan, ApplyOptions(workers=1, overrides=ALL_GUARDS), Silent(), NEVER)
    assert not outcome.problems, outcome.problems
    plan.close()
    session.close()


def die_before_the_record(job: Path) -> None:
    child = os.fork()
    if not child:
        commits.lines.export_changes = lambda *_: os._exit(9)
        apply(job, retention=Retention(keep_last=1))
    assert os.waitpid(child, 0)[1] >> 8 == 9


def fill(root: Path) -> None:
    old = Old(root)
    (root / "key").write_bytes(KEY)
    (root / "key").chmod(0o600)
    for number, name in ((101, "old/one"), (102, "old/two")):
        old.store(number, name.encode() * 40)
        old.add(number + 1000, name, number, name.encode() * 40, at=MTIME)
        os.utime(root / "data" / name, (MTIME, MTIME))
    old.write()
    for number in range(30):
        write(root, f"small/{number:02}", b"%d" % number * number)
    write(root, "empty", b"")
    write(root, "large", os.urandom(7000))
    write(root, b"odd\xff", b"a name that is not UTF-8")
    os.link(root / "data/large", root / "data/large-too")
    os.symlink("small/01", root / "data/link")
    os.setxattr(root / "data/small/05", "user.kept", b"value")
    with open(root / "data/sparse", "wb") as file:
        file.truncate(300_000)
        file.seek(200_000)
        file.write(os.urandom(3000))
    os.utime(root / "data/sparse", (MTIME, MTIME))


def main(out: str) -> None:
    root = Path(out)
    root.mkdir(parents=True)
    fill(root)
    shell = Shell(root)
    job = shell.job(symlinks="store")
    shell("catalog", "import-backup-tool", "--database", root / "database.sql", job, env={"PYTHONPATH": os.getcwd()})
    apply(job)
    write(root, "small/03", b"changed")
    os.unlink(root / "data/small/04")
    apply(job)
    session = session_of(job)
    cat, store, _ = session.need_store()
    commits.write_copy(cat, store, session.target, session.keyring)
    session.close()
    write(root, "large", os.urandom(6000))
    write(root, "later", b"after the copy")
    apply(job)
    write(root, "small/06", b"what the last apply saw")
    die_before_the_record(job)
    session = session_of(job)
    cat, store, _ = session.need_store()
    name = f"{store.lineage}/data/{'ab' * 16}"
    upload = session.target.begin_upload(name, tier=Tier.JOB)
    journal.begin(cat, store.id, journal.Upload(0, name, upload, b"header", "old", b"gone", 0, 9, 9, None, None))
    cat.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    session.close()
    with tarfile.open(root.parent / "site.tar.xz", "w:xz") as archive:
        for part in ("bucket", "catalog.db", "key", "data"):
            archive.add(root / part, part)


if __name__ == "__main__":
    main(sys.argv[1])
