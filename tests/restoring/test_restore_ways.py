"""The way to what is restored: the user's own paths are followed, those of a snapshot are not."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from backup_runner.catalog.recording import Meta, NewVersion, Recorder
from backup_runner.progress import RestoreOutcome, Silent
from backup_runner.records import Kind
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.spec import Overwrite, Source
from tests.restoring.build import World


def _in_place(world: World, *keys: bytes, paths: tuple[bytes, ...] = (), **options: object) -> RestoreOutcome:
    """A restore to where the files were, by a job with these sources."""
    session = world.session()
    session.job = replace(session.job, sources=tuple(Source(world.base + b"/" + key.rstrip(b"/"), key) for key in keys))
    return restore(session, RestoreOptions(paths=paths, **options), Silent())  # type: ignore[arg-type]


@pytest.fixture
def home(world: World) -> World:
    """`home` is backed up as a folder, and is a symlink to another disk when it is restored."""
    world.write(b"home/docs/inner/file", b"mine")
    world.back_up()
    world.forget(b"home/", b"")
    os.rename(world.base + b"/home", world.root.encode() + b"/disk")
    os.symlink(b"../disk", world.base + b"/home")
    return world


@pytest.mark.parametrize("overwrite", list(Overwrite))
@pytest.mark.parametrize("sources", [(b"home/docs/",), (b"home/docs",), ()])
def test_a_source_below_a_symlink_is_restored_in_place(
    home: World, overwrite: Overwrite, sources: tuple[bytes, ...]
) -> None:
    shutil.rmtree(home.root + "/disk/docs")
    paths = () if sources else (b"home/docs/inner/file",)
    for dry_run in (True, False):
        outcome = _in_place(home, *sources, paths=paths, overwrite=overwrite, dry_run=dry_run)
        assert outcome.problems == []
        assert outcome.counts["restored"] == 1
    assert Path(home.root, "disk/docs/inner/file").read_bytes() == b"mine"
    assert os.path.islink(home.base + b"/home")


def test_a_source_that_is_a_symlink_to_a_folder_is_restored_where_it_leads(world: World) -> None:
    os.chmod(os.path.dirname(world.write(b"docs/file", b"mine")), 0o750)
    world.back_up()
    shutil.rmtree(world.base + b"/docs")
    os.symlink(b"../disk", world.base + b"/docs")
    os.mkdir(world.root + "/disk", 0o700)
    assert _in_place(world, b"docs/", overwrite=Overwrite.CHANGED).problems == []
    assert Path(world.root, "disk/file").read_bytes() == b"mine"
    assert os.stat(world.root + "/disk").st_mode & 0o7777 == 0o750
    assert os.path.islink(world.base + b"/docs")
    shutil.rmtree(world.root + "/disk")
    assert _in_place(world, b"docs/").problems == []
    assert Path(world.root, "disk/file").read_bytes() == b"mine"


@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_a_source_that_is_a_symlink_to_a_file_is_restored_where_it_leads(world: World, overwrite: Overwrite) -> None:
    world.write(b"notes", b"mine")
    world.back_up()
    os.unlink(world.base + b"/notes")
    os.symlink(b"../disk/real", world.base + b"/notes")
    os.mkdir(world.root + "/disk")
    assert _in_place(world, b"notes", overwrite=overwrite).problems == []
    assert Path(world.root, "disk/real").read_bytes() == b"mine"
    Path(world.root, "disk/real").write_bytes(b"edited")
    outcome = _in_place(world, b"notes", overwrite=overwrite)
    kept = overwrite is Overwrite.NEVER
    assert [one.kind for one in outcome.problems] == (["kept"] if kept else [])
    assert Path(world.root, "disk/real").read_bytes() == (b"edited" if kept else b"mine")
    assert os.readlink(world.base + b"/notes") == b"../disk/real"


@pytest.mark.parametrize("overwrite", list(Overwrite))
def test_a_symlink_below_a_source_is_not_followed(world: World, overwrite: Overwrite) -> None:
    world.write(b"home/docs/inner/file")
    world.back_up()
    os.rename(world.base + b"/home/docs/inner", world.root.encode() + b"/outside")
    os.symlink(world.root + "/outside", world.base + b"/home/docs/inner")
    os.unlink(world.root + "/outside/file")
    outcome = _in_place(world, b"home/docs/", overwrite=overwrite)
    assert {one.kind for one in outcome.problems} == {"blocked"}
    assert os.listdir(world.root + "/outside") == []


def test_with_a_goal_of_its_own_no_symlink_is_followed(home: World) -> None:
    os.makedirs(home.out)
    os.mkdir(home.root + "/outside")
    os.symlink(home.root + "/outside", home.out + b"/home")
    session = home.session()
    session.job = replace(session.job, sources=(Source(home.base + b"/home/docs", b"home/docs/"),))
    outcome = restore(session, RestoreOptions(to=home.out), Silent())
    assert {one.kind for one in outcome.problems} == {"blocked"}
    assert os.listdir(home.root + "/outside") == []


def test_a_symlink_that_a_snapshot_brings_is_not_followed(home: World) -> None:
    """Its holder could have chosen where it leads."""
    os.mkdir(home.root + "/outside")
    snapshot = home.back_up()
    recorder = Recorder(home.catalog, home.store.id, home.job_id, snapshot)
    recorder.put_versions([NewVersion(b"home", Meta(Kind.SYMLINK, 0, 0, 0, 0o777, 0, 0, link=b"../outside"), None)])
    os.unlink(home.base + b"/home")
    os.symlink(b"../outside", home.base + b"/home")
    outcome = _in_place(home, b"home/docs/", at="1")
    assert outcome.problems == []
    shutil.rmtree(home.root + "/outside/docs")
    outcome = _in_place(home, b"home/docs/")
    assert os.listdir(home.root + "/outside") == []


@pytest.mark.parametrize("paths", [(), (b"a/b/c/file",)])
def test_files_whose_folders_have_no_rows_are_restored(world: World, paths: tuple[bytes, ...]) -> None:
    world.write(b"a/b/c/file")
    world.write(b"a/other/file")
    world.back_up()
    world.forget(b"a/", b"a/b/c/")
    outcome = world.restore(*paths)
    assert outcome.problems == []
    assert Path(os.fsdecode(world.out), "a/b/c/file").read_bytes() == b"text"
    assert Path(os.fsdecode(world.out), "a/other/file").exists() is not bool(paths)
