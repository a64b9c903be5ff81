"""Folders that restores of ordinary users open are closed again, and no others; a dry run knows which they can open."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import popen_fork  # noqa: F401 - the user may not be able to read the library

import pytest

from backup_runner.catalog import Catalog
from backup_runner.progress import RestoreOutcome, Silent
from backup_runner.records import Flag
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.spec import Overwrite, Source
from tests.restoring.build import World
from tests.support.users import USER, as_user, give_away, open_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs other users")
STRANGER = 1234


@pytest.fixture
def mine() -> Iterator[World]:
    """One of an ordinary user."""
    with open_folder() as root:
        yield World(root)


def _mode(path: bytes) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def _in_place(world: World, *keys: bytes, **options: object) -> RestoreOutcome:
    """The user's restore to where the files were, by a job with these sources."""
    give_away(f"{world.root}/bucket")
    for end in ("", "-wal", "-shm"):
        if os.path.exists(f"{world.root}/catalog.db{end}"):
            os.chown(f"{world.root}/catalog.db{end}", USER, USER)
    os.chown(world.root, USER, USER)

    def act() -> RestoreOutcome:
        world.catalog = Catalog(f"{world.root}/catalog.db", create=False)
        session = world.session()
        sources = tuple(Source(world.base + b"/" + key.rstrip(b"/"), key) for key in keys)
        session.job = replace(session.job, sources=sources)
        return restore(session, RestoreOptions(**options), Silent())  # type: ignore[arg-type]

    return as_user(act)


# -- followed symlinks


@pytest.mark.parametrize("private", [0o700, 0o600, 0o500])
@pytest.mark.parametrize("target", [b"else/", b"z/"])
@pytest.mark.parametrize("more", [(), (b"target",), (b"large",)])
def test_the_folder_that_a_symlink_leads_to_is_opened_not_that_of_the_symlink(
    mine: World, private: int, target: bytes, more: tuple[bytes, ...]
) -> None:
    """That folder may be another source, before the symlink or after it; next to a large file, another process writes
    the small one."""
    world = mine
    world.write(b"private/link", b"mine")
    world.write(b"large/file", bytes(9 << 20) if b"large" in more else b"")
    os.mkdir(world.base + b"/" + target)
    give_away(os.fsdecode(world.base))
    os.chmod(world.base + b"/private", private)
    os.chmod(world.base + b"/" + target, 0o555)
    world.back_up()
    if b"target" not in more:
        world.forget(target)
    os.unlink(world.base + b"/large/file")
    os.unlink(world.base + b"/private/link")
    os.symlink(b"../" + target + b"real", world.base + b"/private/link")
    os.chown(world.base + b"/private/link", USER, USER, follow_symlinks=False)
    sources = (b"private/link", b"large/", *([target] if b"target" in more else []))
    for dry_run in (True, False):
        outcome = _in_place(world, *sources, dry_run=dry_run, workers=2)
        assert (outcome.problems, outcome.notes, outcome.counts["restored"]) == ([], [], 2)
        assert (_mode(world.base + b"/private"), _mode(world.base + b"/" + target)) == (private, 0o555)
    with open(world.base + b"/" + target + b"real", "rb") as file:
        assert file.read() == b"mine"


@pytest.mark.parametrize("owner", [USER, STRANGER])
def test_a_folder_source_is_created_where_its_symlink_leads(mine: World, owner: int) -> None:
    world = mine
    world.write(b"private/docs/file")
    give_away(os.fsdecode(world.base))
    world.back_up()
    os.unlink(world.base + b"/private/docs/file")
    os.rmdir(world.base + b"/private/docs")
    os.symlink(b"../else/docs", world.base + b"/private/docs")
    os.mkdir(world.base + b"/else")
    give_away(os.fsdecode(world.base))
    os.chown(world.base + b"/else", owner, owner)
    os.chmod(world.base + b"/private", 0o500)
    os.chmod(world.base + b"/else", 0o555)
    promised = _in_place(world, b"private/docs/", dry_run=True)
    outcome = _in_place(world, b"private/docs/")
    assert os.path.exists(world.base + b"/else/docs/file") is (owner == USER)
    assert bool(promised.problems) is bool(outcome.problems) is (owner != USER)
    assert (_mode(world.base + b"/private"), _mode(world.base + b"/else")) == (0o500, 0o555)


# -- flags that are set last


@pytest.mark.parametrize("key", [b"folder/file", b"folder/inner/file"])
@pytest.mark.parametrize("chosen", [(), (b"folder/file", b"folder/inner/file")])
def test_folders_that_are_opened_for_flags_are_closed_and_what_is_not_set_is_listed(
    mine: World, key: bytes, chosen: tuple[bytes, ...]
) -> None:
    world = mine
    world.write(key)
    os.chmod(world.base + b"/folder", 0o600)
    give_away(os.fsdecode(world.base))
    world.back_up(flags=0x10 << Flag.CHATTR_SHIFT)
    outcome = world.restore_by_user(*[one for one in chosen if one == key])
    assert [(one.key, one.kind, one.message) for one in outcome.problems] == [
        (key, "attributes", "could not be set: chattr +i (Operation not permitted)")
    ]
    assert outcome.notes == []
    assert _mode(world.out + b"/folder") == 0o600


# -- dry runs


def test_what_is_deleted_in_read_only_folders(mine: World) -> None:
    world = mine
    world.write(b"folder/file")
    give_away(os.fsdecode(world.base))
    world.back_up()
    world.restore_by_user()
    for name in (b"/new", b"/folder/new"):
        os.makedirs(world.out + name + b"/inner")
        for inner in (b"/a", b"/inner/b"):
            with open(world.out + name + inner, "wb") as file:
                file.write(b"x")
    give_away(os.fsdecode(world.out))
    for name in (b"/new/inner", b"/new", b"/folder/new", b"/folder"):
        os.chmod(world.out + name, 0o555)
    promised = world.restore_by_user(delete=True, dry_run=True)
    outcome = world.restore_by_user(delete=True)
    assert (outcome.counts["deleted"], outcome.counts["deleted_folders"], outcome.problems) == (4, 4, [])
    assert (promised.counts, promised.problems) == (outcome.counts, outcome.problems)
    assert os.listdir(world.out + b"/folder") == [b"file"]
    assert _mode(world.out + b"/folder") == 0o555


@pytest.mark.parametrize("owners", [(0, 0), (0, USER), (USER, 0), (STRANGER, STRANGER)])
@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_files_of_others_in_a_sticky_folder(mine: World, overwrite: Overwrite, owners: tuple[int, int]) -> None:
    world = mine
    for name in (b"folder/changed", b"folder/gone"):
        world.write(name)
    os.symlink(b"x", world.base + b"/folder/link")
    give_away(os.fsdecode(world.base))
    world.back_up()
    world.restore_by_user()
    os.unlink(world.out + b"/folder/gone")
    os.unlink(world.out + b"/folder/link")
    for name in (b"/folder/changed", b"/folder/link", b"/folder/surplus"):
        with open(world.out + name, "wb") as file:
            file.write(b"other")
        os.chown(world.out + name, owners[1], owners[1])
    os.chown(world.out + b"/folder", owners[0], owners[0])
    os.chmod(world.out + b"/folder", 0o1777)
    promised = world.restore_by_user(overwrite=overwrite, delete=True, dry_run=True)
    outcome = world.restore_by_user(overwrite=overwrite, delete=True)
    refused = [one.key for one in outcome.problems if one.kind in ("unwritable", "undeleted")]
    replaced = [] if overwrite is Overwrite.NEVER else [b"folder/changed", b"folder/link"]
    assert refused == ([*replaced, b"folder/surplus"] if USER not in owners else [])
    # Attributes, only trying tells.
    outcome.problems = [one for one in outcome.problems if one.kind != "attributes"]
    assert (promised.counts, promised.problems) == (outcome.counts, outcome.problems)


@pytest.mark.parametrize("folder", [0o555, 0o1777])
def test_an_empty_file_where_a_folder_goes_that_cannot_be_replaced(mine: World, folder: int) -> None:
    world = mine
    world.write(b"top/folder/file")
    give_away(os.fsdecode(world.base))
    world.back_up()
    os.makedirs(world.out + b"/top")
    os.chown(world.out, USER, USER)
    with open(world.out + b"/top/folder", "wb"):
        pass
    os.chmod(world.out + b"/top", folder)
    promised = world.restore_by_user(overwrite=Overwrite.ALWAYS, dry_run=True)
    outcome = world.restore_by_user(overwrite=Overwrite.ALWAYS)
    outcome.problems = [one for one in outcome.problems if one.kind != "attributes"]
    assert {one.kind for one in outcome.problems} == {"unwritable", "blocked"}
    assert (promised.counts, promised.problems) == (outcome.counts, outcome.problems)
