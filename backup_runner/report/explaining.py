"""Output of `plan --explain` and `skips`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..planning.file import path_fields
from ..spec import SkipOrigin
from . import escape, units
from .browsing import snapshot_of, version_fields
from .look import Look
from .reasons import why

if TYPE_CHECKING:
    from ..planning.explain import Explanation, Verdict
    from ..planning.skips import LineUse, SkipSurvey
    from ..spec import Job, SkipLine

Fields = dict[str, Any]

_SAID = {
    "outside": "not backed up: it is not in any source of the job",
    "own": "excluded: it belongs to backup-runner (catalog, bucket or work directory)",
    "special": "never backed up: a socket, FIFO or device",
    "missing": "does not exist",
}


def rule_fields(rule: SkipLine | None, job: Job) -> Fields | None:
    """A skip line and its position; line 0 is the command line."""
    if rule is None:
        return None
    return {
        "file": rule.file or job.file,
        "line": rule.line,
        "text": rule.text,
        "origin": rule.origin.value,
        "setting": rule.setting,
    }


def explanation_fields(one: Explanation, job: Job) -> Fields:
    """One line of `plan --explain --json`."""
    verdict = one.verdict
    return {
        "kind": "explanation",
        "job": job.name,
        **path_fields(one.key),
        "state": verdict.state,
        "decided_at": path_fields(verdict.decided_at),
        "source": verdict.source.path.decode("utf-8", "backslashreplace") if verdict.source else None,
        "rule": rule_fields(verdict.rule, job),
        "action": _action(one)[0],
        "why": _action(one)[1],
        "actions_below": dict(one.below),
        "problems": one.problems,
        "stored": _stored_fields(one),
        "versions": [
            version_fields(version)
            | {"first": snapshot_of(found[0]), "last": snapshot_of(found[-1]), "snapshots": len(found)}
            for version, found in one.versions
        ],
    }


def _stored_fields(one: Explanation) -> Fields | None:
    if one.stored is None:
        return None
    objects = [
        {"object": item.name, "size": item.size, "tier": item.tier, "state": item.state} for item in one.stored.objects
    ]
    return version_fields(one.stored.version) | {"content": one.stored.version.content_id, "objects": objects}


def _action(one: Explanation) -> tuple[str | None, str]:
    """The plan's action for the path itself, and its reason."""
    if one.action is not None:
        return one.action.kind.value, why(one.action)
    if one.held:
        return "none", "a changed file is held back (overwrite: never)"
    if one.stored is not None:
        return "none", "unchanged"
    return None, ""


def explanation_lines(one: Explanation, job: Job, look: Look) -> Iterator[str]:
    """A path, followed by a line per fact."""
    yield look.paint(escape.name(one.key), "bold")
    yield f"  job       {escape.one_line(job.name)} ({escape.one_line(job.file)})"
    yield f"  included  {_verdict(one.verdict, one.key)}"
    if one.verdict.rule is not None:
        yield f"  rule      {_rule(one.verdict.rule, job)}"
    kind, reason = _action(one)
    if kind is not None:
        yield f"  action    {escape.one_line(f'{kind}: {reason}')}"
    if one.below:
        said = ", ".join(f"{units.count(number)} to {name}" for name, number in sorted(one.below.items()))
        yield f"  below it  {said}"
    for problem in one.problems:
        yield f"  problem   {problem['problem']}: {escape.one_line(problem['message'])}"
    yield from _stored_lines(one)
    for version, found in one.versions:
        span = f"{found[0].id}" if len(found) == 1 else f"{found[0].id} to {found[-1].id} ({len(found)})"
        size = f"{units.size(version.size)}, " if version.content_id else ""
        yield f"  snapshots {span}: {size}modified {units.local_time(version.mtime_ns)}"
    if not one.versions:
        yield "  snapshots none"


def _verdict(verdict: Verdict, key: bytes) -> str:
    above = f", with its folder {escape.name(verdict.decided_at)}/" if verdict.decided_at != key else ""
    if verdict.state == "taken":
        source = verdict.source.path if verdict.source else b""
        return f"yes, by source {escape.name(source)}"
    if verdict.state == "skipped":
        return f"no: skipped{above}"
    if verdict.state == "symlink":
        return f"no: below a symlink, which is not followed{above}" if above else "no: a symlink (symlinks: skip)"
    if verdict.state == "unreadable":
        return f"cannot be accessed{above}: {escape.one_line(verdict.detail)}"
    return _SAID[verdict.state] + above


def _rule(rule: SkipLine, job: Job) -> str:
    where = f"{rule.file or job.file}:{rule.line}" if rule.line else "command line"
    if rule.setting:
        return f"{escape.one_line(where)}: {escape.one_line(rule.text)}"
    whose = "the job's" if rule.origin is SkipOrigin.JOB else "this source's"
    return f"{escape.one_line(where)}: {escape.one_line(rule.text)}  ({whose} skip lines; the last match decides)"


def _stored_lines(one: Explanation) -> Iterator[str]:
    if one.stored is None or one.stored.version.content_id is None:
        return
    version = one.stored.version
    digest = f", BLAKE3 {version.blake3.hex()[:16]}…" if version.blake3 else ""
    yield f"  content   {version.content_id}, {units.size(version.size)}{digest}"
    for item in one.stored.objects:
        state = "" if item.state == "live" else f", {item.state}"
        yield f"  object    {escape.one_line(item.name)}  {units.size(item.size)}, {item.tier}{state}"


# -- skips


def skips_document(found: SkipSurvey, job: Job) -> Fields:
    """`skips --json`."""
    return {
        "job": job.name,
        "lines": [_use_fields(use, job) for use in found.uses],
        "kept_files": found.kept_files,
        "kept_bytes": found.kept_bytes,
        "problems": [
            path_fields(item.key) | {"problem": item.kind, "message": item.message} for item in found.problems
        ],
    }


def _use_fields(use: LineUse, job: Job) -> Fields:
    return {
        **(rule_fields(use.line, job) or {}),
        "brings_back": use.brings_back,
        "files": use.files,
        "folders": use.folders,
        "bytes": use.size,
        "largest": [path_fields(key) | {"size": size} for size, key in use.largest],
    }


def skips_lines(found: SkipSurvey, job: Job, look: Look) -> Iterator[str]:
    """One line per skip line, followed by the largest files it excludes."""
    if not found.uses:
        yield f'job "{escape.one_line(job.name)}" has no skip lines'
    width = max((len(escape.one_line(use.line.text)) for use in found.uses), default=0)
    for use in found.uses:
        text = f"{escape.one_line(use.line.text):<{width}}"
        where = f"{use.line.line:>5}" if use.line.line else "    -"
        if not use.files and not use.folders:
            what = "re-includes nothing" if use.brings_back else "excludes nothing"
            yield f"{where}  {text}  {look.paint(what, 'yellow')}"
            continue
        verb = "re-includes" if use.brings_back else "excludes"
        parts = [units.count(use.files, "file")] + ([units.count(use.folders, "folder")] if use.folders else [])
        yield f"{where}  {text}  {verb} {', '.join(parts)}, {units.size(use.size)}"
        for size, key in use.largest:
            yield look.paint(f"       {units.size(size):>9}  {escape.name(key)}", "dim")
    for item in found.problems:
        yield f"! {escape.name(item.key)}  {item.kind}: {escape.one_line(item.message)}"
    idle = sum(not use.files and not use.folders for use in found.uses)
    rest = f"; {units.count(idle, 'line does', 'lines do')} nothing" if idle else ""
    yield look.paint(
        f"{units.count(found.kept_files, 'file')}, {units.size(found.kept_bytes)} are left to back up{rest}", "bold"
    )
