"""Migrates job files of an older format version to the newest, one version at a time.

Version 0 has no `version:` key: a job written with the names of backup-tool's options and config
keys, or a current job whose version was forgotten. Comments and anchors are kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from . import rules
from .comments import find_comments
from .diagnostics import Complaints, Stop
from .document import make_document
from .formatting import dump, format_text, round_trip
from .yamltext import READER_ERRORS, TOP, parse

_NOT_REWRITTEN = "cannot be rewritten without losing comments"
_BY_HAND = "remove them first, or migrate the file by hand"
_RENAMED = {
    "directories": "sources",
    "dir_paths": "sources",
    "paths": "sources",
    "skip_files": "skip",
    "exclude": "skip",
    "cache_file": "catalog",
    "database_file": "catalog",
    "force_checksum": "detect",
    "crypto_key_file": "encryption",
    "oci": "target",
    "directory": "target",
}
_TARGET = ("namespace", "bucket", "prefix", "storage_tier", "region", "endpoint")
_AUTH = {"config_file": "config_file", "config_section": "profile"}


class Migrated(NamedTuple):
    """`text` is in the newest version and canonical layout; `changes` lists what was changed."""

    text: str
    changes: list[str]


def migrate_text(text: str, path: str, complaints: Complaints) -> Migrated:
    """The job file in the newest version; unchanged if it already is.

    A job without a name is named after `path`. Raises Stop, after reporting, if the file cannot be parsed, or sets
    the same thing under an old and a new name."""
    document = make_document(parse(text, complaints), complaints)
    if complaints.failed:
        raise Stop
    version = document.data.get("version", 0)
    if type(version) is not int or version not in _STEPS:
        # Already the newest, or an unknown version, which `validate` reports.
        return Migrated(text, [])
    yaml = round_trip()
    try:
        job = yaml.load(text)
    except READER_ERRORS:
        raise complaints.stop(rules.SYNTAX, TOP, _NOT_REWRITTEN, _BY_HAND) from None
    changes: list[str] = []
    while version in _STEPS:
        _STEPS[version](job, path, changes, complaints)
        version += 1
    try:
        new = dump(yaml, job)
    except READER_ERRORS:
        raise complaints.stop(rules.SYNTAX, TOP, _NOT_REWRITTEN, _BY_HAND) from None
    return Migrated(_checked(text, new, complaints), changes)


def _checked(old: str, new: str, complaints: Complaints) -> str:
    """The new text in canonical layout, or an error: no content may be lost."""
    trial = Complaints(complaints.file)
    try:
        laid_out = format_text(new, trial)
    except Stop:
        laid_out = ""
    if not laid_out or _comments(old) != _comments(laid_out):
        raise complaints.stop(rules.SYNTAX, TOP, _NOT_REWRITTEN, _BY_HAND)
    return laid_out


def _comments(text: str) -> list[str]:
    return sorted(comment.text for comment in find_comments(text, parse(text, Complaints(""))))


def _from_nothing(job: CommentedMap, path: str, changes: list[str], complaints: Complaints) -> None:
    """Version 0 to 1."""
    for old, new in _RENAMED.items():
        if old in job:
            if new in job:
                message = f'"{old}" and "{new}" mean the same thing'
                raise complaints.stop(rules.CONFLICT, TOP, message, "keep one of the two")
            # The old key has the inverse meaning of the new one.
            _rename(job, old, new, _NEW_VALUE.get(old, _same)(job[old]))
            changes.append(f"renamed {old} to {new}")
    if isinstance(job.get("overwrite"), bool):
        job["overwrite"] = "changed" if job["overwrite"] else "never"
        changes.append(f"set overwrite to {job['overwrite']}")
    if job.get("detect") is False:
        del job["detect"]
    _collect_target(job, changes)
    if "name" not in job:
        job.insert(0, "name", _name_of(path))
        changes.append(f"set name to {job['name']}, from the file name")
    job.insert(0, "version", 1)
    changes.append("set version to 1")


_STEPS: dict[int, Callable[[CommentedMap, str, list[str], Complaints], None]] = {0: _from_nothing}
"""From each older version to the next."""


def _rename(block: CommentedMap, old: str, new: str, value: Any) -> None:
    """Renames a key in place, keeping its comments."""
    at = list(block).index(old)
    comment = block.ca.items.pop(old, None)
    del block[old]
    block.insert(at, new, value)
    if comment is not None:
        block.ca.items[new] = comment


def _collect_target(job: CommentedMap, changes: list[str]) -> None:
    """Move top-level bucket keys into `target`."""
    loose = [key for key in (*_TARGET, *_AUTH, "instance_principal") if key in job]
    if not loose or "target" in job:
        return
    block = CommentedMap({key: job[key] for key in loose})
    at = min(list(job).index(key) for key in loose)
    for key in loose:
        del job[key]
        if key in job.ca.items:
            block.ca.items[key] = job.ca.items.pop(key)
    job.insert(at, "target", _oci(block))
    changes.append(f"moved {', '.join(loose)} into target")


def _oci(section: Any) -> Any:
    if not isinstance(section, CommentedMap):
        return section
    section.insert(0, "type", "oci")
    auth = CommentedMap({new: section.pop(old) for old, new in _AUTH.items() if old in section})
    if section.pop("instance_principal", False):
        auth = CommentedMap({"method": "instance_principal"})
    if auth:
        section["auth"] = auth
    return section


def _directory(section: Any) -> Any:
    block = section if isinstance(section, CommentedMap) else CommentedMap({"path": section})
    block.insert(0, "type", "directory")
    return block


def _sources(value: Any) -> Any:
    items = value if isinstance(value, CommentedSeq) else CommentedSeq([value])
    for index, item in enumerate(items):
        if isinstance(item, str):
            items[index] = CommentedMap({"path": item})
            if comment := items.ca.items.pop(index, None):
                items[index].ca.items["path"] = [None, None, comment[0], None]
    return items


def _listed(value: Any) -> Any:
    return _on_one_line(CommentedSeq([value])) if isinstance(value, str) else value


def _on_one_line(value: Any) -> Any:
    """A comment after a former single value would end up between a block's key and its lines."""
    value.fa.set_flow_style()
    return value


def _same(value: Any) -> Any:
    return value


_NEW_VALUE: dict[str, Callable[[Any], Any]] = {
    "directories": _sources,
    "dir_paths": _sources,
    "paths": _sources,
    "skip_files": _listed,
    "exclude": _listed,
    "force_checksum": lambda value: "checksum" if value is True else value,
    "crypto_key_file": lambda value: _on_one_line(CommentedMap({"key_file": value})),
    "oci": _oci,
    "directory": _directory,
}


def _name_of(path: str) -> str:
    stem = os.path.basename(path).rsplit(".", 1)[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64] or "job"
