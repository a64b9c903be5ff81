"""A server that means harm, against every command that reads a bucket: a named error or the right result, within 30 s
and 300 MiB. `make test` runs a seeded slice, `make proof` the whole."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.hostile.behaviours import BEHAVIOURS
from tests.oci_emulator.fixture import Running, start
from tests.support.jobs import assert_same, photograph
from tests.support.measured import Measured, measured
from tests.targets.oci.site import Site

COMMANDS = {
    "pull": ["catalog", "pull"],
    "rebuild": ["catalog", "rebuild"],
    "plan": ["plan"],
    "apply": ["apply", "--yes", "--workers", "1"],
    "restore": ["restore", "--to", "back", "--workers", "1"],
    "verify": ["verify", "--level", "data", "--workers", "1"],
}
SECONDS, MEBIBYTES = 30, 300
CODES = {0, 1, 3, 4, 5, 6}
HARMLESS = {"a record of the highest number", "a thousand records that are none", "a copy of a pebibyte"}
"""Noise, which keeps no command from the right result."""
SLICE = 14
PAIRS = [(command, name) for command in COMMANDS for name in BEHAVIOURS]


ALWAYS = [
    ("plan", "a listing without end, in full pages"),
    ("pull", "a listing without end, in full pages"),
    ("pull", "a copy of a pebibyte"),
    ("verify", "a thousand records that are none"),
]


def chosen() -> list[tuple[str, str]]:
    return list(dict.fromkeys([*ALWAYS, *random.Random(20261127).sample(PAIRS, SLICE)]))


@dataclass
class World:
    """A sound backup of a small tree. Each run gets a copy of what is on disk, and the bucket as it was."""

    site: Site
    folder: Path
    names: frozenset[str] = frozenset()
    """Objects that there are; a lease is nobody's."""

    def __post_init__(self) -> None:
        with closing(self.site.bucket()) as bucket:
            self.names = frozenset(item.name for item in bucket.list() if "/lease/" not in item.name)

    def reset(self) -> None:
        """Delete what an earlier apply put: to the next one the bucket would be ahead of its catalog."""
        with closing(self.site.bucket()) as bucket:
            for item in list(bucket.list()):
                if item.name not in self.names:
                    bucket.delete(item.name)

    def copy(self, name: str, endpoint: str, *, forget: bool) -> Site:
        root = self.folder / name
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.site.root, root, symlinks=True)
        if forget:
            for path in root.glob("catalog.db*"):
                path.unlink()
        # The prefix is that of the site's folder, so the job has to say it.
        target = {"prefix": self.site.prefix, "endpoint": endpoint, "limits": {"requests_in_flight": 2}}
        return replace(self.site, root=root, target=target, patience=1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def world(running: Running, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("hostile")
    site = prepared(folder / "sound", running)
    site.write("d/later", 3000)
    site.apply()
    return World(site, folder)


def prepared(root: Path, running: Running) -> Site:
    site = Site(root, running)
    for number in range(5):
        site.write(f"d/f{number}", 2000)
    site.apply()
    return site


def attack(world: World, running: Running, command: str, name: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.server", running.url, name],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        site = world.copy(
            f"{command}-{re.sub('[^a-z0-9]+', '-', name.lower())}", url, forget=command in ("pull", "rebuild")
        )
        site.write("d/new", 1000)
        world.reset()
        took, text = run(site, COMMANDS[command])
    finally:
        server.kill()
        server.wait()
    said = f"{command} × {name}: exit {took.code}, {took.seconds:.1f} s ({took.delayed:.1f} s without a processor), "
    said += f"{took.mebibytes} MiB\n{text[-2000:]}"
    print(said.splitlines()[0], flush=True)
    assert took.code in (CODES if name not in HARMLESS else {0}), said
    assert "Traceback" not in text, said
    assert "\x1b" not in text, said
    assert len(text) < 100_000, said
    # On a machine with other work, not all of it is the server's doing.
    assert took.seconds - took.delayed <= SECONDS, said
    assert took.mebibytes <= MEBIBYTES, said
    if took.code == 0 and command == "restore":
        (site.data / "d/new").unlink()
        assert_same(strip(photograph(str(site.data))), strip(photograph(str(site.root / "back"))))
    shutil.rmtree(site.root)


def strip(found: dict[bytes, tuple[object, ...]]) -> dict[bytes, tuple[object, ...]]:
    """Files alone: the folders' times moved when the tree was copied and written to."""
    return {key: value[-2:] for key, value in found.items() if len(value) > 6}


def run(site: Site, command: list[str]) -> tuple[Measured, str]:
    """What it took, and what was printed."""
    first, *rest = command
    rest, options = ([rest[0]], rest[1:]) if first == "catalog" else ([], rest)
    with (site.root / "said").open("w+b") as out:
        found = measured(
            [sys.executable, "-m", "backup_runner", first, *rest, str(site.job), *options],
            cwd=site.root, env=site.environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
            out=out, limit=4 * SECONDS,
        )  # fmt: skip
        out.seek(0)
        return found, out.read().decode("utf-8", "replace")


def test_there_are_many_behaviours() -> None:
    assert len(BEHAVIOURS) >= 40


@pytest.mark.proof
@pytest.mark.parametrize(("command", "name"), PAIRS if os.environ.get("PROOF") == "full" else chosen())
def test_a_behaviour(world: World, running: Running, command: str, name: str) -> None:
    attack(world, running, command, name)
