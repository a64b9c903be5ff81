"""A page in headless Chromium: what its scripts left in the document, in real time."""

from __future__ import annotations

import fcntl
import html
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
AXE_VERSION = "4.14.1"
TOOLS = Path(__file__).parents[2] / ".tools"


@cache
def _chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next((found for name in _NAMES if (found := shutil.which(name))), None)


def chromium() -> str:
    """Skips the test where there is no browser."""
    found = _chromium()
    if found is None:
        pytest.skip("no Chromium here: `apt-get install chromium` lets this test run")
    return found


@cache
def axe_source() -> str:
    """axe-core's script; AXE_CORE names it, else npm fetches it once. Skips the test where it cannot be had."""
    if named := os.environ.get("AXE_CORE"):
        return Path(named).read_text()
    place = TOOLS / "node_modules" / "axe-core"
    TOOLS.mkdir(exist_ok=True)
    with open(TOOLS / "axe.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has_version(place):
            _install()
    return (place / "axe.min.js").read_text()


def _has_version(place: Path) -> bool:
    try:
        return bool(json.loads((place / "package.json").read_text())["version"] == AXE_VERSION)
    except FileNotFoundError:
        return False


def _install() -> None:
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(TOOLS)]
    try:
        subprocess.run([*command, f"axe-core@{AXE_VERSION}"], check=True, capture_output=True, timeout=120)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"axe-core cannot be installed: {error}")


def open_page(page: Path, *options: str, width: int = 1280, virtual: bool = False) -> str:
    """The document as it is once loaded. `virtual` time waits for promises, but is no clock."""
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--window-size={width},900"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND", *options]
    command += ["--virtual-time-budget=20000"] if virtual else []
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def with_script(document: str, script: str) -> str:
    """The same page with a script of ours at its end, which its own policy would not let run."""
    open_policy = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", document, count=1)
    assert open_policy != document
    return open_policy.replace("</body>", f"<script>{script}</script><output id=probe></output></body>")


def probe(dom: str) -> Any:
    """What the script of ours wrote as JSON into `document.body.dataset.probe`."""
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found, dom[-2000:]
    return json.loads(html.unescape(found[1]))
