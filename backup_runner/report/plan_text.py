"""A plan as text: actions grouped with reasons and totals, for 3 actions or 300,000."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..planning.file import Header, Totals
from ..records import Action, ActionKind
from . import escape, units
from .actions import ACTIONS, MOVING_BYTES, ORDER
from .costs import cost_line
from .look import Look
from .plan_groups import MOST_LINES, Group, gather
from .problems import problem_lines
from .reasons import why

_FOLDER_LINES = 16
_REASONS = 6
_WITH_SIZE = frozenset(ActionKind) - {
    ActionKind.LINK, ActionKind.TOUCH, ActionKind.HOLD, ActionKind.FORGET, ActionKind.KEY,
}  # fmt: skip
_NAME_COLUMN = 60


@dataclass(frozen=True, slots=True)
class Heading:
    """Facts for a plan's header line that are not in the plan; empty if unknown."""

    target: str = ""
    last_snapshot: str = ""


def plan_lines(header: Header, actions: Iterable[Action], heading: Heading, look: Look) -> Iterator[str]:
    """All of a plan's text, line by line, without newlines."""
    yield from heading_lines(header, heading, look)
    for group in gather(actions).values():
        yield ""
        yield from _group_lines(group, look)
    yield from closing_lines(header, look)


def heading_lines(header: Header, heading: Heading, look: Look) -> Iterator[str]:
    """The job, its target, and the last snapshot."""
    where = f" {look.mark('→')} {escape.one_line(heading.target)}" if heading.target else ""
    title = "Prune plan" if header.pruning == "only" else "Plan"
    yield look.paint(f'{title} for job "{escape.one_line(header.job)}"', "bold") + where
    if not heading.target and header.job_file:
        # A saved plan: whoever reviews it decides about the job file, too.
        yield look.paint(f"  job file {escape.one_line(header.job_file)}", "dim")
    last = heading.last_snapshot or (f"serial {header.serial}" if header.serial else "nothing applied yet")
    yield look.paint(f"  made {units.local_time(header.created_ns)}; {last}", "dim")


def closing_lines(header: Header, look: Look) -> Iterator[str]:
    """Problems, guards, notes and totals: what follows the actions."""
    if header.problems:
        yield ""
        rows = ((item, item["problem"], item["message"]) for item in header.problems)
        total = header.problem_count or len(header.problems)
        yield from problem_lines(
            "Not backed up completely", rows, total, look, see="plan --json", kept=len(header.problems)
        )
    if header.notes:
        yield ""
        for note in header.notes:
            yield look.paint(f"note: {escape.one_line(note)}", "dim")
    for guard in header.guards:
        yield ""
        yield look.paint(f"GUARD {guard['name']}", "red", "bold") + f": {escape.one_line(guard['message'])}"
    if header.guards:
        # Several sources may have triggered one guard.
        hit = dict.fromkeys(guard["name"] for guard in header.guards)
        names = " ".join(f"--override-guard {name}" for name in hit)
        yield f"  Nothing will be done. If this is intended, add {names}"
    if opened := opens_line(header):
        yield ""
        yield escape.one_line(opened)
    yield ""
    yield look.paint(totals_line(header), "bold")
    if unread := header.totals.unread:
        of_it = "it" if unread == 1 else "them"
        size = units.size(header.totals.unread_bytes)
        yield f"  {units.count(unread, 'file')} changed, {size} to read; apply shows how much of {of_it} is new"
    if header.cost:
        yield look.paint(escape.one_line(cost_line(header.cost)), "dim")


def opens_line(header: Header) -> str:
    """Who can open what the plan writes; "" if only the job itself can, or that is not known."""
    if len(header.opens) < 2:
        return ""
    return "Can be decrypted by: " + ", ".join(
        one["name"] + (f" ({one['fingerprint']})" if one["fingerprint"] else "") for one in header.opens
    )


def totals_line(header: Header) -> str:
    """One sentence: `Plan: 3 to upload (1.2 MiB), 2 to remove; 120 unchanged (4.0 GiB).`"""
    totals = header.totals
    same = f"{units.count(totals.unchanged)} unchanged ({units.size(totals.unchanged_bytes)})"
    if header.pruning == "only":
        same = ""
    parts = _parts(totals)
    if not parts:
        return f"No changes: {same or 'nothing has expired'}."
    return f"Plan: {', '.join(parts)}{'; ' if same else ''}{same}."


def _parts(totals: Totals) -> list[str]:
    found = []
    for kind in ORDER:
        files, folders = totals.counts.get(kind, 0), totals.folders.get(kind, 0)
        if not files and not folders:
            continue
        if kind is ActionKind.KEY:
            found.append(f"{units.count(files, 'recipient')} to change")
            continue
        noun = f"{units.count(files)} to {kind}" if files else f"{units.count(folders, 'folder')} to {kind}"
        size = totals.bytes.get(kind, 0)
        found.append(f"{noun} ({units.size(size)})" if kind in _WITH_SIZE and size else noun)
    return found


def _group_lines(group: Group, look: Look) -> Iterator[str]:
    yield f"{look.glyph(ACTIONS[group.kind])} {look.paint(group.kind, 'bold')}  {_extent(group)}"
    total = group.files or group.folders
    if total <= MOST_LINES:
        yield from _single_lines(group, look)
        return
    if group.reasons:
        yield look.paint(f"    why: {_reasons(group.reasons)}", "dim")
    sums = group.tree.largest(_FOLDER_LINES) if group.tree.used else []
    if not sums:
        yield from _single_lines(group, look)
        yield look.paint(f"    {look.mark('…')} and {units.count(total - len(group.shown))} more", "dim")
        return
    width = min(_NAME_COLUMN, max(len(_folder_name(item.folder, rest=item.rest)) for item in sums))
    for item in sums:
        name = _folder_name(item.folder, rest=item.rest)
        size = units.size(item.size) if group.kind in _WITH_SIZE else ""
        yield f"    {name:<{width}}  {units.count(item.files, 'file'):>15}  {size:>9}".rstrip()


def _folder_name(folder: bytes, *, rest: bool) -> str:
    return escape.name(folder) + (" (the rest)" if rest else "")


def _single_lines(group: Group, look: Look) -> Iterator[str]:
    names = [action_name(action) for action in group.shown]
    width = min(_NAME_COLUMN, max(len(name) for name in names))
    glyph = look.glyph(ACTIONS[group.kind])
    sized = group.kind in _WITH_SIZE and group.files
    for action, name in zip(group.shown, names, strict=True):
        size = f"  {units.size(action.size):>9}" if sized else ""
        yield f"  {glyph} {name:<{width}}{size}  {look.paint(escape.one_line(why(action)), 'dim')}"


def action_name(action: Action) -> str:
    """A user-facing name of an action's subject."""
    if action.kind is ActionKind.FORGET:
        return f"snapshot {action.snapshot_id}"
    if action.holder is not None:
        mark = f" ({action.holder.fingerprint})" if action.holder.fingerprint else ""
        return escape.one_line(f"{action.holder.change} {action.holder.name}{mark}")
    if action.object_name:
        return escape.one_line(action.object_name)
    return escape.name(action.key)


def _extent(group: Group) -> str:
    nouns = {
        ActionKind.KEY: "recipient",
        ActionKind.FORGET: "snapshot",
        ActionKind.ADOPT: "object",
        ActionKind.DELETE: "object",
    }
    noun = nouns.get(group.kind, "object" if group.kind is ActionKind.REPACK else "file")
    said = [units.count(group.files, noun)] if group.files else []
    if group.folders:
        said.append(units.count(group.folders, "folder"))
    size = f", {units.size(group.size)}" if group.kind in _WITH_SIZE and group.size else ""
    return " and ".join(said) + size


def _reasons(reasons: Mapping[str, int]) -> str:
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    said = [f"{escape.one_line(text)} ({units.count(number)})" for text, number in ranked[:_REASONS]]
    if len(ranked) > _REASONS:
        said.append(f"other ({units.count(sum(number for _, number in ranked[_REASONS:]))})")
    return ", ".join(said)


def moved_bytes(sizes: Mapping[str, int]) -> int:
    """Bytes that a plan reads and stores, from its totals by action."""
    return sum(sizes.get(kind, 0) for kind in MOVING_BYTES)
