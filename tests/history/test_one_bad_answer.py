"""One byte of one answer arrives wrong, whichever answer it is: everything comes out as if it had not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backup_runner.errors import BackupRunnerError
from backup_runner.recovery.outcome import Recovered
from backup_runner.repository.heads import head_of, open_record
from backup_runner.repository.keycheck import check_key
from backup_runner.repository.lineage import read_chain
from backup_runner.spec import Retention
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.verifying.run import Level
from tests.history.site import Site
from tests.restoring.build import tree
from tests.support.faulty import FaultyTarget, no_fault
from tests.support.jobs import CUT

PLACES = (0.02, 0.2, 0.35, 0.5, 0.67, 0.98)
"""Where in an answer the byte is: in the header, in stored data, in padding, in the index, in the trailer."""


@dataclass(frozen=True)
class OneBad:
    """Flips a byte in the answer with this number (from 1, over all processes: a file counts them); 0 for none."""

    counter: str
    number: int
    place: float
    """Where in the answer, from 0 to 1."""

    def __call__(self, name: str, result: Any) -> Any:
        if name not in ("get", "get_tail"):
            return result
        data, rest = result if name == "get_tail" else (result, None)
        fd = os.open(self.counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, b".")
        now = os.fstat(fd).st_size
        os.close(fd)
        if now == self.number and data:
            at = min(int(len(data) * self.place), len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        return (data, rest) if name == "get_tail" else data


def _filled(root: Path) -> Site:
    """Two snapshots, small files and composed ones."""
    site = Site(str(root))
    site.policy = CUT
    for number, size in enumerate((1, 900, 3000, 6000)):
        site.write(f"f{number}", os.urandom(size))
    site.apply()
    site.write("f1", os.urandom(901))
    site.apply()
    return site


# -- what is done to it: each makes ready, and returns what is then done; its result is what a person sees of it


def _restored(site: Site) -> object:
    outcome = site.restore(f"{site.root}/back")
    return outcome.problems, outcome.notes, tree(os.fsencode(f"{site.root}/back")) == tree(os.fsencode(site.data))


def _restore(site: Site) -> Callable[[], object]:
    return lambda: _restored(site)


def _verify(site: Site) -> Callable[[], object]:
    def act() -> object:
        found = site.verify(level=Level.DATA, workers=1)
        return found.damaged, found.files, found.notes

    return act


def _headers(site: Site) -> Callable[[], object]:
    def act() -> object:
        found = site.verify(level=Level.HEADERS, workers=1)
        return found.damaged, found.files, found.notes

    return act


def _pull(site: Site) -> Callable[[], object]:
    site.lose_catalog()
    return lambda: (_told(site.pull()), site.snapshots(), site.plan().totals.changes)


def _told(found: Recovered) -> object:
    return found.missing, found.notes


def _rebuild(site: Site) -> Callable[[], object]:
    for name in site.names("copies"):
        os.unlink(f"{site.bucket}/{name}")
    site.lose_catalog()
    return lambda: (_told(site.rebuild()), site.snapshots(), site.plan().totals.changes)


def _rebuild_from_objects(site: Site) -> Callable[[], object]:
    for name in (*site.names("copies"), *site.names("records")):
        os.unlink(f"{site.bucket}/{name}")
    site.lose_catalog()
    return lambda: (sorted(line for line in site.rebuild().missing if "/data/" in line), len(site.snapshots()))


def _adopt(site: Site) -> Callable[[], object]:
    """A run was killed after its pack was put: nobody recorded it."""
    shutil.copytree(os.path.dirname(site.catalog_path), f"{site.root}/before")
    site.write("new", os.urandom(800))
    site.apply()
    os.unlink(f"{site.bucket}/{max(site.names('records'))}")
    shutil.rmtree(os.path.dirname(site.catalog_path))
    os.rename(f"{site.root}/before", os.path.dirname(site.catalog_path))

    def act() -> object:
        _, outcome = site.apply()
        return outcome.counts, outcome.notes, outcome.stored_bytes

    return act


def _repack(site: Site) -> Callable[[], object]:
    os.unlink(f"{site.data}/f3")
    site.apply()
    site.retention = Retention(keep_last=1, repack_dead_percent=1)

    def act() -> object:
        _, outcome = site.prune()
        return {what: n for what, n in outcome.counts.items() if what != "adopt"}, outcome.notes, outcome.problems

    return act


def _key(site: Site) -> Callable[[], object]:
    def act() -> object:
        with closing(site.session()) as session:
            found = check_key(session)
            return found.opens, found.why

    return act


def _recipients(site: Site) -> Callable[[], object]:
    """A machine that knows nothing of the lineage reads who can decrypt and who may write."""
    lineage = bytes.fromhex(site.names("keys")[0].split("/")[0])

    def act() -> object:
        with closing(site.session()) as session:
            found = read_chain(session.target, lineage, session.identity)
            return found and (found.roster, found.notes)

    return act


def _records(site: Site) -> Callable[[], object]:
    def act() -> object:
        with closing(site.session()) as session:
            session.know(site.names("keys")[0].split("/")[0])
            records = [item for item in DirectoryTarget(site.bucket).list() if "/records/" in item.name]
            return [
                (head_of(session.target, session.identity, item)["serial"],
                 open_record(session.target, session.identity, item).index)
                for item in records
            ]  # fmt: skip

    return act


def _drift(site: Site) -> Callable[[], object]:
    """An object is gone, so the plan looks at the newest record, whose machine may have been another one."""
    os.unlink(f"{site.bucket}/{site.names()[0]}")

    def act() -> object:
        header = site.plan()
        return header.problems, header.notes, header.totals.counts

    return act


def _behind(site: Site) -> Callable[[], object]:
    """Another machine's catalog: it follows the bucket's records."""
    shutil.copytree(os.path.dirname(site.catalog_path), f"{site.root}/state1")
    site.write("f2", os.urandom(3001))
    site.apply()
    site.machine = 1
    return lambda: (_told(site.pull()), site.snapshots(), site.plan().totals.changes)


def _forked(site: Site) -> Callable[[], object]:
    """The bucket has a record that this machine's catalog does not know: the plan stops."""
    _behind(site)

    def act() -> object:
        with pytest.raises(BackupRunnerError) as caught:
            site.apply()
        return type(caught.value), caught.value.message

    return act


def _put_back(place: Path) -> None:
    """All but the sources, which are never written to: new ctimes would have them looked at again."""
    for path in (place / "site").iterdir():
        if path.name != "data":
            shutil.rmtree(path)
    shutil.copytree(place / "kept", place / "site", dirs_exist_ok=True)


@pytest.mark.parametrize(
    "scene",
    [
        _restore,
        _verify,
        _headers,
        _pull,
        _rebuild,
        _rebuild_from_objects,
        _adopt,
        _repack,
        _key,
        _recipients,
        _records,
        _drift,
        _behind,
        _forked,
    ],
)
def test_it_comes_out_all_the_same(scene: Callable[[Site], Callable[[], object]], tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    site = _filled(tmp_path / "site")
    act = scene(site)
    shutil.copytree(tmp_path / "site", tmp_path / "kept", ignore=shutil.ignore_patterns("data"))
    shutil.copytree(f"{site.bucket}", tmp_path / "kept/bucket", dirs_exist_ok=True)

    def once(number: int, place: float) -> tuple[object, int]:
        """What it comes to with that answer wrong, and how many answers there were."""
        counter = tmp_path / "answers"
        counter.unlink(missing_ok=True)
        site.target = FaultyTarget(DirectoryTarget(site.bucket), no_fault, altered=OneBad(str(counter), number, place))  # type: ignore[assignment]
        found = act()
        _put_back(tmp_path)
        return found, counter.stat().st_size

    # What is put back has other ctimes, so more is looked at than the first time.
    once(0, 0)
    expected, answers = once(0, 0)
    assert answers > 0
    for number in range(1, answers + 1):
        for place in PLACES:
            found, _ = once(number, place)
            assert found == expected, f"answer {number} of {answers}, at {place}"
