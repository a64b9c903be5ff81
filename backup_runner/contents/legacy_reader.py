"""Reading contents in backup-tool's format: whole objects, checked by MD5 before decryption, since there is no MAC."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..container import Identity
from ..errors import DamagedError
from ..targets.base import Target
from . import legacy_format as legacy

if TYPE_CHECKING:
    from .sealed import Place, Reader, Span

CHUNK = 4 << 20
"""Bytes per request; a multiple of the cipher's block."""


class LegacyReader:
    """Reads the plaintext of one object. The catalog has the MD5 of the encrypted bytes as its header."""

    def __init__(self, name: str, sealed_md5: bytes, target: Target, identity: Identity) -> None:
        self._name = name
        self._sealed_md5 = sealed_md5
        self._target = target
        self._key = identity.crypto_key

    def stretch(self, offset: int, length: int) -> Iterator[bytes]:
        """The whole content. Raises DamagedError at its end if the sealed bytes had another MD5."""
        assert offset == 0, "contents in this format are read from their start"
        digest = hashlib.md5(usedforsecurity=False)
        sealed = self._target.get(self._name, 0, legacy.HEAD + CHUNK)
        digest.update(sealed)
        head = self._checked(sealed, length)
        opener = legacy.decryptor(self._key, head.iv)
        at, left, data = len(sealed), length, sealed[legacy.HEAD :]
        while data:
            if len(data) % legacy.BLOCK:
                raise DamagedError(f"{self._name}: truncated within a block")
            plain = opener.update(data)[:left]
            left -= len(plain)
            if plain:
                yield plain
            data = self._target.get(self._name, at, CHUNK) if len(data) == CHUNK else b""
            digest.update(data)
            at += len(data)
        if digest.digest() != self._sealed_md5:
            raise DamagedError(f"{self._name}: its MD5 does not match what backup-tool stored")

    def _checked(self, sealed: bytes, length: int) -> legacy.Head:
        try:
            head = legacy.read_head(sealed)
        except DamagedError as error:
            raise DamagedError(f"{self._name}: {error.message}") from None
        if head.size != length:
            raise DamagedError(f"{self._name}: its header says {head.size} bytes, the catalog says {length}")
        return head


def open_legacy(place: Place, _spans: Sequence[Span], target: Target, identity: Identity) -> Reader:
    """A reader for one object of backup-tool's."""
    return LegacyReader(place.name, place.header, target, identity)


def true_size(target: Target, name: str) -> int:
    """The content's length in bytes, as the object's head states it. Raises DamagedError, TargetError."""
    return legacy.read_head(target.get(name, 0, legacy.HEAD)).size
