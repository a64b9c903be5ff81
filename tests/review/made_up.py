"""Plans of any length, made up from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from backup_runner.planning.cost import DAY_NS, Work, estimate
from backup_runner.planning.file import Header, Totals
from backup_runner.planning.oldreasons import reason_of
from backup_runner.records import Action, ActionKind
from backup_runner.targets.oci.spec import OciTargetSpec, StorageTier

NOW = 1_795_427_729_000_000_000
HOSTILE = b"</script><img src=x onerror=alert(1)>\xf0\x9f\x98\x80/\xff\n`|*_.txt"
_FOLDERS = (
    *("photos/2024/norway", "photos/2024/raw", "photos/2023/garden", "documents/letters", "documents/tax/2025"),
    *("music/jazz", "projects/site/assets", "mail/archive", "videos/family", "virtual machines/debian"),
)
_KINDS = {
    ActionKind.UPLOAD: ("new", 60),
    ActionKind.UPDATE: ("content changed (mtime changed)", 14),
    ActionKind.LINK: ("new, content stored already", 6),
    ActionKind.TOUCH: ("mode changed", 10),
    ActionKind.REMOVE: ("gone", 8),
    ActionKind.HOLD: ("size changed, overwrite: never", 1),
    ActionKind.REPAIR: ("object missing in bucket", 1),
}


def actions(number: int, seed: int = 1) -> list[Action]:
    """Sorted by path; the last ones are about a snapshot and objects."""
    random_ = random.Random(seed)
    return [*sorted(_paths(number, random_), key=lambda action: action.key), *_others(random_)]


def _paths(number: int, random_: random.Random) -> Iterator[Action]:
    yield Action(ActionKind.UPLOAD, reason_of("new"), HOSTILE, size=5)
    kinds = random_.choices(list(_KINDS), [weight for _, weight in _KINDS.values()], k=number - 1)
    for at, kind in enumerate(kinds):
        folder = random_.choice(_FOLDERS)
        size = int(random_.lognormvariate(12, 2))
        yield Action(kind, reason_of(_KINDS[kind][0]), f"{folder}/file-{at:06}-ä.jpg".encode(), size=size)


def _others(random_: random.Random) -> Iterator[Action]:
    yield Action(ActionKind.FORGET, reason_of("expired by keep_daily"), snapshot_id=4, size=9)
    name = f"{random_.getrandbits(128):032x}/data/{random_.getrandbits(128):032x}"
    yield Action(ActionKind.DELETE, reason_of("no kept snapshot needs it"), object_name=name, size=33_000_000)


def header(of: list[Action], **values: object) -> Header:
    """A header whose totals are right, with fifty snapshots before it."""
    totals = Totals(unchanged=82_143, unchanged_bytes=21 << 30)
    for action in of:
        totals.add(action)
    history = [
        {
            "id": day,
            "scanned_ns": NOW - (50 - day) * DAY_NS,
            "status": "partial" if day == 17 else "complete",
            "totals": {"bytes": day << 28, "stored_bytes": (day * 7919) % 1000 << 18},
        }
        for day in range(1, 50)
    ]
    tariff = OciTargetSpec("bucket").tariff(None)
    assert tariff is not None
    cost = estimate(Work(tier=StorageTier.STANDARD, stored={StorageTier.STANDARD: 10**10}, added=10**9), tariff)
    made = {"totals": totals, "history": history, "cost": cost} | values
    return Header("9f3c21d08a774e12", "documents", "/jobs/documents.yaml", "d", "l", 49, "x", NOW, NOW, **made)  # type: ignore[arg-type]
