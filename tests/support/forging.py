"""Plan files as an attacker writes them: any header, any lines, a closing line that fits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

Fields = dict[str, Any]


def parts(path: Path) -> tuple[Fields, list[Fields]]:
    """Header and actions of a plan that is not compressed."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return lines[0], lines[1:-1]


def forge(
    path: Path, header: Fields, actions: Iterable[Fields], *, change: Callable[[bytes], bytes] = lambda body: body
) -> None:
    """Write a plan with a closing digest that fits; `change` has the last word on its lines."""
    rows = list(actions)
    body = change(b"".join(orjson.dumps(row) + b"\n" for row in (header, *rows)))
    end = {"kind": "end", "actions": len(rows), "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(body + orjson.dumps(end) + b"\n")


def digest(path: Path) -> str:
    """What `sha256sum` prints."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def upload(key: str, **more: Any) -> Fields:
    """An action that stores a file."""
    fields = {"path": key, "type": "file", "size": 1, "mtime_ns": 0, "ctime_ns": 0, "why": "new"}
    return {"kind": "action", "action": "upload"} | fields | more
