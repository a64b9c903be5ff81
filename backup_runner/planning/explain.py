"""Explains one path: what the job says about it, what a plan does with it, and where it is stored."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..catalog import Catalog, history
from ..catalog.browsing import PathVersion, versions_of
from ..catalog.database import Snapshot
from ..foreign import describe
from ..records import Action, Kind
from ..repository.own import own_files
from ..repository.session import Session
from ..source.marks import bound_line
from ..source.reading import kind_of
from ..spec import Job, SkipLine, Source, Symlinks
from .file import key_of
from .sources import lines_of, rules_of
from .spool import SpooledPlan

_GONE = (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the job says about a path on disk.

    `state` is `taken`, `skipped` (by `rule`), `own` (a file of ours), `symlink`, `special`, `missing`, `unreadable` or
    `outside` (of every source). `decided_at` is the key that decides: the path's own, or that of a folder above it.
    `rule` is the last one that matches there, also if it re-includes the path (`!…`)."""

    state: str
    decided_at: bytes
    source: Source | None = None
    rule: SkipLine | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StoredAs:
    """The content that the newest version of a path has, and the objects that contain it; sizes in bytes."""

    version: PathVersion
    objects: tuple[history.ObjectRow, ...]


@dataclass(slots=True)
class Explanation:
    """Everything known about one path. `key` has no trailing slash."""

    key: bytes
    path: bytes
    verdict: Verdict
    action: Action | None = None
    below: Counter[str] = field(default_factory=Counter)
    """Actions on paths in this folder, by kind."""
    problems: list[dict[str, str]] = field(default_factory=list)
    held: bool = False
    """A newer file is held back by `overwrite: never`."""
    stored: StoredAs | None = None
    versions: list[tuple[PathVersion, list[Snapshot]]] = field(default_factory=list)


def explain(session: Session, plan: SpooledPlan, paths: Sequence[bytes]) -> list[Explanation]:
    """Explain paths as users write them: stored, absolute, or relative to the current folder. The plan must be
    fresh."""
    job = session.job
    own = [os.path.realpath(path) for path in own_files(job)]
    found = [_judged(path, job, own) for path in paths]
    _add_actions(found, plan)
    catalog, store = session.catalog(), session.store()
    job_id = catalog.job_id(store.id, job.name) if catalog and store else None
    if catalog is not None and job_id is not None:
        snapshots = catalog.snapshots(job_id)
        for one in found:
            _add_stored(one, catalog, job_id, snapshots)
    return found


def _judged(argument: bytes, job: Job, own: Sequence[bytes]) -> Explanation:
    path = _absolute(argument, job.base)
    inside = path == job.base or path.startswith(job.base + b"/")
    key = path[len(job.base) + 1 :] if inside else path
    as_folder = argument.endswith(b"/")
    verdict = judge(job, key, own, as_folder=as_folder) if inside else Verdict("outside", key)
    return Explanation(key, path, verdict)


def _absolute(argument: bytes, base: bytes) -> bytes:
    """The stored path, if there is such a file or nothing else of that name; otherwise the path that the shell would
    mean."""
    here = os.path.normpath(os.path.join(os.getcwdb(), argument))
    if argument.startswith((b"/", b"./", b"../")) or argument in (b".", b".."):
        return here
    stored = os.path.normpath(base + b"/" + argument)
    return stored if os.path.lexists(stored) or not os.path.lexists(here) else here


def judge(job: Job, key: bytes, own: Sequence[bytes], *, as_folder: bool = False) -> Verdict:
    """What a scan of the job does with a key; `own` are our own paths, without symlinks.

    `as_folder`: whether a path that does not exist counts as a folder."""
    covering = [one for one in job.sources if one.covers(key)]
    # The output of a program may be in a folder that is a source of its own; what is below its name is left out.
    source = next((one for one in covering if one.output), covering[0] if covering else None)
    if source is None or (source.output and key.rstrip(b"/") != source.key):
        return Verdict("outside", key)
    if source.output:
        return Verdict("taken", key, source)
    judging = _Judging(job, source, own)
    root = source.key.rstrip(b"/")
    relative = key[len(root) :].lstrip(b"/")
    at = -1
    while relative and (at := relative.find(b"/", at + 1)) >= 0:
        folder = (root + b"/" if root else b"") + relative[:at]
        above = judging.step(folder, relative[:at], is_dir=True, last=False)
        if above.state != "taken":
            return above
    return judging.step(key, relative, is_dir=as_folder, last=True)


class _Judging:
    """Goes step by step from a source's root to a path, in the order of a scan."""

    def __init__(self, job: Job, source: Source, own: Sequence[bytes]) -> None:
        self._job, self._source, self._own = job, source, own
        self._lines = lines_of(job, source)
        self._rules = rules_of(self._lines, source)
        self._left_system = False

    def step(self, key: bytes, relative: bytes, *, is_dir: bool, last: bool) -> Verdict:
        job, source = self._job, self._source
        path = job.base + b"/" + key if key else job.base or b"/"
        status, trouble = _look(path, follow=not relative)
        kind = None if status is None else kind_of(status.st_mode)
        is_dir = is_dir if kind is None else kind == Kind.DIRECTORY
        folder, _, name = path.rpartition(b"/")
        if os.path.join(os.path.realpath(folder or b"/"), name) in self._own:
            return Verdict("own", key, source)
        # Rules do not apply to a source's root.
        decision = self._rules.match(relative, is_dir=is_dir) if relative else None
        rule = self._lines[decision.line] if decision else None
        if decision and decision.skip:
            return Verdict("skipped", key, source, rule)
        if trouble is not None:
            missing = trouble.errno in _GONE
            return Verdict("missing" if missing else "unreadable", key, source, rule, describe(trouble))
        if kind == Kind.SYMLINK and (not last or job.symlinks is Symlinks.SKIP):
            return Verdict("symlink", key, source, rule)
        if kind == -1:
            return Verdict("special", key, source, rule)
        bound = self._bound(path, status) if status is not None and relative else None
        return Verdict("skipped", key, source, bound) if bound else Verdict("taken", key, source, rule)

    def _bound(self, path: bytes, status: os.stat_result) -> SkipLine | None:
        """The setting that excludes an entry."""
        bounds, is_dir = self._source.bounds, stat.S_ISDIR(status.st_mode)
        elsewhere = bounds.one_file_system and status.st_dev != os.stat(self._source.path).st_dev
        if elsewhere and is_dir and not self._left_system:
            # The mount point itself is kept, but nothing in it.
            self._left_system = True
            return None
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        return bound_line(bounds, elsewhere=elsewhere, size=size, folder=os.path.realpath(path) if is_dir else None)


def _look(path: bytes, *, follow: bool) -> tuple[os.stat_result | None, OSError | None]:
    try:
        return os.stat(path, follow_symlinks=follow), None
    except OSError as error:
        return None, error


def _add_actions(found: Sequence[Explanation], plan: SpooledPlan) -> None:
    by_key: dict[bytes, list[Explanation]] = {}
    for one in found:
        by_key.setdefault(one.key, []).append(one)
    folders = [(key + b"/" if key else b"", key, same) for key, same in by_key.items()]
    for action in plan.actions():
        if action.snapshot_id is not None or action.object_name:
            continue
        key = action.key.rstrip(b"/")
        for one in by_key.get(key, ()):
            one.action = action
        for folder, asked, same in folders:
            if key != asked and key.startswith(folder):
                for one in same:
                    one.below[action.kind.value] += 1
    for fields in plan.header.problems:
        for one in by_key.get(key_of(fields).rstrip(b"/"), ()):
            one.problems.append(fields)


def _add_stored(one: Explanation, catalog: Catalog, job_id: int, snapshots: list[Snapshot]) -> None:
    for version in versions_of(catalog, job_id, one.key):
        inside = [item for item in snapshots if version.is_in(item.id)]
        if inside:
            one.versions.append((version, inside))
        if version.until is None:
            ids = dict.fromkeys(
                extent.object_id
                for extent in (history.extents(catalog, version.content_id) if version.content_id else ())
            )
            one.stored = StoredAs(version, tuple(history.get_object(catalog, number) for number in ids))
            one.held = history.current_row(catalog, job_id, version.key).held is not None
