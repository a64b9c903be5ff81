"""A plan as text, at three actions and at very many."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from backup_runner.planning.file import Header, Totals
from backup_runner.planning.oldreasons import reason_of
from backup_runner.records import Action, ActionKind, Kind
from backup_runner.report.folders import FolderTree
from backup_runner.report.look import Look
from backup_runner.report.plan_text import Heading, plan_lines

A = ActionKind
PLAIN = Look()


def header(actions: Iterable[Action] = (), **values: object) -> Header:
    totals = Totals(unchanged=120, unchanged_bytes=4 << 30)
    for action in actions:
        totals.add(action)
    made = {"created_ns": 0, "scanned_ns": 0, "totals": totals} | values
    return Header("id", "documents", "/jobs/documents.yaml", "digest", "lineage", 7, "listing", **made)


def text(actions: list[Action], look: Look = PLAIN, **values: object) -> str:
    heading = Heading("directory:/mnt/bucket", "last complete snapshot 12")
    lines = list(plan_lines(header(actions, **values), iter(actions), heading, look))
    # The second line has a time in the local zone.
    return "\n".join([lines[0], *lines[2:]])


def small() -> list[Action]:
    return [
        Action(A.REMOVE, reason_of("gone"), b"old.txt", size=12_345_678),
        Action(A.UPLOAD, reason_of("new"), b"docs/", Kind.DIRECTORY),
        Action(A.UPLOAD, reason_of("new"), b"docs/a.txt", size=3),
        Action(A.UPDATE, reason_of("size changed"), b"docs/b\x1b[31m\n\xff.txt", size=3000),
        Action(A.TOUCH, reason_of("mtime changed"), b"docs/", Kind.DIRECTORY),
        Action(A.LINK, reason_of("hard link to docs/a\n.txt"), b"docs/c.txt", size=3, leader=b"docs/a\n.txt"),
        Action(A.FORGET, reason_of("expired"), snapshot_id=3, size=999),
    ]


SMALL = r"""Plan for job "documents" → directory:/mnt/bucket

+ upload  1 file and 1 folder, 3 B
  + docs/a.txt        3 B  new

~ update  1 file, 2.9 KiB
  ~ docs/b\x1b[31m\n\xff.txt    2.9 KiB  size changed

= link  1 file
  = docs/c.txt  hard link to docs/a\n.txt

· touch  1 folder
  · docs/  mtime changed

- remove  1 file, 12 MiB
  - old.txt     12 MiB  gone

✂ forget  1 snapshot
  ✂ snapshot 3  expired

Plan: 1 to upload (3 B), 1 to update (2.9 KiB), 1 to link, 1 folder to touch, 1 to remove (12 MiB), 1 to forget; \
120 unchanged (4.0 GiB).""".replace("\\\n", "")


def test_a_small_plan() -> None:
    assert text(small()) == SMALL


def test_ascii_only_where_the_encoding_has_no_more() -> None:
    shown = text(small(), Look(unicode=False))
    assert shown.isascii()
    assert ". touch  1 folder" in shown


def test_colour_adds_nothing_but_colour() -> None:
    import re

    coloured = text(small(), Look(colour=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == SMALL


def test_no_changes() -> None:
    assert text([]).endswith("No changes: 120 unchanged (4.0 GiB).")
    assert text([], pruning="only").endswith("No changes: nothing has expired.")


def test_guards_and_problems_are_named() -> None:
    problems = [{"path": f"p{i}", "problem": "unreadable", "message": "Permission denied"} for i in range(30)]
    guards = [{"name": "min_files", "message": "too few"}, {"name": "source_missing", "message": "gone"}]
    shown = text([], problems=problems, problem_count=30, guards=guards, notes=["a\x1bnote"])
    assert "Not backed up completely (30):" in shown
    assert "  ! p19  unreadable: Permission denied\n    … and 10 more; `plan --json` lists all of them" in shown
    assert "GUARD min_files: too few" in shown
    assert "--override-guard min_files --override-guard source_missing" in shown
    assert "note: a\\x1bnote" in shown
    more = text([], problems=problems, problem_count=5000, guards=guards + guards)
    assert "… and 4,980 more; `plan --json` lists the first 30" in more
    assert more.count("--override-guard min_files") == 1


def many(number: int) -> Iterator[Action]:
    for index in range(number):
        folder = f"home/d{index % 30}/e{index % 7}" if index % 3 else f"other/x{index}"
        yield Action(
            A.UPLOAD, reason_of("new" if index % 5 else "was a symlink"), f"{folder}/f{index}".encode(), size=100
        )


def test_forty_lines_are_shown_one_by_one_and_more_by_folder() -> None:
    assert text(list(many(40))).count("\n  + ") == 40
    shown = text(list(many(41)))
    assert "\n  + " not in shown
    assert "why: new (32), was a symlink (9)" in shown


def test_very_many_actions_take_few_lines_and_little_memory() -> None:
    number = 30_000
    tracemalloc.start()
    lines = list(plan_lines(header(), many(number), Heading(), Look()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lines) < 30
    assert peak < 6 << 20
    assert "+ upload  30,000 files, 2.9 MiB" in lines
    counted = sum(int(line.split("  file")[0].split()[-2].replace(",", "")) for line in lines if line.endswith("KiB"))
    assert counted <= number


keys = st.lists(st.sampled_from([b"a", b"b", b"c", b"dd"]), min_size=1, max_size=6).map(b"/".join)


@given(st.lists(st.tuples(keys, st.integers(0, 1000)), min_size=1, max_size=80), st.integers(1, 12))
def test_folder_lines_add_up(files: list[tuple[bytes, int]], limit: int) -> None:
    tree = FolderTree()
    for key, size in files:
        tree.add(key, size)
    lines = tree.largest(limit)
    assert 1 <= len(lines) <= limit
    assert sum(line.files for line in lines) == len(files)
    assert sum(line.size for line in lines) == sum(size for _, size in files)
    assert len({(line.folder, line.rest) for line in lines}) == len(lines)


def test_more_folders_than_are_kept_still_add_up() -> None:
    tree = FolderTree()
    for index in range(30_000):
        tree.add(b"top/%d/%d/f" % (index % 100, index), 2)
    lines = tree.largest(10)
    assert sum(line.files for line in lines) == 30_000
    assert sum(line.size for line in lines) == 60_000
    assert lines[0].folder.startswith(b"top/")
