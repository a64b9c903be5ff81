"""docs/python.md and examples/backup.py do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_page_runs_from_top_to_bottom(site, capsys) -> None:
    site.job()
    text = (ROOT / "docs" / "python.md").read_text()
    blocks = list(_BLOCK.finditer(text))
    assert len(blocks) >= 9
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks:
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], "docs/python.md", "exec"), names)
    out = capsys.readouterr().out
    assert "{'upload': 2}" in out
    assert (site.root / "back" / "letters" / "bank.txt").read_text() == "dear bank"


def test_the_example_backs_up_and_restores(site) -> None:
    site.job()
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "backup.py", "documents.yaml", "back"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "snapshot 1: complete" in done.stdout
    assert (site.root / "back" / "notes.txt").read_text() == "notes"
    assert len((ROOT / "examples" / "backup.py").read_text().splitlines()) <= 30
