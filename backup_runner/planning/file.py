"""The plan file: JSON Lines with a header, one action a line and a closing line that shows truncation.

Pure: values to lines and back. The closing digest is SHA-256 over all lines before it, newlines included.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from ..errors import PlanFileError
from ..foreign import describe
from ..reasons import Cause, Finding, Reason
from ..records import Action, ActionKind, Holder, Kind
from .oldreasons import reason_of
from .shape import action_trouble, header_trouble

FORMAT = 3
_READABLE = (1, 2, 3)
"""Format 1 lacks the totals of files that were not read; in 1 and 2, reasons are texts."""
NAMED_IN_FILES = 1000
"""Problems that a plan file names; a plan that is applied at once knows all of them."""
END = b'{"kind":"end"'
"""How the closing line begins."""
Fields = dict[str, Any]
TYPES: dict[int, str] = {Kind.FILE: "file", Kind.DIRECTORY: "directory", Kind.SYMLINK: "symlink"}
_KINDS = {name: kind for kind, name in TYPES.items()}
_ACTIONS = {kind.value: kind for kind in ActionKind}
_PLAIN = {cause.value: reason for cause in Cause if (reason := Reason(cause)).is_sound}
_OBJECT_ACTIONS = {ActionKind.ADOPT, ActionKind.DELETE, ActionKind.REPACK}


@dataclass(slots=True)
class Totals:
    """The totals of a plan. `counts` and `bytes` are of files and symlinks, `folders` of directories."""

    counts: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    unchanged_bytes: int = 0
    held_before: int = 0
    known: int = 0
    kept_unseen: int = 0
    unread: int = 0
    """Changed large files that were not read for the plan; `unread_bytes` are their sizes."""
    unread_bytes: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """What the scan excluded on purpose, by reason (see `notes.left_out`)."""

    def add(self, action: Action) -> None:
        name = action.kind.value
        if action.entry_kind == Kind.DIRECTORY:
            self.folders[name] = self.folders.get(name, 0) + 1
            return
        self.counts[name] = self.counts.get(name, 0) + 1
        self.bytes[name] = self.bytes.get(name, 0) + action.size
        if action.unread:
            self.unread += 1
            self.unread_bytes += action.size

    @property
    def changes(self) -> int:
        """How many actions there are; 0 means that catalog and bucket match the job."""
        return sum(self.counts.values()) + sum(self.folders.values())


@dataclass(slots=True)
class Header:
    """What a plan was made from; apply refuses it when any of this moved. Times are nanoseconds.

    Larger than usual, because it is a line of the plan file.
    """

    plan_id: str
    job: str
    job_file: str
    job_digest: str
    lineage: str
    serial: int
    listing: str
    """Digest of the listing of the data objects that the catalog knows; "" for an offline plan."""
    created_ns: int
    scanned_ns: int
    scope: list[str] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    problems: list[dict[str, Any]] = field(default_factory=list)
    """The first problems, files that are not backed up completely: {path, problem, message}."""
    problem_count: int = 0
    guards: list[dict[str, str]] = field(default_factory=list)
    """Guards that stop this plan: {name, message}."""
    overridden: list[str] = field(default_factory=list)
    """Names of guards that would have stopped this plan, and were overridden when it was made."""
    notes: list[str] = field(default_factory=list)
    pruning: str = "none"
    """`none`: nothing is forgotten or deleted; `retention`; or `only`, for a plan of `prune`."""
    cost: Fields | None = None
    """What it is estimated to cost on OCI (see `cost.estimate`); None for other targets."""
    opens: list[Fields] = field(default_factory=list)
    """Who can decrypt what it writes, as far as known: {name, kind, fingerprint}."""
    history: list[Fields] = field(default_factory=list)
    """The job's last snapshots at the time of planning, oldest first: {id, scanned_ns, status, totals}."""


def path_fields(key: bytes) -> dict[str, str]:
    """{"path": …}, and "path_base64" too if the path is not UTF-8."""
    try:
        return {"path": key.decode()}
    except UnicodeDecodeError:
        return {
            "path": key.decode("utf-8", "backslashreplace"),
            "path_base64": base64.b64encode(key).decode(),
        }


def key_of(fields: dict[str, Any], name: str = "path") -> bytes:
    encoded = fields.get(f"{name}_base64")
    return base64.b64decode(encoded) if encoded else fields[name].encode()


def action_fields(action: Action) -> dict[str, Any]:
    """An action as the JSON object that plans, `--json` and plan files hold."""
    kind, key, entry_kind, size, mtime_ns, ctime_ns = (
        action.kind, action.key, action.entry_kind, action.size, action.mtime_ns, action.ctime_ns,
    )  # fmt: skip
    head = {"kind": "action", "action": kind.value}
    if kind is ActionKind.FORGET:
        return head | {"snapshot": action.snapshot_id, "size": size} | reason_fields(action.reason)
    if kind in _OBJECT_ACTIONS:
        return head | {"object": action.object_name, "size": size} | reason_fields(action.reason)
    if action.holder is not None:
        change, name, fingerprint = action.holder
        return head | {"change": change, "recipient": name, "fingerprint": fingerprint} | reason_fields(action.reason)
    what = {"type": TYPES[entry_kind], "size": size, "mtime_ns": mtime_ns, "ctime_ns": ctime_ns}
    fields: dict[str, Any] = {**head, **path_fields(key), **what}
    if action.blake3 is not None:
        fields["blake3"] = action.blake3.hex()
    if action.content_id is not None:
        fields["content"] = action.content_id
    if action.leader is not None:
        fields |= {name.replace("path", "leader"): value for name, value in path_fields(action.leader).items()}
    if action.forced:
        fields["forced"] = True
    return fields | reason_fields(action.reason)


def reason_fields(reason: Reason) -> dict[str, Any]:
    """A reason's values; `report` turns them into text."""
    fields: dict[str, Any] = {"reason": reason.cause.value}
    if reason.findings:
        fields["found"] = [one.value for one in reason.findings]
    if reason.details:
        fields["details"] = list(reason.details)
    return fields


def _reason_from(fields: dict[str, Any]) -> Reason:
    if "reason" not in fields:
        return reason_of(fields["why"])
    found, details = fields.get("found", ()), fields.get("details", ())
    if not found and not details and (plain := _PLAIN.get(fields["reason"])) is not None:
        return plain
    reason = Reason(Cause(fields["reason"]), tuple(Finding(one) for one in found), tuple(details))
    if not reason.is_sound:
        raise ValueError(f"details of {reason.cause} are {details!r}")
    return reason


def action_from(fields: dict[str, Any]) -> Action:
    """The inverse of `action_fields`. Raises KeyError for a missing field, ValueError or TypeError for some invalid
    ones; `shape` checks them all."""
    kind = _ACTIONS[fields["action"]]
    if kind is ActionKind.FORGET:
        return Action(kind, _reason_from(fields), size=fields["size"], snapshot_id=fields["snapshot"])
    if kind in _OBJECT_ACTIONS:
        return Action(kind, _reason_from(fields), size=fields["size"], object_name=fields["object"])
    if kind is ActionKind.KEY:
        holder = Holder(fields["change"], fields["recipient"], fields["fingerprint"])
        return Action(kind, _reason_from(fields), holder=holder)
    strong = fields.get("blake3")
    return Action(
        kind,
        _reason_from(fields),
        key_of(fields) if "path_base64" in fields else fields["path"].encode(),
        _KINDS[fields["type"]],
        fields["size"],
        fields["mtime_ns"],
        fields["ctime_ns"],
        bytes.fromhex(strong) if strong else None,
        fields.get("content"),
        key_of(fields, "leader") if "leader" in fields else None,
        fields.get("forced", False),
    )


def write(header: Header, action_lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a plan file, with newlines; `action_lines` are without."""
    digest = hashlib.sha256()
    count = 0
    fields = asdict(header) | {"problems": header.problems[:NAMED_IN_FILES]}
    first = orjson.dumps({"kind": "header", "format": FORMAT} | fields) + b"\n"
    digest.update(first)
    yield first
    for line in action_lines:
        count += 1
        digest.update(line)
        digest.update(b"\n")
        yield line + b"\n"
    yield orjson.dumps({"kind": "end", "actions": count, "sha256": digest.hexdigest()}) + b"\n"


def header_from(line: bytes) -> Header:
    """Parse the first line. Raises PlanFileError if this is not a plan that this version can read."""
    try:
        fields = orjson.loads(line)
        if fields.pop("kind") != "header":
            raise ValueError
        found = fields.pop("format")
        if type(found) is not int:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PlanFileError("this is not a plan file", hint="make one with `plan JOB --out FILE`") from None
    if found not in _READABLE:
        raise PlanFileError(f"plan file format {found} is not supported", hint="make the plan again with this version")
    if (wrong := header_trouble(fields)) is not None:
        raise PlanFileError(f"the plan file's header is damaged: {_named(wrong)}", hint="make the plan again")
    return Header(**fields | {"totals": Totals(**fields["totals"])})


def _named(field: str) -> str:
    """The error for an invalid field, whose name may be anything, too."""
    return repr(field) if field.isascii() and len(field) < 40 else "a field that no plan has"


def read_actions(lines: Iterable[bytes], *, strange: bool = False) -> Iterator[Action]:
    """The actions of a plan file's lines (header included); the closing line is checked at the end. `strange` lines,
    which this process neither wrote nor read before, are checked field by field.

    Raises PlanFileError for anything that was modified."""
    digest = hashlib.sha256()
    count = -1
    closing: dict[str, Any] | None = None
    for number, line in enumerate(lines, start=1):
        if closing is not None:
            raise PlanFileError("the plan file has data after its end", hint="make the plan again")
        try:
            fields = orjson.loads(line)
            if fields["kind"] == "end":
                closing = fields
                continue
            digest.update(line)
            count += 1
            if not count:
                continue
            if strange and (wrong := action_trouble(fields)) is not None:
                raise PlanFileError(
                    f"line {number} of the plan is damaged: {_named(wrong)}", hint="make the plan again"
                )
            yield action_from(fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PlanFileError(
                f"line {number} of the plan is damaged: {describe(error)}", hint="make the plan again"
            ) from None
    if closing is None:
        raise PlanFileError("the plan file is truncated: its last line is missing", hint="make the plan again")
    if (closing.get("actions"), closing.get("sha256")) != (count, digest.hexdigest()):
        raise PlanFileError("the plan file was modified: count or digest do not match", hint="make the plan again")
