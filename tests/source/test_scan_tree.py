"""Scans of real trees, compared with what os.walk finds."""

import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.patterns.globs import compile_rules
from backup_runner.records import Entry, Kind, Problem
from backup_runner.source.walk import ScanOptions, ScanSource, ScanTotals, scan
from backup_runner.spec import Symlinks

FULL = os.environ.get("PROOF") == "full"
STORE = ScanOptions(symlinks=Symlinks.STORE)


def run(*sources: ScanSource, options: ScanOptions = STORE) -> tuple[list[Entry], ScanTotals, list[Problem]]:
    totals, problems = ScanTotals(), list[Problem]()
    batches = list(scan(sources, options, totals=totals, on_problem=problems.append))
    return [entry for batch in batches for entry in batch], totals, problems


def keys(*sources: ScanSource, options: ScanOptions = STORE) -> list[bytes]:
    return [entry.key for entry in run(*sources, options=options)[0]]


def write(path: bytes, data: bytes = b"") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data)


def walked(root: bytes, key: bytes) -> list[Entry]:
    """The oracle: everything but special files, sorted by key at the end."""
    paths = [(key, root)]
    for folder, folders, files in os.walk(root):
        below = key + (folder[len(root) + 1 :] + b"/" if folder != root else b"")
        for name in folders + files:
            path = os.path.join(folder, name)
            is_dir = os.path.isdir(path) and not os.path.islink(path)
            paths.append((below + name + (b"/" if is_dir else b""), path))
    return sorted(entry for entry in (looked_at(key, path) for key, path in paths) if entry)


def looked_at(key: bytes, path: bytes) -> Entry | None:
    s = os.lstat(path)
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
    kind = kinds.get(stat.S_IFMT(s.st_mode))
    if kind is None:
        return None
    size = s.st_size if kind is Kind.FILE else 0
    times, who = (s.st_mtime_ns, s.st_ctime_ns), (s.st_uid, s.st_gid)
    return Entry(key, kind, size, *times, stat.S_IMODE(s.st_mode), *who, s.st_dev, s.st_ino, s.st_nlink, s.st_blocks)


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path)


NAMES = [b"a", b"a-", b"a.b", b"a0", b"ab", b"b", b"\xff\xfe", b"new\nline", b"\xc3\xa4", b" ", b"-", b"n" * 255]
TREES: st.SearchStrategy[object] = st.recursive(
    st.sampled_from([b"", b"data", "link", "fifo"]),
    lambda children: st.dictionaries(st.sampled_from(NAMES), children, max_size=7),
    max_leaves=25,
)


def plant(path: bytes, tree: object) -> None:
    if isinstance(tree, dict):
        os.mkdir(path)
        for name, below in tree.items():
            plant(path + b"/" + name, below)
    elif isinstance(tree, bytes):
        write(path, tree)
    elif tree == "link":
        os.symlink(b"/", path)
    else:
        os.mkfifo(path)


@given(
    st.dictionaries(st.sampled_from(NAMES), TREES, max_size=9),
    st.sampled_from([2, 3, 4096]),
    st.sampled_from([1, 3, 2000]),
)
@settings(max_examples=1500 if FULL else 100, deadline=None)
def test_entries_are_those_of_walk_sorted_by_key(tree: dict[bytes, object], chunk: int, batch: int) -> None:
    with tempfile.TemporaryDirectory() as base:
        top = os.fsencode(base) + b"/top"
        plant(top, tree)
        options = ScanOptions(STORE.symlinks, chunk=chunk, batch=batch)
        entries, totals, problems = run(ScanSource(top, b"k/top"), options=options)
        assert entries == walked(top, b"k/top/")
        by_kind = [sum(entry.kind == kind for entry in entries) for kind in Kind]
        assert [totals.files, totals.folders, totals.symlinks] == by_kind
        assert totals.size == sum(entry.size for entry in entries)
        assert {problem.kind for problem in problems} <= {"special"}
        assert len(problems) == totals.special
        assert not totals.unlisted


def test_a_folder_sorts_as_its_name_and_a_slash(root: bytes) -> None:
    for name in (b"a/x", b"a-b", b"a.txt", b"a0", b"b"):
        write(root + b"/s/" + name)
    found = keys(ScanSource(root + b"/s", b"s"))
    assert found == [b"s/", b"s/a-b", b"s/a.txt", b"s/a/", b"s/a/x", b"s/a0", b"s/b"]


def test_the_relative_root_has_the_empty_key(root: bytes) -> None:
    write(root + b"/a/x")
    assert keys(ScanSource(root, b"")) == [b"", b"a/", b"a/x"]


def test_sources_come_out_in_key_order_whatever_their_kind(root: bytes) -> None:
    write(root + b"/a/x", b"1")
    write(root + b"/a-b", b"22")
    entries, totals, _ = run(ScanSource(root + b"/a", b"a"), ScanSource(root + b"/a-b", b"a-b"))
    assert [entry.key for entry in entries] == [b"a-b", b"a/", b"a/x"]
    assert totals.files_by_source == {b"a-b": 1, b"a/": 1}
    assert (totals.files, totals.size) == (2, 3)


def test_rules_leave_out_and_never_enter_a_skipped_folder(root: bytes) -> None:
    for name in (b"x.tmp", b"keep.tmp", b"cache/keep.tmp", b"d/x.tmp", b"d/cache/y", b"d/z", b"cache2"):
        write(root + b"/" + name)
    rules = compile_rules(["*.tmp", "cache/", "!keep.tmp"])
    entries, totals, _ = run(ScanSource(root, b"s", rules))
    assert [entry.key for entry in entries] == [b"s/", b"s/cache2", b"s/d/", b"s/d/z", b"s/keep.tmp"]
    assert totals.skipped == 4


def test_anchored_rules_are_relative_to_the_source(root: bytes) -> None:
    for name in (b"a/b/c", b"a/c", b"c", b"d/a/c"):
        write(root + b"/" + name)
    assert keys(ScanSource(root, b"k/s", compile_rules(["/c", "a/c"]))) == [
        b"k/s/", b"k/s/a/", b"k/s/a/b/", b"k/s/a/b/c", b"k/s/d/", b"k/s/d/a/", b"k/s/d/a/c",
    ]  # fmt: skip


def test_symlinks_are_stored_or_skipped_and_never_followed(root: bytes) -> None:
    write(root + b"/s/f")
    os.symlink(b"/", root + b"/s/folder-link")
    os.symlink(b"nowhere", root + b"/s/dangling")
    source = ScanSource(root + b"/s", b"s")
    assert keys(source) == [b"s/", b"s/dangling", b"s/f", b"s/folder-link"]
    entries, totals, problems = run(source, options=ScanOptions(symlinks=Symlinks.SKIP))
    assert [entry.key for entry in entries] == [b"s/", b"s/f"]
    assert (totals.symlinks_skipped, problems) == (2, [])


def test_special_files_are_named(root: bytes) -> None:
    os.mkfifo(root + b"/fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(root + b"/socket")
        entries, totals, problems = run(ScanSource(root, b"s"))
    assert [entry.key for entry in entries] == [b"s/"]
    assert sorted((problem.key, problem.kind) for problem in problems) == [
        (b"s/fifo", "special"), (b"s/socket", "special"),
    ]  # fmt: skip
    assert totals.special == 2


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_source_that_is_a_symlink_is_followed(root: bytes, kind: str) -> None:
    write(root + b"/real/f", b"123")
    os.symlink(root + (b"/real" if kind == "directory" else b"/real/f"), root + b"/link")
    entries, totals, _ = run(ScanSource(root + b"/link", b"link"))
    wanted = [b"link/", b"link/f"] if kind == "directory" else [b"link"]
    assert [entry.key for entry in entries] == wanted
    assert (entries[-1].size, totals.missing) == (3, [])


def test_missing_sources_are_said_and_protect_what_is_below(root: bytes) -> None:
    os.symlink(b"nowhere", root + b"/dangling")
    write(root + b"/there/f")
    sources = [ScanSource(root + b"/" + name, name) for name in (b"dangling", b"gone", b"there")]
    entries, totals, problems = run(*sources)
    assert [entry.key for entry in entries] == [b"there/", b"there/f"]
    assert [(problem.key, problem.kind) for problem in problems] == [
        (b"dangling", "source-missing"), (b"gone", "source-missing"),
    ]  # fmt: skip
    assert totals.missing == [b"dangling", b"gone"]
    assert totals.unlisted == [b"dangling", b"dangling/", b"gone", b"gone/"]
    assert totals.files_by_source == {b"there/": 1}


def test_own_files_are_left_out_by_inode_and_by_path(root: bytes) -> None:
    for name in (b"s/catalog.db", b"s/bucket/o/1", b"s/z/keep"):
        write(root + b"/" + name)
    os.symlink(root + b"/s", root + b"/way")
    own = (root + b"/way/catalog.db", root + b"/s/bucket/", root + b"/way/z/catalog.db-wal", root + b"/none/x")
    totals = ScanTotals()
    batches = scan([ScanSource(root + b"/s", b"s")], ScanOptions(own=own), totals=totals, on_problem=pytest.fail)
    found: list[bytes] = []
    for batch in batches:
        found += [entry.key for entry in batch]
    assert found == [b"s/", b"s/z/", b"s/z/keep"]
    write(root + b"/s/z/catalog.db-wal")  # was not there when the paths were handed in
    assert keys(ScanSource(root + b"/way", b"s"), options=ScanOptions(own=own)) == found
    assert totals.left_out == 2


def test_own_files_are_known_under_other_names(root: bytes) -> None:
    """As with bind mounts: one inode, a path that says nothing."""
    write(root + b"/state/catalog.db")
    write(root + b"/s/f")
    os.link(root + b"/state/catalog.db", root + b"/s/same")
    options = ScanOptions(own=(root + b"/state/catalog.db",))
    entries, totals, _ = run(ScanSource(root + b"/s", b"s"), options=options)
    assert [entry.key for entry in entries] == [b"s/", b"s/f"]
    assert totals.left_out == 1


class Moving:
    """A scan that stops after every entry, so that a test can change the tree under it."""

    def __init__(self, root: bytes, *, chunk: int = 4096, own: tuple[bytes, ...] = ()) -> None:
        self.totals, self.problems = ScanTotals(), list[Problem]()
        source = ScanSource(root, b"s")
        self._batches = scan(
            [source],
            ScanOptions(STORE.symlinks, own, chunk, batch=1),
            totals=self.totals,
            on_problem=self.problems.append,
        )

    def step(self) -> list[bytes]:
        return [entry.key for entry in next(self._batches)]

    def rest(self) -> list[bytes]:
        return [entry.key for batch in self._batches for entry in batch]


def test_a_folder_that_vanishes_is_named_and_what_is_below_protected(root: bytes) -> None:
    write(root + b"/a/f")
    write(root + b"/z/f")
    moving = Moving(root)
    assert moving.step() + moving.step() == [b"s/", b"s/a/"]
    shutil.rmtree(root + b"/z")
    assert moving.rest() == [b"s/a/f"]
    assert [(problem.key, problem.kind) for problem in moving.problems] == [(b"s/z/", "vanished")]
    assert (moving.totals.unlisted, moving.totals.folders) == ([b"s/z/"], 2)


def test_a_folder_swapped_for_a_symlink_is_not_followed(root: bytes) -> None:
    write(root + b"/s/a/f")
    write(root + b"/s/z/f")
    write(root + b"/secret/f")
    moving = Moving(root + b"/s")
    assert moving.step() + moving.step() == [b"s/", b"s/a/"]
    os.rename(root + b"/s/z", root + b"/z-before")
    os.symlink(root + b"/secret", root + b"/s/z")
    assert moving.rest() == [b"s/a/f"]
    assert [(problem.key, problem.kind) for problem in moving.problems] == [(b"s/z/", "changed")]
    assert moving.totals.unlisted == [b"s/z/"]


def test_files_that_vanish_or_turn_after_the_listing_are_named(root: bytes) -> None:
    for name in (b"a", b"b", b"c", b"d/f", b"e"):
        write(root + b"/" + name)
    moving = Moving(root, chunk=1)
    assert moving.step() + moving.step() == [b"s/", b"s/a"]
    os.unlink(root + b"/b")
    os.unlink(root + b"/c")
    os.mkdir(root + b"/c")
    shutil.rmtree(root + b"/d")
    os.symlink(b"/", root + b"/d")
    assert moving.rest() == [b"s/e"]
    assert [(problem.key, problem.kind) for problem in moving.problems] == [
        (b"s/b", "vanished"), (b"s/c", "changed"), (b"s/d/", "changed"),
    ]  # fmt: skip
    assert moving.totals.unlisted == [b"s/c/", b"s/c", b"s/d/", b"s/d"]


def test_an_own_file_that_appears_during_the_scan_is_left_out(root: bytes) -> None:
    write(root + b"/a/f")
    write(root + b"/z/f")
    moving = Moving(root, own=(root + b"/z/catalog.db-wal",))
    moving.step()
    write(root + b"/z/catalog.db-wal")
    assert moving.rest() == [b"s/a/", b"s/a/f", b"s/z/", b"s/z/f"]
    assert moving.totals.left_out == 1


def test_a_huge_folder_comes_in_bounded_batches(root: bytes) -> None:
    for number in range(9000):
        os.close(os.open(b"%s/f%d" % (root, number), os.O_CREAT))
    os.mkdir(root + b"/f5-")
    totals = ScanTotals()
    sizes = [len(b) for b in scan([ScanSource(root, b"s")], STORE, totals=totals, on_problem=pytest.fail)]
    assert (sum(sizes), totals.files) == (9002, 9000)
    assert max(sizes) <= 3 * ScanOptions().batch
    assert keys(ScanSource(root, b"s")) == [entry.key for entry in walked(root, b"s/")]


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[tuple[bytes, int]]:
    root, count = os.fsencode(tmp_path), 60_000 if FULL else 4_000
    for folder in range(count // 20):
        below = b"%s/%d/%d" % (root, folder // 100, folder)
        os.makedirs(below)
        for number in range(20):
            os.close(os.open(b"%s/file%d.txt" % (below, number), os.O_CREAT))
    yield root, count
    shutil.rmtree(root)


@pytest.mark.proof
def test_scan_rate_is_told(wide: tuple[bytes, int]) -> None:
    """Printed, not judged: other work on the machine decides as well."""
    root, count = wide
    rules = compile_rules(["*.tmp", "*.o", ".cache/", "node_modules/", "!keep.tmp", "/a/b", "build*", "*.py[co]"])
    for label, source in (("no rules", ScanSource(root, b"s")), ("8 rules", ScanSource(root, b"s", rules))):
        run(source)
        started = time.process_time()
        found = sum(len(batch) for batch in scan([source], STORE, totals=ScanTotals(), on_problem=pytest.fail))
        print(f"{label}: {found} entries in {time.process_time() - started:.3f} s of CPU")
        assert found > count
