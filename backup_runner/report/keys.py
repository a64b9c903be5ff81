"""Who can decrypt a lineage and who may write to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..container.suite2.envelope import Envelope
from ..container.suite2.recipients import fingerprint
from ..container.suite2.roster import Roster
from . import escape


def roster_fields(envelope: Envelope, roster: Roster, lineage: str) -> dict[str, Any]:
    """For programs."""
    return {
        "lineage": lineage,
        "envelope": envelope.number,
        "epoch": envelope.epoch,
        "recipients": [
            {
                "name": one.name,
                "kind": one.kind.value,
                "fingerprint": fingerprint(one.public),
                "owner": one.owner is not None,
                "since": one.since,
            }
            for one in roster.recipients
        ],
        "writers": [
            *(
                {
                    "name": one.name,
                    "fingerprint": fingerprint(one.owner),
                    "rights": "owner",
                    "since": one.since,
                    "void_after": None,
                }
                for one in roster.recipients
                if one.owner is not None
            ),
            *(
                {
                    "name": one.name,
                    "fingerprint": fingerprint(one.key),
                    "rights": one.rights.name.lower(),
                    "since": one.since,
                    "void_after": one.void.serial if one.void else None,
                }
                for one in roster.writers
            ),
        ],
    }


def roster_lines(fields: dict[str, Any]) -> Iterator[str]:
    """For people."""
    yield f"lineage {fields['lineage']}, envelope {fields['envelope']}, epoch {fields['epoch']}"
    yield "can decrypt:"
    for one in fields["recipients"]:
        owner = ", owner" if one["owner"] else ""
        yield f"  {one['fingerprint']}  {escape.one_line(one['name'])}  {one['kind']}{owner}, since {one['since']}"
    if fields["writers"]:
        yield "may write:"
    for one in fields["writers"]:
        end = one["void_after"]
        void = f", ignored after record {end}" if end is not None else ""
        yield f"  {one['fingerprint']}  {escape.one_line(one['name'])}  {one['rights']}, since {one['since']}{void}"
