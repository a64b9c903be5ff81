"""docs/tasks.md: each task takes its one command, run here in order against a real job, and found with --help alone."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
ROWS = re.findall(r"^\| (.+?) \| `(.+)` \|$", PAGE.read_text(), re.MULTILINE)
EXPECTED = {
    "snapshots job.yaml": "problem",
    "files list job.yaml dumps/": "stale",
    "plan job.yaml": "b.txt",
    "find job.yaml '*.txt'": "docs/a.txt",
    "history job.yaml docs/a.txt": "content",
    "restore job.yaml docs/a.txt --at 1 --to -": "first",
    "diff job.yaml 1 2": "docs/a.txt",
    "diff job.yaml latest": "docs/later.txt",
    "plan job.yaml --explain data/note.tmp": "*.tmp",
    "snapshots tag job.yaml 1 --add before-upgrade": "before-upgrade",
    "forget job.yaml 2 --yes": "snapshot 2",
}
CODES = {"apply job.yaml --yes": 3, "plan job.yaml": 0}
"""The dump of the job fails, which every apply says by exit code 3."""


def test_twenty_tasks(place: Any, capsys: Any) -> None:
    assert len(ROWS) >= 20
    _two_days(place, capsys)
    for task, command in ROWS:
        words = shlex.split(command)
        if command == "diff job.yaml latest":
            (place.data / "docs" / "later.txt").write_text("later")
        done = place.call(capsys, *words)
        assert done.code == CODES.get(command, 0), f"{task}: {command}: {done.out}{done.err}"
        assert EXPECTED.get(command, "") in done.out, f"{task}: {command}: {done.out}"
    assert (place.root / "back" / "docs" / "a.txt").read_text() == "first"
    assert (place.data / "gone.txt").read_text() == "precious"
    assert (place.data / "docs" / "a.txt").read_text() == "first"


def test_the_help_leads_to_each(place: Any, capsys: Any) -> None:
    top = place.call(capsys, "--help").out
    for _, command in ROWS:
        words = shlex.split(command)
        assert f"\n  {words[0]} " in top, command
        names = words[: 2 if re.match(r"(files|snapshots tag|target|catalog)\b", command) else 1]
        if len(names) == 2:
            assert names[1] in place.call(capsys, names[0], "--help").out
        text = place.call(capsys, *names, "--help").out
        for option in re.findall(r"(?<=\s)--[a-z-]+", command):
            assert option in text, command


def _two_days(place: Any, capsys: Any) -> None:
    """Snapshot 1, in which all is well, and 2, with a changed, a deleted and a new file, and a dump that failed."""
    (place.root / "dump.txt").write_text("dump")
    (place.data / "gone.txt").write_text("precious")
    (place.data / "note.tmp").write_text("skipped")
    place.write_job(
        skip='["*.tmp"]', retention="{keep_last: 9}", schedule="{every: day}",
        guards="{max_forget_percent: 100, max_free_percent: 100}",
    )  # fmt: skip
    text = place.job.read_text()
    dump = f"{{path: dumps/shop.sql, command: [/bin/cat, {place.root}/dump.txt]}}"
    place.job.write_text(text.replace("[{path: ./data}]", f"[{{path: ./data}}, {dump}]"))
    assert place.call(capsys, "apply", "job.yaml", "--yes").code == 0
    (place.root / "dump.txt").unlink()
    (place.data / "gone.txt").unlink()
    (place.data / "docs" / "a.txt").write_text("second version")
    (place.data / "docs" / "new.txt").write_text("new")
    assert place.call(capsys, "apply", "job.yaml", "--yes").code == 3
    (place.data / "b.txt").write_text("changed since")
