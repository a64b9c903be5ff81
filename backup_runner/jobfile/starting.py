"""The text of a first job file, with comments that explain it."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..targets.models import TARGET_MODELS

KEEPS: dict[str, str] = {
    "short": "{keep_daily: 14, keep_within: 7d}",
    "usual": "{keep_daily: 30, keep_weekly: 12, keep_monthly: 24, keep_within: 7d}",
    "long": "{keep_daily: 90, keep_monthly: 60, keep_yearly: 10, keep_within: 30d}",
    "all": "",
}
"""Answers to "how long": names and the retention that they mean."""

_TEXT = """\
# A backup job. Check it with `backup-runner validate FILE`, see what it would do with `backup-runner plan FILE`,
# and back up with `backup-runner apply FILE`.
version: 1
name: {name}

# What is backed up. Relative paths start at this file's folder.
sources:
{sources}
# What is left out, as in .gitignore; `backup-runner skips FILE` shows what these lines do.
skip:
  - "*.tmp"
  - .cache/
  - node_modules/
skip_caches: true        # folders that are marked as caches (CACHEDIR.TAG)
symlinks: store

# Where it goes.
target:
{target}
# The key. Whoever has it can read the backups, and without it nobody can: keep a copy in another place.
# `backup-runner key show {key_word} --paper` prints one.
encryption: {{key_file: {key}}}

# The list of what is backed up, on this machine. It can be read again from the bucket if it is lost.
catalog: {catalog}

# How long snapshots are kept; see docs/retention.md.
{retention}
# A run that would change or remove more of the files than these shares (in percent) stops and asks.
guards: {{max_change_percent: 50, max_delete_percent: 20}}

# When it runs: `backup-runner schedule FILE` prints timers for systemd, launchd or cron.
schedule: {{every: day, at: "02:30", spread: 900}}
"""


@dataclass(frozen=True, slots=True)
class Start:
    """The answers: what, where, with which key, and how long (one of `KEEPS`)."""

    name: str
    sources: Sequence[str]
    target: str
    """A folder, or `oci:BUCKET` or `oci:BUCKET/PREFIX`."""
    key: str
    catalog: str
    keep: str


def first_job(start: Start) -> str:
    """The job file. Raises UsageError for answers that cannot be one."""
    if start.keep not in KEEPS:
        raise UsageError(f'unknown answer "{start.keep}"', hint=f"how long: {', '.join(KEEPS)}")
    kept = KEEPS[start.keep]
    return _TEXT.format(
        name=_quoted(start.name),
        sources="".join(f"  - path: {_quoted(path)}\n" for path in start.sources),
        target=_target(start.target),
        key=_quoted(start.key),
        key_word=start.key if start.key.isprintable() else "FILE",
        catalog=_quoted(start.catalog),
        retention=f"retention: {kept}\n" if kept else "# retention: {keep_daily: 30}\n",
    )


def _target(text: str) -> str:
    kind, colon, place = text.partition(":")
    if not colon or "bucket" not in _fields(kind):
        return f"  type: directory\n  path: {_quoted(text)}\n"
    bucket, _, prefix = place.partition("/")
    if not bucket:
        raise UsageError(f"{text} names no bucket", hint=f"write {kind}:BUCKET or {kind}:BUCKET/PREFIX")
    lines = f"  type: {kind: <15} # see docs/{kind}-setup.md\n  bucket: {_quoted(bucket)}\n"
    if prefix:
        lines += f"  prefix: {_quoted(prefix.rstrip('/') + '/')}\n"
    return lines + ("  # limits: {upload: 5MiB/s}\n" if "limits" in _fields(kind) else "")


def _fields(kind: str) -> Collection[str]:
    return TARGET_MODELS[kind].model_fields if kind in TARGET_MODELS else ()


def _quoted(text: str) -> str:
    """As YAML; JSON's strings are YAML's."""
    plain = text.replace("/", "").replace("-", "").replace("_", "").replace(".", "").replace("~", "")
    if plain.isascii() and plain.isalnum() and not plain.isdigit() and text[0] not in "-.~" and text[-1] != ":":
        return text if text.lower() not in _WORDS else json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
