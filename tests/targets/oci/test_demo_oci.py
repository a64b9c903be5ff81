"""`make demo-oci`, in a copy of the checkout: what it backs up must not change while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]


def test_demo(tmp_path: Path) -> None:
    for name in ("docs", "examples", "backup_runner", "tests/oci_emulator"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TZ"}}
    environment |= {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["bash", "examples/demo_oci.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Everything came back, byte for byte" in done.stdout
