"""A snapshot's tags, note and host: part of the JSON in its `totals`, so that records of every version include them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from ..records import MAX_OWNER, whole_number

_KEYS = ("host", "tags", "note", "owners")


class Owners(NamedTuple):
    """Names of users and groups by number, as the machine that made the snapshot knew them."""

    users: Mapping[int, str] = MappingProxyType({})
    groups: Mapping[int, str] = MappingProxyType({})

    @property
    def fields(self) -> dict[str, dict[str, str]]:
        """In the form of `totals`."""
        return {name: {str(number): text for number, text in getattr(self, name).items()} for name in self._fields}


NO_OWNERS = Owners()


class About(NamedTuple):
    """`host` is the name of the machine that made the snapshot; "" in those of earlier versions."""

    host: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    owners: Owners = NO_OWNERS

    @property
    def fields(self) -> dict[str, Any]:
        """In the form of `totals`; empty values are omitted."""
        said: dict[str, Any] = {"host": self.host, "tags": sorted(set(self.tags)), "note": self.note}
        said["owners"] = self.owners.fields if any(self.owners) else {}
        return {name: value for name, value in said.items() if value}


def about_of(totals: str) -> About:
    found = orjson.loads(totals)
    tags = tuple(map(str, found.get("tags", ())))
    return About(str(found.get("host", "")), tags, str(found.get("note", "")), _owners(found.get("owners")))


def _owners(found: object) -> Owners:
    """Anything but numbers and names is ignored: it decides whose restored files are."""
    parts = [found.get(name) if isinstance(found, dict) else None for name in Owners._fields]
    return Owners(*(
        {
            one: name
            for number, name in (part.items() if isinstance(part, dict) else ())
            if (one := whole_number(number, MAX_OWNER)) is not None and isinstance(name, str) and name
        }
        for part in parts
    ))  # fmt: skip


def numbers_of(totals: str) -> dict[str, Any]:
    """The rest of `totals`: the results of the apply."""
    return {name: value for name, value in orjson.loads(totals).items() if name not in _KEYS}
