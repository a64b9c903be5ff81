"""Checks a saved plan's header and actions field by field, so that later code can rely on them.

Not by a JSON schema: a plan can have millions of actions, and schema libraries take long to load.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..moments import HIGHEST_NS, LOWEST_NS
from ..reasons import Cause, Finding
from ..records import ActionKind

Check = Callable[[Any], bool]
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_STRONG = re.compile(r"[0-9a-f]{64}")
_MOST_SNAPSHOTS = 1000
"""A plan carries 120 of them."""
_MOST_FINDINGS, _MOST_DETAILS, _MOST_TIERS = 2, 3, 20
_TIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def _text(value: object) -> bool:
    return type(value) is str


def _word(value: object) -> bool:
    """One of our own names, such as a guard's: it is printed as part of a command."""
    return type(value) is str and _WORD.fullmatch(value) is not None


def _hex(value: object) -> bool:
    return type(value) is str and _HEX.fullmatch(value) is not None


def _strong(value: object) -> bool:
    return type(value) is str and _STRONG.fullmatch(value) is not None


def _base64(value: object) -> bool:
    try:
        return type(value) is str and base64.b64decode(value, validate=True) != b""
    except ValueError:
        return False


def _flag(value: object) -> bool:
    return type(value) is bool


def _whole(value: object) -> bool:
    """Any number that a catalog can hold; also times in nanoseconds."""
    return type(value) is int and LOWEST_NS <= value <= HIGHEST_NS


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= HIGHEST_NS


def _sum(value: object) -> bool:
    """Sizes of several files may add up to more than a catalog can hold, and not to more than JSON can."""
    return type(value) is int and 0 <= value < 1 << 64


def _amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e300


def _true(value: object) -> bool:
    return value is True


def _one_of(*values: str) -> Check:
    return lambda value: type(value) is str and value in values


def _list_of(check: Check, most: int | None = None) -> Check:
    return lambda value: type(value) is list and (most is None or len(value) <= most) and all(map(check, value))


def _each(names: Collection[str], check: Check) -> Check:
    """A number or so by name."""
    return lambda value: type(value) is dict and value.keys() <= set(names) and all(map(check, value.values()))


def _by_tier(value: object) -> bool:
    """Amounts by storage tier, which each service names in its own way."""
    return (
        type(value) is dict
        and len(value) <= _MOST_TIERS
        and all(_TIER.fullmatch(name) is not None for name in value)
        and all(map(_amount, value.values()))
    )


def _object(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    fields = {**required, **(optional or {})}
    return lambda value: (
        type(value) is dict
        and required.keys() <= value.keys() <= fields.keys()
        and all(fields[name](one) for name, one in value.items())
    )


def _snapshot_totals(value: object) -> bool:
    """As in the catalog; only these two are used."""
    return type(value) is dict and all(_whole(value.get(name, 0)) for name in ("bytes", "stored_bytes"))


_KINDS = [kind.value for kind in ActionKind]
_TOTALS = {
    **dict.fromkeys(("counts", "bytes", "folders"), _each(_KINDS, _sum)),
    **dict.fromkeys(
        ("unchanged", "unchanged_bytes", "held_before", "known", "kept_unseen", "unread", "unread_bytes"), _sum
    ),
    "left_out": lambda value: type(value) is dict and all(map(_word, value)) and all(map(_sum, value.values())),
}
_AMOUNTS = ("requests_cost", "early_deletion_cost", "retrieval_cost", "storage_before", "storage_after", "month_total")
_COST = _object(
    {
        "estimate": _true,
        "currency": _text,
        "prices_of": _text,
        "requests": _count,
        **dict.fromkeys(("gb_months_added", "gb_months_freed"), _by_tier),
        **dict.fromkeys(_AMOUNTS, _amount),
    }
)
_PAST = {
    "id": _count,
    "scanned_ns": _whole,
    "status": _one_of("running", "complete", "partial"),
    "totals": _snapshot_totals,
}
_REQUIRED: dict[str, Check] = {
    **dict.fromkeys(("plan_id", "job", "job_file", "job_digest", "lineage", "listing"), _text),
    **dict.fromkeys(("created_ns", "scanned_ns"), _whole),
    "serial": _count,
    "totals": _object({}, _TOTALS),
}
_HEADER: dict[str, Check] = _REQUIRED | {
    "scope": _list_of(_hex),
    "problems": _list_of(_object({"path": _text, "problem": _word, "message": _text}, {"path_base64": _base64})),
    "problem_count": _count,
    "guards": _list_of(_object({"name": _word, "message": _text})),
    "overridden": _list_of(_word),
    "notes": _list_of(_text),
    "pruning": _one_of("none", "retention", "only"),
    "cost": lambda value: value is None or _COST(value),
    "opens": _list_of(_object(dict.fromkeys(("name", "kind", "fingerprint"), _text))),
    "history": _list_of(_object(_PAST), _MOST_SNAPSHOTS),
}
# In `why`, plans of formats 1 and 2 have the reason as a text.
_OF_ALL: dict[str, Check] = {
    "kind": _text,
    "action": _text,
    "why": _text,
    "reason": _one_of(*Cause),
    "found": _list_of(_one_of(*Finding), _MOST_FINDINGS),
    "details": _list_of(lambda value: _text(value) or _count(value), _MOST_DETAILS),
}
_OF_PATH: dict[str, Check] = _OF_ALL | {
    "path": _text,
    "path_base64": _base64,
    "type": _text,
    "size": _count,
    "mtime_ns": _whole,
    "ctime_ns": _whole,
    "blake3": _strong,
    "content": _count,
    "leader": _text,
    "leader_base64": _base64,
    "forced": _flag,
}
_OF_OBJECT: dict[str, Check] = _OF_ALL | {"object": _text, "size": _count}
_OF_SNAPSHOT: dict[str, Check] = _OF_ALL | {"snapshot": _count, "size": _count}
_OF_RECIPIENT: dict[str, Check] = _OF_ALL | {
    "recipient": _text,
    "fingerprint": _text,
    "change": _one_of("add", "remove"),
}
_ACTIONS = dict.fromkeys(_KINDS, _OF_PATH) | {
    ActionKind.FORGET.value: _OF_SNAPSHOT,
    ActionKind.KEY.value: _OF_RECIPIENT,
    **dict.fromkeys((ActionKind.ADOPT.value, ActionKind.DELETE.value, ActionKind.REPACK.value), _OF_OBJECT),
}


def header_trouble(fields: Mapping[str, Any]) -> str | None:
    """The name of the first invalid or unknown field of a header; None if all are valid."""
    if missing := _REQUIRED.keys() - fields.keys():
        return min(missing)
    return next((name for name, value in fields.items() if name not in _HEADER or not _HEADER[name](value)), None)


def action_trouble(fields: Mapping[str, Any]) -> str | None:
    """The same for an action; missing fields are found by the code that reads them."""
    checks = _ACTIONS.get(fields["action"])
    if checks is None or fields["kind"] != "action":
        return "action"
    for name, value in fields.items():
        check = checks.get(name)
        if check is None or not check(value):
            return name
    return None
