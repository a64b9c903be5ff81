"""The payload of an object of kind `keys`: names of recipients and writers (docs/format.md, keys/<n>)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from ...errors import DamagedError, NotEntitledError
from ...foreign import describe
from ..names import ObjectId, ObjectKind
from .envelope import MAX_RECIPIENTS, Envelope
from .lineage import ENROLMENT_LENGTH, Lineage, Rights
from .pairs import PUBLIC_LENGTH
from .sealer import seal_object
from .seeds import SecretKind
from .signing import KEY_LENGTH

MAX_OBJECT = 1 << 20
MAX_WRITERS = 1024
MAX_NAME = 200

_FORMAT = 1


class Mark(NamedTuple):
    """A record: its serial, and SHA-256 of it as it is in the bucket."""

    serial: int
    digest: bytes


class Recipient(NamedTuple):
    """Somebody who can decrypt; `owner` is their signing key if they may change the envelope, `job` the job file that
    named them."""

    name: str
    kind: SecretKind
    public: bytes
    owner: bytes | None
    since: int
    job: str = ""


class EnrolledWriter(NamedTuple):
    """Somebody who may sign; what they wrote after `void` is ignored. `of`: the signing key of the owner whose machine
    it is, if a machine enrolled itself."""

    name: str
    key: bytes
    rights: Rights
    enrolment: bytes
    since: int
    void: Mark | None = None
    of: bytes | None = None


class Roster(NamedTuple):
    """The payload of `keys/<n>`."""

    recipients: Sequence[Recipient]
    writers: Sequence[EnrolledWriter] = ()
    head: Mark | None = None
    suite1: Mark | None = None

    def writer(self, key: bytes) -> EnrolledWriter | None:
        """The writer with this signing key."""
        return next((writer for writer in self.writers if writer.key == key), None)

    def is_void(self, key: bytes, serial: int) -> bool:
        """Whether what this signer wrote with that serial is ignored."""
        writer = self.writer(key)
        return writer is not None and writer.void is not None and serial > writer.void.serial


def encode_roster(roster: Roster) -> bytes:
    """One line of JSON."""
    line = {
        "keys": _FORMAT,
        "recipients": [
            {
                "name": one.name,
                "kind": one.kind,
                "public": base64.b64encode(one.public).decode("ascii"),
                "owner": one.owner.hex() if one.owner else None,
                "since": one.since,
            }
            | ({"job": one.job} if one.job else {})
            for one in roster.recipients
        ],
        "writers": [
            {
                "name": one.name,
                "key": one.key.hex(),
                "rights": one.rights,
                "enrolment": one.enrolment.hex(),
                "since": one.since,
                "void": _mark(one.void),
            }
            | ({"of": one.of.hex()} if one.of else {})
            for one in roster.writers
        ],
        "head": _mark(roster.head),
        "suite1": _mark(roster.suite1),
    }
    return orjson.dumps(line) + b"\n"


def decode_roster(payload: bytes) -> Roster:
    """The inverse of `encode_roster`. Raises DamagedError for invalid values."""
    try:
        line = orjson.loads(payload)
        if line["keys"] != _FORMAT:
            raise DamagedError("the list of recipients and writers has another format")
        roster = Roster(
            [_recipient(one) for one in line["recipients"]],
            [_writer(one) for one in line["writers"]],
            _read_mark(line["head"]),
            _read_mark(line["suite1"]),
        )
        if len(roster.recipients) > MAX_RECIPIENTS or len(roster.writers) > MAX_WRITERS:
            raise DamagedError("the list of recipients and writers is too long")
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"the list of recipients and writers cannot be read: {describe(error)}") from error
    return roster


def seal_keys(lineage: Lineage, roster: Roster) -> tuple[ObjectId, bytes]:
    """The object `keys/<n>` of the lineage's envelope, which the envelope's signer seals."""
    if lineage.signer.public != lineage.envelope.signer:
        raise ValueError("only the signer of an envelope seals its object")
    object_id = ObjectId.keys(lineage.id, lineage.envelope.number)
    data = seal_object(lineage, object_id, encode_roster(roster))
    if len(data) > MAX_OBJECT:
        raise ValueError("too many writers for one object")
    return object_id, data


def check_keys(object_id: ObjectId, envelope: Envelope, signer: bytes) -> None:
    """Raises NotEntitledError unless an opened object of kind `keys` is that of its envelope, by its signer."""
    if object_id.kind is not ObjectKind.KEYS or object_id.serial != envelope.number or signer != envelope.signer:
        raise NotEntitledError(
            f"{object_id.name}: not signed by the signer of its envelope, or stored under another number"
        )


def _mark(mark: Mark | None) -> list[Any] | None:
    return None if mark is None else [mark.serial, mark.digest.hex()]


def _read_mark(value: Any) -> Mark | None:
    return None if value is None else Mark(_number(value[0]), _bytes(bytes.fromhex(value[1]), 32))


def _recipient(one: dict[str, Any]) -> Recipient:
    public = _bytes(base64.b64decode(one["public"], validate=True), PUBLIC_LENGTH)
    owner = None if one["owner"] is None else _bytes(bytes.fromhex(one["owner"]), KEY_LENGTH)
    job = _name(one.get("job", ""))
    return Recipient(_name(one["name"]), SecretKind(one["kind"]), public, owner, _number(one["since"]), job)


def _writer(one: dict[str, Any]) -> EnrolledWriter:
    return EnrolledWriter(
        _name(one["name"]),
        _bytes(bytes.fromhex(one["key"]), KEY_LENGTH),
        Rights(one["rights"]),
        _bytes(bytes.fromhex(one["enrolment"]), ENROLMENT_LENGTH),
        _number(one["since"]),
        _read_mark(one["void"]),
        _bytes(bytes.fromhex(one["of"]), KEY_LENGTH) if one.get("of") else None,
    )


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ValueError("name")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("number")
    return value


def _bytes(value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise ValueError("key of a wrong length")
    return value
