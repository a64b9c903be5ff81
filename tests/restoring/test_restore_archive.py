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
