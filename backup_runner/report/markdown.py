"""A plan as Markdown for a comment on a merge request: important parts first, the rest collapsed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappush, heapreplace

from ..planning.file import Header, key_of
from ..records import Action, ActionKind, Kind
from . import escape, units
from .actions import MOVING_BYTES, ORDER
from .costs import cost_line
from .plan_text import Heading, action_name, opens_line, totals_line
from .reasons import why

_LARGEST = 10
_FOLDED = 60
"""Lines of one kind in the collapsed part."""
_ROOM = 60_000
"""GitHub rejects comments above 65,536 characters."""
_MARKUP = frozenset("\\`*_{}[]#~")
_GONE = (ActionKind.KEY, ActionKind.REMOVE, ActionKind.ERASE, ActionKind.FORGET, ActionKind.DELETE)
_SIZED = frozenset({*MOVING_BYTES, *_GONE[1:], ActionKind.ADOPT, ActionKind.REPACK})


class _Kept:
    """The largest and the first actions of each kind: memory does not grow with the plan."""

    def __init__(self) -> None:
        self.number: dict[ActionKind, int] = {}
        self.first: dict[ActionKind, list[Action]] = {}
        self.largest: list[tuple[int, int, Action]] = []
        self._seen = 0

    def add(self, action: Action) -> None:
        if action.entry_kind == Kind.DIRECTORY:
            return
        kind = action.kind
        self._seen += 1
        self.number[kind] = self.number.get(kind, 0) + 1
        kept = self.first.setdefault(kind, [])
        if len(kept) < _FOLDED:
            kept.append(action)
        if kind in MOVING_BYTES:
            item = (action.size, -self._seen, action)
            if len(self.largest) < _LARGEST:
                heappush(self.largest, item)
            elif item > self.largest[0]:
                heapreplace(self.largest, item)


def markdown_lines(header: Header, actions: Iterable[Action], heading: Heading) -> Iterator[str]:
    """The whole comment, line by line; at most some 60,000 characters."""
    kept = _Kept()
    for action in actions:
        kept.add(action)
    room = _ROOM
    for line in _lines(header, kept, heading):
        room -= len(line.encode()) + 1
        if room < 0:
            # Unclosed collapsed parts would swallow what the forge adds below.
            yield from (
                "",
                "</details>",
                "",
                "_cut here: too long for a comment; `backup-runner show` shows all of it_",
            )
            return
        yield line


def _lines(header: Header, kept: _Kept, heading: Heading) -> Iterator[str]:
    title = "Prune plan" if header.pruning == "only" else "Plan"
    where = f" → {code(heading.target)}" if heading.target else ""
    yield f"### {title} for {code(header.job)}{where}"
    yield ""
    yield f"**{text(totals_line(header))}**"
    yield ""
    for guard in header.guards:
        yield f"> [!CAUTION]\n> **Stopped by guard {code(guard['name'])}**: {text(guard['message'])}"
        yield ""
    if header.problems:
        yield from _problems(header)
    if opened := opens_line(header):
        yield text(opened)
        yield ""
    gone = [kind for kind in _GONE if kept.number.get(kind)]
    for kind in gone:
        yield from _table(_title(kind, kept.number[kind]), kept.first[kind][:_LARGEST], _LARGEST)
    largest = [action for *_, action in sorted(kept.largest, key=lambda item: item[:2], reverse=True)]
    if largest:
        yield from _table("Largest to store", largest, len(largest))
    if header.cost:
        yield f"{text(cost_line(header.cost))}"
        yield ""
    yield from _folded(kept)
    made = units.local_time(header.created_ns)
    yield f"<sub>made {made} from {code(header.job_file)}, plan {code(header.plan_id[:12])}</sub>"


def _title(kind: ActionKind, number: int) -> str:
    if kind is ActionKind.KEY:
        return f"{units.count(number, 'recipient')} to change"
    return f"{units.count(number)} to {kind}"


def _problems(header: Header) -> Iterator[str]:
    number = header.problem_count or len(header.problems)
    yield f"> [!WARNING]\n> **{units.count(number, 'file')} not backed up completely**"
    for item in header.problems[:_LARGEST]:
        yield f"> - {code(escape.name(key_of(item)))} {text(item['problem'])}: {text(item['message'])}"
    if number > _LARGEST:
        yield f"> - … and {units.count(number - min(_LARGEST, len(header.problems)))} more"
    yield ""


def _table(title: str, actions: Sequence[Action], limit: int) -> Iterator[str]:
    yield f"**{title}**"
    yield ""
    yield "| | size | why |"
    yield "|---|---:|---|"
    for action in actions[:limit]:
        size = units.size(action.size) if action.kind in _SIZED else ""
        yield f"| {code(action_name(action))} | {size} | {text(why(action))} |"
    yield ""


def _folded(kept: _Kept) -> Iterator[str]:
    for kind in (*_GONE, *(kind for kind in ORDER if kind not in _GONE)):
        number = kept.number.get(kind, 0)
        if not number:
            continue
        yield f"<details><summary>{_title(kind, number)}</summary>"
        yield ""
        for action in kept.first[kind]:
            size = f", {units.size(action.size)}" if kind in _SIZED else ""
            yield f"- {code(action_name(action))}{size}, {text(why(action))}"
        if number > len(kept.first[kind]):
            yield f"- … and {units.count(number - len(kept.first[kind]))} more"
        yield ""
        yield "</details>"
        yield ""


def code(name: str) -> str:
    """Any one-line text as a code span (CommonMark 6.1), also within a table: no name can break out of it."""
    fence = "`"
    while fence in name:
        fence += "`"
    pad = " " if name.startswith("`") or name.endswith("`") or not name.strip() else ""
    # Within tables only this entity of a pipe keeps its cell, and code spans show no entities; so a look-alike.
    return f"{fence}{pad}{escape.one_line(name)}{pad}{fence}".replace("|", "¦")


def text(message: str) -> str:
    """A message with markup, mentions and links escaped."""
    marked = (f"&#{ord(char)};" if char in "<>|" else f"\\{char}" if char in _MARKUP else char for char in message)
    safe = escape.one_line("".join(marked))
    return safe.replace("@", "@\u200b").replace("://", ":\u200b//")
