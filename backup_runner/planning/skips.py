"""What each skip line and setting of a job excludes: a scan without any, which finds the deciding line for every
path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from ..patterns.globs import Rules
from ..records import Entry, Kind, Problem
from ..source.marks import bound_line
from ..source.walk import ScanOptions, ScanSource, ScanTotals, scan
from ..spec import Job, SkipLine, Source
from .sources import lines_of, rules_of

_EXAMPLES = 3


@dataclass(slots=True)
class LineUse:
    """What one line excludes or, if it starts with "!", re-includes. Sizes in bytes."""

    line: SkipLine
    files: int = 0
    folders: int = 0
    size: int = 0
    largest: list[tuple[int, bytes]] = field(default_factory=list)
    """The largest (size, key) of what the line itself matches; a folder counts with everything in it."""

    @property
    def brings_back(self) -> bool:
        return not self.line.setting and self.line.text.startswith("!")


@dataclass(slots=True)
class SkipSurvey:
    """`kept` files are backed up; `problems` are paths that could not be accessed."""

    uses: list[LineUse]
    kept_files: int = 0
    kept_bytes: int = 0
    problems: list[Problem] = field(default_factory=list)


def survey(job: Job, own: Sequence[bytes]) -> SkipSurvey:
    """Walk all sources, skipped folders included. `own` are absolute paths of ours, excluded as in every scan."""
    own_lines = (line for one in job.sources for line in (*one.skip, *one.bounds.lines))
    uses = {line: LineUse(line) for line in (*job.skip, *own_lines)}
    found = SkipSurvey(list(uses.values()))
    for source in job.sources:
        if source.output:
            continue
        _survey_source(job, source, own, uses, found)
    return found


class _Lines:
    """The lines for one source, compiled; also the results without the lines after each one."""

    def __init__(self, job: Job, source: Source) -> None:
        self._lines = lines_of(job, source)
        self._source = source
        self._upto: dict[int, Rules] = {}

    def _rules(self, stop: int) -> Rules:
        if stop not in self._upto:
            self._upto[stop] = rules_of(self._lines[:stop], self._source)
        return self._upto[stop]

    def decide(self, entry: Entry, uses: dict[SkipLine, LineUse]) -> tuple[LineUse | None, bool]:
        """The line that decides, and whether it excludes. A file that no other line would exclude is not
        re-included."""
        relative = entry.key[len(self._source.key.rstrip(b"/")) :].strip(b"/")
        is_dir = entry.kind == Kind.DIRECTORY
        decision = self._rules(len(self._lines)).match(relative, is_dir=is_dir) if relative else None
        if decision is None:
            return None, False
        use = uses[self._lines[decision.line]]
        if decision.skip:
            return use, True
        above = self._rules(decision.line).match(relative, is_dir=is_dir)
        return (use if above is not None and above.skip else None), False


class _Bounds:
    """The settings of one source that exclude paths for reasons other than their names."""

    def __init__(self, source: Source) -> None:
        self._bounds = source.bounds
        self._real = os.path.realpath(source.path)
        self._root = len(source.key.rstrip(b"/"))
        self._dev: int | None = None

    def decide(self, entry: Entry) -> SkipLine | None:
        """The setting that excludes an entry. A mount point is excluded with what is mounted there."""
        bounds, is_dir = self._bounds, entry.kind == Kind.DIRECTORY
        if self._dev is None:
            # The root comes first; none of the settings applies to it.
            self._dev = entry.dev
            return None
        folder = self._real + b"/" + entry.key[self._root :].strip(b"/") if is_dir else None
        return bound_line(bounds, elsewhere=entry.dev != self._dev, size=entry.size, folder=folder)


def _survey_source(
    job: Job, source: Source, own: Sequence[bytes], uses: dict[SkipLine, LineUse], found: SkipSurvey
) -> None:
    lines, bounds = _Lines(job, source), _Bounds(source)
    hidden: tuple[bytes, LineUse] | None = None
    at = 0
    for entry in _entries(job, source, own, found):
        if hidden is not None and entry.key.startswith(hidden[0]):
            _count(hidden[1], entry)
            at += entry.size
            continue
        if hidden is not None:
            _remember(hidden[1], at, hidden[0])
            hidden, at = None, 0
        use, skips = lines.decide(entry, uses)
        setting = None if skips else bounds.decide(entry)
        if setting is not None:
            use, skips = uses[setting], True
        if skips and use is not None:
            _count(use, entry)
            if entry.kind == Kind.DIRECTORY:
                hidden = (entry.key, use)
            else:
                _remember(use, entry.size, entry.key)
            continue
        if use is not None:
            _count(use, entry)
        if entry.kind != Kind.DIRECTORY:
            found.kept_files += 1
            found.kept_bytes += entry.size
    if hidden is not None:
        _remember(hidden[1], at, hidden[0])


def _entries(job: Job, source: Source, own: Sequence[bytes], found: SkipSurvey) -> Iterator[Entry]:
    sources = [ScanSource(source.path, source.key)]
    options = ScanOptions(job.symlinks, tuple(own))
    for batch in scan(sources, options, totals=ScanTotals(), on_problem=found.problems.append):
        yield from (Entry._make(entry) for entry in batch)


def _count(use: LineUse, entry: Entry) -> None:
    if entry.kind == Kind.DIRECTORY:
        use.folders += 1
    else:
        use.files += 1
        use.size += entry.size


def _remember(use: LineUse, size: int, key: bytes) -> None:
    use.largest = nlargest(_EXAMPLES, [*use.largest, (size, key)])
