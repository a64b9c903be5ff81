"""Results of apply, restore and verify as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..progress import Outcome, RestoreOutcome, Safe, VerifyOutcome
from ..records import Problem
from . import escape, units
from .actions import ACTIONS
from .look import Look
from .problems import MOST_NAMED, RESTORE_NEXT, problem_lines, rows_of


def outcome_lines(job: str, outcome: Outcome, look: Look) -> Iterator[str]:
    """The end of an apply."""
    yield ""
    yield from problem_part("Not backed up completely", outcome.problems, look, see="apply --json")
    yield from _names("Changed since the plan, backed up as they are now", outcome.changed_since_plan, look)
    yield from _names("Held back by overwrite: never", outcome.held, look)
    yield from _notes(outcome.notes, look)
    parts = []
    for kind in ACTIONS:
        if number := outcome.counts.get(kind, 0):
            size = outcome.bytes.get(kind, 0)
            parts.append(f"{units.count(number)} {ACTIONS[kind].done}" + (f" ({units.size(size)})" if size else ""))
    done = ", ".join(parts) or ("no file complete" if outcome.interrupted else "nothing changed")
    snapshot = f"snapshot {outcome.snapshot_id} " if outcome.snapshot_id is not None else ""
    status = "interrupted" if outcome.interrupted else outcome.status
    good = status == "complete" and not outcome.problems
    head = f"{escape.one_line(job)}: {snapshot}{status}"
    yield (
        look.paint(head, "green" if good else "yellow", "bold")
        + f": {done}; {units.count(outcome.unchanged)} unchanged"
    )
    yield look.paint(f"  {_stored(outcome)}", "dim")
    if outcome.interrupted:
        yield f"  {_safe(outcome.safe)}"


def _safe(safe: Safe) -> str:
    """What an interrupted run got into the bucket."""
    parts = [f"{units.count(safe.files, 'whole file')} ({units.size(safe.bytes)})"] if safe.files else []
    if safe.pieces:
        pieces = f"{units.count(safe.pieces, 'piece')} ({units.size(safe.piece_bytes)})"
        parts.append(f"{pieces} of {units.count(safe.partial_files, 'file')} not finished yet")
    if not parts:
        return "no file had been read"
    return f"in the bucket: {', '.join(parts)}; the next apply does not upload them again"


def _stored(outcome: Outcome) -> str:
    objects = units.count(outcome.stored_objects, "object")
    parts = [f"{units.size(outcome.stored_bytes)} stored in {objects}"]
    if outcome.read_bytes:
        said = f"{units.size(outcome.read_bytes)} read, {units.size(outcome.new_bytes)} of it new"
        # Ratio of data read to data stored, from deduplication and compression.
        ratio = f" ({outcome.read_bytes / outcome.stored_bytes:,.1f}:1)" if outcome.stored_bytes else ""
        parts = [said, parts[0] + ratio]
    if outcome.deleted_bytes:
        parts.append(f"{units.size(outcome.deleted_bytes)} deleted")
    speed = units.rate(outcome.read_bytes, outcome.seconds) if outcome.read_bytes else ""
    parts.append(f"{units.duration(outcome.seconds)}{f' ({speed})' if speed else ''}")
    return ", ".join([*parts, f"serial {outcome.serial}"])


def restore_lines(
    outcome: RestoreOutcome, look: Look, *, dry_run: bool, hints: Mapping[str, str] = RESTORE_NEXT
) -> Iterator[str]:
    """The end of a restore; `hints` are what to do by kind of problem, with the command's options."""
    lacking = [problem for problem in outcome.problems if problem.kind == "attributes"]
    absent = [problem for problem in outcome.problems if problem.kind != "attributes"]
    for title, problems in (("Not restored", absent), ("Restored without all attributes", lacking)):
        if problems:
            yield from problem_lines(title, rows_of(problems), len(problems), look, see="restore --json", hints=hints)
    yield from _notes(outcome.notes, look)
    verb = "would be " if dry_run else ""
    said = ", ".join(_counted(number, name) for name, number in outcome.counts.items() if number)
    head = "restore interrupted" if outcome.interrupted else ("dry run" if dry_run else "restore done")
    good = not outcome.problems and not outcome.interrupted
    nothing = "nothing to do" if good else "nothing restored"
    yield look.paint(head, "green" if good else "yellow", "bold") + f": {verb}{said or nothing}"
    made = f", made {outcome.snapshot_date}" if outcome.snapshot_date else ""
    speed = units.rate(outcome.bytes, outcome.seconds) if outcome.bytes else ""
    took = units.duration(outcome.seconds) + (f" ({speed})" if speed else "")
    yield look.paint(f"  snapshot {outcome.snapshot_id}{made}; {units.size(outcome.bytes)}, {took}", "dim")
    if outcome.pending_thaw:
        yield f"  {units.count(outcome.pending_thaw, 'object')} being thawed; run the same command again later"


def _counted(number: int, what: str) -> str:
    """`3 restored`, `1 folder`: some counts are verbs, some are nouns."""
    if what == "deleted_folders":
        return units.count(number, "folder deleted", "folders deleted")
    one = what.removesuffix("s") if what in ("folders", "symlinks") else what
    return units.count(number, one, what)


def verify_lines(outcome: VerifyOutcome, look: Look) -> Iterator[str]:
    """The end of a verify: each bad object, each affected file, then the verdict."""
    if outcome.damaged:
        yield look.paint(f"Bad objects ({units.count(len(outcome.damaged))}):", "red", "bold")
        for name, what in outcome.damaged[:MOST_NAMED]:
            yield f"  {look.paint('!', 'red')} {escape.one_line(name)}: {escape.one_line(what)}"
        if len(outcome.damaged) > MOST_NAMED:
            more = units.count(len(outcome.damaged) - MOST_NAMED)
            yield f"    {look.mark('…')} and {more} more; `verify --json` lists all of them"
    yield from problem_part("Affected files", outcome.files, look, see="verify --json")
    yield from _notes(outcome.notes, look)
    bad = bool(outcome.damaged or outcome.files)
    head = "verify interrupted" if outcome.interrupted else ("verify FAILED" if bad else "verify passed")
    seen = [units.count(outcome.objects, "object")]
    seen += [units.count(outcome.contents, "content")] if outcome.contents else []
    seen += [units.size(outcome.bytes)] if outcome.bytes else []
    colour = "red" if bad else ("yellow" if outcome.interrupted else "green")
    yield look.paint(head, colour, "bold") + f" at level {outcome.level}: {', '.join(seen)}"
    if outcome.unknown:
        unknown = units.count(outcome.unknown, "object")
        yield f"  {unknown} not in the catalog; the next apply reuses those that this key decrypts"
    yield look.paint(f"  {units.duration(outcome.seconds)}", "dim")
    if bad:
        yield "  The next apply uploads again what the sources still have; see `plan`."


def problem_part(title: str, problems: list[Problem], look: Look, *, see: str) -> Iterator[str]:
    """`problem_lines` for a list, and nothing if it is empty."""
    if problems:
        yield from problem_lines(title, rows_of(problems), len(problems), look, see=see)


def _names(title: str, keys: list[bytes], look: Look) -> Iterator[str]:
    if not keys:
        return
    yield f"{title} ({units.count(len(keys))}):"
    for key in keys[:MOST_NAMED]:
        yield f"    {escape.name(key)}"
    if len(keys) > MOST_NAMED:
        yield f"    {look.mark('…')} and {units.count(len(keys) - MOST_NAMED)} more; `apply --json` lists all of them"


def _notes(notes: Iterable[str], look: Look) -> Iterator[str]:
    for note in notes:
        yield look.paint(f"note: {escape.one_line(note)}", "dim")
