"""The format of files that backup-tool wrote: read and written as a stream, checked by MD5, since it has no MAC.

8 bytes of plaintext length, little-endian; 16 bytes IV; then AES-CBC (NIST SP 800-38A) under the crypto key's raw
bytes, the last block padded with spaces. A plaintext of whole blocks has no padding.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ..container.keys import CryptoKey
from ..errors import DamagedError

BLOCK = 16
HEAD = 8 + BLOCK
CHUNK = 64 << 10
_LENGTH = struct.Struct("<Q")
_FILLING = b" "

Read = Callable[[int], bytes]
"""At most so many bytes, fewer only at the end, b"" after it."""
Write = Callable[[bytes], object]


class Head(NamedTuple):
    """The first 24 bytes: the plaintext's length in bytes, and the IV."""

    size: int
    iv: bytes


class Sums(NamedTuple):
    """What was processed: plaintext length in bytes, and the MD5 (16 raw bytes) of plaintext and of the sealed file."""

    size: int
    plain_md5: bytes
    sealed_md5: bytes


def sealed_size(size: int) -> int:
    """The encrypted length in bytes of this many bytes of plaintext."""
    return HEAD + -(-size // BLOCK) * BLOCK


def upper_size(sealed: int) -> int:
    """The maximum plaintext in a file of this many bytes; the real one is less than 16 bytes shorter."""
    return max(0, sealed - HEAD)


def read_head(data: bytes) -> Head:
    """Raises DamagedError if there are fewer than 24 bytes."""
    if len(data) < HEAD:
        raise DamagedError(f"has {len(data)} bytes, but the header alone has {HEAD}")
    return Head(_LENGTH.unpack_from(data)[0], data[_LENGTH.size : HEAD])


def check_size(head: Head, sealed: int) -> None:
    """Raises DamagedError unless a file of `sealed` bytes is what its head says."""
    if sealed != sealed_size(head.size):
        raise DamagedError(
            f"has {sealed} bytes, {sealed_size(head.size)} are expected for the {head.size} in its header"
        )


def encrypt(
    key: CryptoKey, size: int, read: Read, write: Write, *, random: Callable[[int], bytes] = os.urandom
) -> Sums:
    """Encrypt `size` bytes. Raises DamagedError if `read` returns more or fewer."""
    iv = random(BLOCK)
    cipher = Cipher(AES(key.raw), CBC(iv)).encryptor()
    plain, sealed = _md5(), _md5()

    def put(data: bytes) -> None:
        sealed.update(data)
        write(data)

    put(_LENGTH.pack(size) + iv)
    left = size
    for chunk in _chunks(read):
        left -= len(chunk)
        plain.update(chunk)
        put(cipher.update(chunk + _FILLING * (-len(chunk) % BLOCK)))
    if left:
        raise DamagedError("the file changed while it was being read")
    return Sums(size, plain.digest(), sealed.digest())


def decrypt(key: CryptoKey, read: Read, write: Write) -> Sums:
    """Decrypt a stream. Only the MD5 that the caller knows, and the padding, detect a wrong key or damage.

    Raises DamagedError if the length or the padding is invalid; some bytes have been written by then."""
    head_bytes = read(HEAD)
    head = read_head(head_bytes)
    plain, sealed = _md5(), _md5()
    sealed.update(head_bytes)
    context = decryptor(key, head.iv)
    taken = 0
    for chunk in _chunks(read):
        if len(chunk) % BLOCK:
            check_size(head, HEAD + taken + len(chunk))
        sealed.update(chunk)
        opened = context.update(chunk)
        kept = opened[: max(0, head.size - taken)]
        if taken + len(chunk) >= head.size and opened[len(kept) :].strip(_FILLING):
            raise DamagedError("has an invalid end: wrong key, or damaged")
        taken += len(chunk)
        plain.update(kept)
        write(kept)
    check_size(head, HEAD + taken)
    return Sums(head.size, plain.digest(), sealed.digest())


def decryptor(key: CryptoKey, iv: bytes) -> CipherContext:
    """Opens whole blocks; `iv` is the block of ciphertext before the first of them, or the head's IV."""
    return Cipher(AES(key.raw), CBC(iv)).decryptor()


def _chunks(read: Read) -> Iterator[bytes]:
    """Pieces of whole blocks, but for the last."""
    while chunk := read(CHUNK):
        while len(chunk) < CHUNK and (more := read(CHUNK - len(chunk))):
            chunk += more
        yield chunk


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)
