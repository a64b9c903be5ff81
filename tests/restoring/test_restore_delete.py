"""`restore --delete`: what is deleted, what never is, and that a dry run says the same."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backup_runner.errors import BackupRunnerError, GuardError
from backup_runner.options import RestoreOptions
from backup_runner.progress import RestoreOutcome, Silent, Surplus
from backup_runner.restoring.run import restore
from backup_runner.spec import Guards, Overwrite, SkipLine, SkipOrigin, Symlinks
from backup_runner.spec.sources import Bounds
from tests.restoring.build import World, tree
from tests.support.settling import settled


def names(folder: bytes) -> set[bytes]:
    found = set()
    for place, folders, files in os.walk(folder):
        inner = os.path.relpath(place, folder)
        found |= {os.path.normpath(os.path.join(inner, name)) for name in [*folders, *files]}
    return found


def put(path: bytes, text: bytes = b"new") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text)


def no() -> None:
    """Given as `agree`: do not."""


@pytest.fixture
def shown() -> list[bytes]:
    return []


@pytest.fixture
def deleting(world: World, shown: list[bytes]) -> Callable[..., RestoreOutcome]:
    """A restore with --delete of a snapshot with a few files; it notes what was shown."""
    for key in (b"a/one", b"a/two", b"b/three", b"four"):
        world.write(key)
    world.back_up()
    world.restore()

    def run(
        *paths: bytes, agree: Callable[[], object] = bool, job: dict[str, object] | None = None, **options: object
    ) -> RestoreOutcome:
        def asked(found: Surplus) -> bool:
            shown[:] = found.keys
            agree()
            return agree is not no

        session = world.session()
        session.job = replace(session.job, **({"symlinks": Symlinks.STORE} | (job or {})))  # type: ignore[arg-type]
        given = {"to": world.out, "delete": True, "agree": asked} | options
        return restore(session, RestoreOptions(paths=paths, **given), Silent())  # type: ignore[arg-type]

    return run


def test_restored_folders_become_like_the_snapshot(
    world: World, deleting: Callable[..., RestoreOutcome], shown: list[bytes]
) -> None:
    for name in (b"/a/new", b"/a/deep/er/x", b"/top", b"/b/-"):
        put(world.out + name)
    os.symlink(b"/etc", world.out + b"/b/link")
    os.mkdir(world.out + b"/empty")
    put(world.out + b"/four", b"changed")
    outcome = deleting(overwrite=Overwrite.CHANGED)
    assert outcome.problems == []
    assert tree(world.out) == tree(world.base)
    assert shown == [b"a/deep/", b"a/deep/er/", b"a/deep/er/x", b"a/new", b"b/-", b"b/link", b"empty/", b"top"]
    assert (outcome.counts["deleted"], outcome.counts["deleted_folders"]) == (5, 3)


def test_a_dry_run_shows_the_same_and_changes_nothing(
    world: World, deleting: Callable[..., RestoreOutcome], shown: list[bytes]
) -> None:
    put(world.out + b"/a/deep/x")
    os.unlink(world.out + b"/b/three")
    put(world.out + b"/b/three/inner")  # in the way
    before, told = names(world.out), list[tuple[str, bytes, int]]()
    outcome = deleting(dry_run=True, listen=lambda *what: told.append(what))
    assert names(world.out) == before
    seen, listed = dict(outcome.counts), list(shown)
    outcome = deleting()
    assert (dict(outcome.counts), list(shown)) == (seen, listed)
    assert shown == [b"a/deep/", b"a/deep/x", b"b/three/", b"b/three/inner"]
    assert ("deleted", b"a/deep/x", 3) in told
    assert outcome.problems == []
    assert names(world.out) == names(world.base)


def test_what_is_in_the_way_goes_first(world: World, deleting: Callable[..., RestoreOutcome]) -> None:
    os.unlink(world.out + b"/a/one")
    put(world.out + b"/a/one/x")
    for name in (b"/b/three", b"/b"):
        os.unlink(world.out + name) if name != b"/b" else os.rmdir(world.out + name)
    put(world.out + b"/b", b"a file")
    assert deleting().problems == []
    assert tree(world.out) == tree(world.base)


def test_no_is_no(world: World, deleting: Callable[..., RestoreOutcome]) -> None:
    put(world.out + b"/a/new")
    os.unlink(world.out + b"/four")
    assert deleting(agree=no).declined
    assert b"a/new" in names(world.out)
    assert b"four" not in names(world.out)


def test_only_folders_that_are_restored_as_a_whole(
    world: World, deleting: Callable[..., RestoreOutcome], shown: list[bytes]
) -> None:
    for name in (b"/a/new", b"/b/new", b"/new", b"/a/kept.log", b"/a/sub/x"):
        put(world.out + name)
    for paths in ((b"a/one",), (b"*e",), (b"a/*",)):
        deleting(*paths)
        assert shown == []
    deleting(b"a", exclude=(b"*.log", b"a/sub"))
    assert shown == [b"a/new"]
    assert {b"b/new", b"new", b"a/kept.log", b"a/sub/x"} <= names(world.out)


def test_what_the_job_leaves_out_stays(
    world: World, deleting: Callable[..., RestoreOutcome], shown: list[bytes]
) -> None:
    for name in (b"/a/x.tmp", b"/a/new/y.tmp", b"/a/new/z", b"/cache/.nobackup", b"/cache/w"):
        put(world.out + name)
    put(world.out + b"/b/large", b"0123456789")
    os.symlink(b"one", world.out + b"/a/link")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(world.out + b"/b/socket")
    put(world.out + b"/own.db")
    source = world.session().job.sources[0]
    source = replace(
        source, skip=(SkipLine("*.tmp", 1, SkipOrigin.JOB),), bounds=Bounds(markers=(".nobackup",), max_file_size=9)
    )
    own = replace(world.session().job.catalog, path=os.fsdecode(world.out + b"/own.db"))
    outcome = deleting(job={"sources": (source,), "symlinks": Symlinks.SKIP, "catalog": own})
    assert shown == [b"a/new/", b"a/new/z"]
    assert {b"a/x.tmp", b"a/new/y.tmp", b"cache/w", b"a/link", b"b/socket", b"own.db", b"b/large"} <= names(world.out)
    assert outcome.counts["deleted"] == 1
    assert any("leaves out something in it" in note for note in outcome.notes)


def test_nothing_is_deleted_through_symlinks(
    world: World, deleting: Callable[..., RestoreOutcome], tmp_path: Path
) -> None:
    outside = os.fsencode(tmp_path) + b"/outside"
    put(outside + b"/one")
    put(outside + b"/precious")
    for name in (b"/a/one", b"/a/two"):
        os.unlink(world.out + name)
    os.rmdir(world.out + b"/a")
    os.symlink(outside, world.out + b"/a")
    deleting()
    assert names(outside) == {b"one", b"precious"}


def test_a_folder_swapped_for_a_symlink_after_the_list(
    world: World, deleting: Callable[..., RestoreOutcome], tmp_path: Path
) -> None:
    outside = os.fsencode(tmp_path) + b"/outside"
    put(outside + b"/x")
    put(world.out + b"/a/deep/x")

    def swap() -> None:
        os.rename(world.out + b"/a/deep", world.out + b"/a/moved")
        os.symlink(outside, world.out + b"/a/deep")

    outcome = deleting(agree=swap)
    assert names(outside) == {b"x"}
    assert {problem.kind for problem in outcome.problems} == {"undeleted"}


def test_what_changed_after_the_list_stays(world: World, deleting: Callable[..., RestoreOutcome]) -> None:
    put(world.out + b"/a/new")

    def change() -> None:
        put(world.out + b"/a/other", b"written meanwhile")
        os.rename(world.out + b"/a/other", world.out + b"/a/new")

    outcome = deleting(agree=change)
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"a/new", "undeleted")]


@pytest.mark.parametrize("symlink", [False, True])
def test_several_names_of_one_file_go_together(
    world: World, deleting: Callable[..., RestoreOutcome], *, symlink: bool
) -> None:
    first = world.out + b"/a/s1"
    os.symlink(b"one", first) if symlink else put(first)
    for name in (b"/a/s2", b"/s3", b"/b/three/in/the/way"):
        if name.endswith(b"way"):
            os.unlink(world.out + b"/b/three")
            os.makedirs(os.path.dirname(world.out + name))
        os.link(first, world.out + name, follow_symlinks=False)
    foreseen = dict(deleting(dry_run=True).counts)
    outcome = deleting()
    assert (outcome.problems, dict(outcome.counts)) == ([], foreseen)
    assert outcome.counts["deleted"] == 4
    assert tree(world.out) == tree(world.base)


def test_another_name_of_a_file_that_is_replaced_or_gets_more_names(
    world: World, deleting: Callable[..., RestoreOutcome]
) -> None:
    os.link(world.base + b"/a/one", world.base + b"/a/zero")
    os.link(world.base + b"/b/three", world.base + b"/b/zero")
    world.back_up()
    world.restore()
    for name in (b"/a/one", b"/a/zero", b"/b/three"):
        os.link(world.out + name, world.out + name + b".more")
    put(world.out + b"/a/one", b"changed")
    os.unlink(world.out + b"/b/zero")  # becomes a link to b/three again
    foreseen = dict(deleting(overwrite=Overwrite.CHANGED, dry_run=True).counts)
    outcome = deleting(overwrite=Overwrite.CHANGED)
    assert (outcome.problems, dict(outcome.counts)) == ([], foreseen)
    assert outcome.counts["deleted"] == 3
    assert tree(world.out) == tree(world.base)


@pytest.mark.parametrize("how", ["written", "mode", "attribute", "other"])
def test_what_has_several_names_and_changed_while_the_user_was_asked_stays(
    world: World, deleting: Callable[..., RestoreOutcome], how: str
) -> None:
    one, two = world.out + b"/a/s1", world.out + b"/a/s2"
    put(one)
    os.link(one, two)

    def change() -> None:
        _change(two, how)
        # The file system's clock may be behind ours.
        settled(lambda: os.stat(two).st_ctime_ns)

    outcome = deleting(agree=change)
    assert {(problem.key, problem.kind) for problem in outcome.problems} == {
        (b"a/s1", "undeleted"),
        (b"a/s2", "undeleted"),
    }
    assert {b"a/s1", b"a/s2"} <= names(world.out)


@pytest.mark.parametrize("how", ["written", "mode", "other"])
def test_what_has_several_names_and_changed_during_the_restore_stays(
    world: World, deleting: Callable[..., RestoreOutcome], how: str
) -> None:
    one, two = world.out + b"/a/s1", world.out + b"/a/s2"
    put(one)
    os.link(one, two)
    os.unlink(world.out + b"/four")

    def change(what: str, *_: object) -> None:
        if what == "restored":
            _change(two, how)

    outcome = deleting(listen=change)
    assert (b"a/s2", "undeleted") in {(problem.key, problem.kind) for problem in outcome.problems}
    assert b"a/s2" in names(world.out)


def _change(path: bytes, how: str) -> None:
    if how == "written":
        put(path, b"NEW")
        os.utime(path, (1, 1))
    elif how == "mode":
        os.chmod(path, 0o600)
    elif how == "attribute":
        os.setxattr(path, "user.a", b"1")
    else:
        put(path + b".new", b"other")
        os.replace(path + b".new", path)


def test_the_guard(world: World, deleting: Callable[..., RestoreOutcome]) -> None:
    for number in range(20):
        put(world.out + b"/a/%d" % number)
    with pytest.raises(GuardError, match="max_delete_percent: 20 of 24 files"):
        deleting()
    assert b"a/0" in names(world.out)
    deleting(overrides=frozenset({"max_delete_percent"}))
    assert b"a/0" not in names(world.out)
    for number in range(20):
        put(world.out + b"/a/%d" % number)
    deleting(job={"guards": Guards(max_delete_percent=100)})
    assert b"a/0" not in names(world.out)


def test_an_incomplete_snapshot_is_refused(world: World, deleting: Callable[..., RestoreOutcome]) -> None:
    number = world.back_up(status="partial")
    put(world.out + b"/a/new")
    with pytest.raises(BackupRunnerError, match="is incomplete: --delete would delete"):
        deleting(at=str(number))
    assert b"a/new" in names(world.out)
    assert deleting().counts["deleted"] == 1


def test_a_snapshot_with_problems_says_so(world: World, deleting: Callable[..., RestoreOutcome]) -> None:
    world.catalog.set_totals(1, '{"problems": 3}')
    assert any("made with 3 problems" in note for note in deleting().notes)


def test_in_the_original_place(world: World, deleting: Callable[..., RestoreOutcome], shown: list[bytes]) -> None:
    put(world.base + b"/a/new")
    put(os.path.dirname(world.base) + b"/beside")
    deleting(to=None)
    assert shown == [b"a/new"]
    assert os.path.exists(os.path.dirname(world.base) + b"/beside")
