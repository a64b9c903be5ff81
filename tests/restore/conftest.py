"""A world with a job, a bucket and a catalog in a folder of its own."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest


def _load_build() -> Any:
    """The helper next to this file; importlib mode has no packages for it to be found in."""
    path = pathlib.Path(__file__).with_name("build.py")
    name = "restore_build"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


build = _load_build()


@pytest.fixture()
def world(tmp_path: pathlib.Path) -> Any:
    return build.World(str(tmp_path))


@pytest.fixture()
def write(world: Any) -> Callable[..., bytes]:
    """Write a file below the job's base and return its path."""

    def make(key: bytes, data: bytes = b"text", *, mtime_ns: int = 1_600_000_000_123_456_789, mode: int = 0o640) -> bytes:
        import os

        path = world.base + b"/" + key
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        return bytes(path)

    return make
