"""A plan as a page."""

from __future__ import annotations

from collections.abc import Iterable

from ...planning.file import Header, key_of
from ...records import Action, ActionKind, Kind
from .. import escape, units
from ..actions import ACTIONS, MOVING_BYTES, ORDER
from ..costs import cost_parts, money
from ..folders import FolderTree
from ..plan_text import Heading, action_name, moved_bytes, opens_line, totals_line
from ..reasons import why
from .render import Page
from .rows import RowKind, Rows
from .shapes import Growth, charts, tiles

_IMPORTANT = (
    ActionKind.KEY,
    ActionKind.DELETE,
    ActionKind.FORGET,
    ActionKind.ERASE,
    ActionKind.REMOVE,
    ActionKind.REPAIR,
    ActionKind.HOLD,
)
_FREES = (ActionKind.DELETE, ActionKind.REPACK, ActionKind.FORGET)


def plan_page(header: Header, actions: Iterable[Action], heading: Heading) -> Page:
    """Everything that reviewers of a plan look for; one pass over the actions."""
    kinds = [RowKind(kind.value, shown.sign, shown.tone, rank=_rank(kind)) for kind, shown in ACTIONS.items()]
    rows, tree, growth = Rows(kinds), FolderTree(), Growth()
    for action in actions:
        rows.add(action.kind.value, action_name(action), action.size, escape.one_line(why(action)))
        if action.entry_kind == Kind.DIRECTORY or action.object_name or action.snapshot_id is not None or action.holder:
            continue
        if action.kind in MOVING_BYTES:
            tree.add(action.key, action.size)
        came = action.size if action.kind is ActionKind.UPLOAD else 0
        changed = action.size if action.kind in (ActionKind.UPDATE, ActionKind.REPAIR) else 0
        went = action.size if action.kind is ActionKind.REMOVE else 0
        growth.add(action.key, came=came, changed=changed, went=went)
    title = "Prune plan" if header.pruning == "only" else "Plan"
    return Page(
        title=f"{title}: {escape.one_line(header.job)}",
        heading=escape.one_line(header.job),
        headline=totals_line(header),
        facts=_facts(header, heading),
        rows=rows,
        list_title="Actions",
        figures=_figures(header),
        stops=[(guard["name"], escape.one_line(guard["message"])) for guard in header.guards],
        problems=[
            (escape.name(key_of(item)), f"{item['problem']}: {escape.one_line(item['message'])}")
            for item in header.problems[:50]
        ],
        problem_count=header.problem_count or len(header.problems),
        notes=[escape.one_line(note) for note in header.notes],
        map_title="What is stored, by folder",
        tiles=tiles(tree),
        growth=growth.table(),
        charts=charts(header.history),
        costs=[(name, escape.one_line(value)) for name, value in cost_parts(header.cost)] if header.cost else [],
    )


def _rank(kind: ActionKind) -> int:
    return _IMPORTANT.index(kind) if kind in _IMPORTANT else len(_IMPORTANT)


def _facts(header: Header, heading: Heading) -> list[tuple[str, str]]:
    facts = [("made", units.local_time(header.created_ns)), ("job file", escape.one_line(header.job_file))]
    if heading.target:
        facts.insert(0, ("to", escape.one_line(heading.target)))
    if opened := opens_line(header):
        facts.append(("can be decrypted by", escape.one_line(opened.partition(": ")[2])))
    facts.append(("plan", escape.one_line(header.plan_id[:12])))
    return facts


def _figures(header: Header) -> list[tuple[str, str, str]]:
    totals = header.totals
    known = {name: totals.counts.get(name, 0) for name in (kind.value for kind in ORDER)}
    found = [("to store", units.size(moved_bytes(totals.bytes)), "uncompressed")]
    for name, label in (("upload", "new"), ("update", "changed"), ("remove", "gone"), ("repair", "repaired")):
        if known[name] or name in ("upload", "update", "remove"):
            found.append((label, units.count(known[name]), units.size(totals.bytes.get(name, 0))))
    if any(known[kind] for kind in _FREES):
        freed = sum(totals.bytes.get(kind, 0) for kind in (ActionKind.DELETE,))
        found.append(("deleted", units.count(known[ActionKind.DELETE]), f"objects, {units.size(freed)}"))
    found.append(("unchanged", units.count(totals.unchanged), units.size(totals.unchanged_bytes)))
    if header.cost:
        month = money(header.cost["month_total"], escape.one_line(header.cost["currency"]))
        found.append(("this month", month, "estimate"))
    return found
