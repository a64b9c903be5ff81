"""Opens an object of kind `keys`: an envelope of the lineage, and its roster."""

from __future__ import annotations

from ...errors import ContainerError, DamagedError
from ..identity import Identity
from ..names import ObjectId
from ..reader import open_object
from .envelope import Envelope
from .header import read_header
from .roster import MAX_OBJECT, Roster, check_keys, decode_roster


def stated_envelope(data: bytes, object_id: ObjectId) -> Envelope:
    """The envelope in the header of `keys/<n>`; valid by itself, the rest is checked by the chain.

    Raises DamagedError, NoiseError.
    """
    try:
        envelope = read_header(data, object_id)[2]
        check_keys(object_id, envelope, envelope.signer)
    except ContainerError as error:
        raise type(error)(f"{object_id.name}: {error.beside(object_id.name)}") from error
    return envelope


def open_keys(data: bytes, object_id: ObjectId, identity: Identity) -> tuple[Envelope, Roster]:
    """Envelope and roster. Raises DamagedError (NoiseError, NotEntitledError), WrongKeyError."""
    if len(data) > MAX_OBJECT:
        raise DamagedError(f"{object_id.name}: exceeds the size limit for this kind of object")
    envelope = stated_envelope(data, object_id)
    opened = open_object(data, len(data), object_id, identity)
    assert opened.index is not None
    assert opened.index.signer is not None
    check_keys(object_id, envelope, opened.index.signer.public)
    return envelope, decode_roster(opened.payload())
