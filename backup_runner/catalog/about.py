"""What people say of a snapshot, and which host made it: part of the JSON that its `totals` are, so that records of
every version carry it."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

_KEYS = ("host", "tags", "note")


class About(NamedTuple):
    """`host` is the name of the machine that made the snapshot; "" in those of earlier versions."""

    host: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """As they stand in `totals`; what is empty is absent."""
        said = {"host": self.host, "tags": sorted(set(self.tags)), "note": self.note}
        return {name: value for name, value in said.items() if value}


def about_of(totals: str) -> About:
    found = orjson.loads(totals)
    return About(str(found.get("host", "")), tuple(map(str, found.get("tags", ()))), str(found.get("note", "")))


def numbers_of(totals: str) -> dict[str, Any]:
    """The rest of `totals`: what the apply did."""
    return {name: value for name, value in orjson.loads(totals).items() if name not in _KEYS}
