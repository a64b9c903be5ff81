"""Object names: `<lineage>/<kind>/<id>`, below the target's prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from .keys import Random

ID_LENGTH = 16
SERIAL_DIGITS = 16

_NAME = re.compile(r"([0-9a-f]{32})/(?:(data|copies|lease)/([0-9a-f]{32})|(records|keys)/([0-9]{16}))")


class ObjectKind(IntEnum):
    """What an object is for; the numbers are stored in headers and never change."""

    DATA = 1
    RECORDS = 2
    COPIES = 3
    LEASE = 4
    KEYS = 5

    @property
    def label(self) -> str:
        """The word in names and indexes."""
        return self.name.lower()

    @property
    def numbered(self) -> bool:
        """Whether its id is a number, written as decimal digits in the name."""
        return self in (ObjectKind.RECORDS, ObjectKind.KEYS)


@dataclass(frozen=True, slots=True)
class ObjectId:
    """The identity of an object; its header contains it, and opening it under another name fails."""

    lineage: bytes
    kind: ObjectKind
    id: bytes

    def __post_init__(self) -> None:
        if len(self.lineage) != ID_LENGTH or len(self.id) != ID_LENGTH:
            raise ValueError("lineage and id are 16 bytes each")
        if self.kind.numbered and self.serial >= 10**SERIAL_DIGITS:
            raise ValueError("a serial has at most 16 digits")

    @classmethod
    def new(cls, lineage: bytes, kind: ObjectKind, random: Random) -> ObjectId:
        """A fresh random id."""
        return cls(lineage, kind, random(ID_LENGTH))

    @classmethod
    def record(cls, lineage: bytes, serial: int) -> ObjectId:
        """The record of the apply with that serial."""
        return cls(lineage, ObjectKind.RECORDS, serial.to_bytes(ID_LENGTH, "big"))

    @classmethod
    def keys(cls, lineage: bytes, number: int) -> ObjectId:
        """The object that contains the envelope with that number."""
        return cls(lineage, ObjectKind.KEYS, number.to_bytes(ID_LENGTH, "big"))

    @property
    def serial(self) -> int:
        """A record's serial, or the number of an envelope."""
        return int.from_bytes(self.id, "big")

    @property
    def name(self) -> str:
        """The name below the target's prefix."""
        last = f"{self.serial:016d}" if self.kind.numbered else self.id.hex()
        return f"{self.lineage.hex()}/{self.kind.label}/{last}"


def parse_name(name: str) -> ObjectId | None:
    """The id for a name (without the target's prefix); None if it is not one of ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    lineage, kind, hex_id, numbered, serial = match.groups()
    if serial is not None:
        return ObjectId(bytes.fromhex(lineage), ObjectKind[numbered.upper()], int(serial).to_bytes(ID_LENGTH, "big"))
    return ObjectId(bytes.fromhex(lineage), ObjectKind[kind.upper()], bytes.fromhex(hex_id))


def record_serial(name: str) -> int | None:
    """The serial in the name of a record; None for any other name."""
    object_id = parse_name(name)
    return object_id.serial if object_id is not None and object_id.kind is ObjectKind.RECORDS else None


def kind_prefix(lineage: bytes, kind: ObjectKind) -> str:
    """The prefix of all names of this kind, for listings."""
    return f"{lineage.hex()}/{kind.label}/"
