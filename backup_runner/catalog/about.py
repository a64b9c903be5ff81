"""A snapshot's tags, note and host: part of the JSON in its `totals`, so that records of every version include them."""

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
        """In the form of `totals`; empty values are omitted."""
        said = {"host": self.host, "tags": sorted(set(self.tags)), "note": self.note}
        return {name: value for name, value in said.items() if value}


def about_of(totals: str) -> About:
    found = orjson.loads(totals)
    return About(str(found.get("host", "")), tuple(map(str, found.get("tags", ()))), str(found.get("note", "")))


def numbers_of(totals: str) -> dict[str, Any]:
    """The rest of `totals`: the results of the apply."""
    return {name: value for name, value in orjson.loads(totals).items() if name not in _KEYS}
