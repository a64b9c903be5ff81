"""Who can decrypt a lineage and who may write to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..container.suite2.envelope import Envelope
from ..container.suite2.recipients import fingerprint
from ..container.suite2.roster import Roster
from . import escape


def roster_fields(envelope: Envelope, roster: Roster, lineage: str, machine: bytes | None = None) -> dict[str, Any]:
    """For programs. `machine`: the signing key of the machine that asks."""
    owners = {one.owner: one.name for one in roster.recipients if one.owner}
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
                    "machine_of": None,
                    "this_machine": False,
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
                    "machine_of": owners.get(one.of, "") if one.of else None,
                    "this_machine": one.key == machine,
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
        yield f"  {one['fingerprint']}  {escape.one_line(one['name'])}  {one['kind']}{owner}, {_since(one['since'])}"
    if fields["writers"]:
        yield "may write:"
    for one in fields["writers"]:
        end = one["void_after"]
        more = f", machine of {escape.one_line(one['machine_of'])}" if one["machine_of"] else ""
        more += ", this machine" if one["this_machine"] else ""
        more += f", ignored after record {end}" if end is not None else ""
        yield f"  {one['fingerprint']}  {escape.one_line(one['name'])}  {one['rights']}, {_since(one['since'])}{more}"


def _since(serial: int) -> str:
    return f"since record {serial}" if serial else "from the start"
