"""Objects in an archive tier: named, thawed when asked, everything else restored."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from backup_runner.errors import ObjectArchived
from backup_runner.records import StoredObject
from backup_runner.targets.base import Properties
from backup_runner.targets.directory.target import DirectoryTarget
from tests.restoring.build import World

_COLD: dict[str, str] = {}
_THAWED: list[tuple[str, int]] = []


class _Archive(DirectoryTarget):
    """A directory in which the objects in `_COLD` answer the way archived ones do."""

    @property
    def properties(self) -> Properties:
        return Properties(archives=True)

    def stat(self, name: str) -> StoredObject:
        return super().stat(name)._replace(tier="Archive", archival_state=_COLD.get(name, "Restored"))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        for one in super().list(prefix):
            yield one._replace(tier="Archive", archival_state=_COLD.get(one.name, "Restored"))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        if name in _COLD:
            raise ObjectArchived(f"{name} is archived")
        return super().get(name, offset, length)

    def restore_archived(self, name: str, hours: int) -> None:
        _THAWED.append((name, hours))


@pytest.fixture
def frozen(world: World) -> World:
    """Three files in three archived objects, of which the first is readable and the last is being thawed."""
    _COLD.clear()
    _THAWED.clear()
    world.tier = "Archive"
    for key in (b"a", b"b", b"c"):
        world.write(key, key * 3000)
        world.back_up()
    world.target = _Archive(f"{world.root}/bucket")
    names = [row[0] for row in world.catalog.conn.execute("SELECT name FROM object ORDER BY id")]
    _COLD.update({names[1]: "Archived", names[2]: "Restoring"})
    return world


def test_what_is_archived_is_named_and_the_rest_restored(frozen: World) -> None:
    outcome = frozen.restore()
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"b", "archived"), (b"c", "archived")]
    assert os.listdir(frozen.out) == [b"a"]
    assert outcome.pending_thaw == 1
    assert outcome.notes[0].startswith("2 archived objects (")
    assert "--thaw" in outcome.notes[0]
    assert _THAWED == []


def test_thawing_is_asked_for_once_an_object(frozen: World) -> None:
    outcome = frozen.restore(thaw=True, thaw_hours=48)
    assert [(next(iter(_COLD)), 48)] == _THAWED
    assert outcome.pending_thaw == 2
    _COLD.clear()
    assert frozen.restore().problems == []


def test_an_object_archived_behind_our_back(frozen: World) -> None:
    frozen.catalog.conn.execute("UPDATE object SET tier = 'Standard'")
    assert {one.kind for one in frozen.restore().problems} == {"archived"}


def put(path: bytes, data: bytes = b"precious") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def test_what_is_on_disk_already_needs_no_thaw(frozen: World) -> None:
    cold, thawed = dict(_COLD), list(_THAWED)
    _COLD.clear()
    frozen.restore()
    _COLD.update(cold)
    outcome = frozen.restore()
    assert (outcome.problems, outcome.counts["unchanged"]) == ([], 3)
    assert thawed == _THAWED


def test_deletion_waits_for_what_replaces_it(frozen: World) -> None:
    """A folder in the place of each file; of these, only the first can be replaced now."""
    for name in (b"/a/old", b"/b/old", b"/c/deep/old", b"/another name"):
        put(frozen.out + name)
    seen = frozen.restore(delete=True, dry_run=True)
    outcome = frozen.restore(delete=True)
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"b", "archived"), (b"c", "archived")]
    assert sorted(os.listdir(frozen.out)) == [b"a", b"another name", b"b", b"c"]
    assert os.path.isfile(frozen.out + b"/a")
    assert os.path.isfile(frozen.out + b"/b/old")
    assert os.path.isfile(frozen.out + b"/c/deep/old")
    # b/, b/old, c/, c/deep/, c/deep/old and the other name.
    note = "6 files and folders are not deleted before the archived files are restored"
    assert [text.split(":")[0] for text in outcome.notes[1:]] == [note]
    assert (seen.counts, seen.notes, seen.problems) == (outcome.counts, outcome.notes, outcome.problems)
    _COLD.clear()
    outcome = frozen.restore(delete=True)
    assert (outcome.problems, outcome.notes) == ([], [])
    assert sorted(os.listdir(frozen.out)) == [b"a", b"b", b"c"]
    assert all(os.path.isfile(frozen.out + name) for name in (b"/a", b"/b", b"/c"))


def test_deletion_does_not_wait_for_what_is_not_needed(frozen: World) -> None:
    cold = dict(_COLD)
    _COLD.clear()
    frozen.restore()
    put(frozen.out + b"/new/file")
    _COLD.update(cold)
    outcome = frozen.restore(delete=True)
    assert (outcome.problems, outcome.counts["deleted"]) == ([], 1)
    assert sorted(os.listdir(frozen.out)) == [b"a", b"b", b"c"]
