"""`file encrypt` and `file decrypt`: one file as one object, or in backup-tool's format; without bucket or catalog."""

from __future__ import annotations

import contextlib
import hashlib
import os
from base64 import b64encode
from collections.abc import Iterator
from typing import IO, NamedTuple

from blake3 import blake3

from ..container import (
    MAGIC,
    SEGMENT_SIZE,
    Identity,
    IndexEntry,
    open_object,
    sealed_bound,
    stated_id,
)
from ..container.suite2.founding import found_lineage
from ..contents import legacy_format as legacy
from ..errors import BackupRunnerError, DamagedError
from ..foreign import describe
from ..replacing import replacing
from ..repository.keyfile import refuse_guessable
from ..repository.sealing import Sealing

_CHUNK = 1 << 20

_ACCESS = "check the path and its permissions"


class Crypted(NamedTuple):
    """The result: bytes read and written, base64 MD5 of the plain and the encrypted file."""

    plain_size: int
    sealed_size: int
    plain_md5: str
    sealed_md5: str
    authentic: bool
    """Whether a MAC authenticated the plaintext; backup-tool's format has none."""


def md5_of(path: str) -> str:
    """MD5 of a file in base64, the form that OCI shows. Raises BackupRunnerError."""
    digest = hashlib.md5(usedforsecurity=False)
    with _reading(path) as file:
        while data := file.read(_CHUNK):
            digest.update(data)
    return b64encode(digest.digest()).decode()


def encrypt_file(identity: Identity, source: str, goal: str, *, legacy_format: bool, overwrite: bool) -> Crypted:
    """Encrypt a file. Raises BackupRunnerError if `goal` exists and must not be overwritten."""
    with _reading(source) as file, _writing(goal, overwrite=overwrite) as out:
        size = os.fstat(file.fileno()).st_size
        if legacy_format:
            sums = legacy.encrypt(identity.crypto_key, size, file.read, out.write)
            plain_md5, sealed_md5 = sums.plain_md5, sums.sealed_md5
        else:
            plain_md5, sealed_md5 = _seal(identity, file, out)
        return Crypted(size, out.tell(), _text(plain_md5), _text(sealed_md5), authentic=not legacy_format)


def decrypt_file(identity: Identity, source: str, goal: str, *, overwrite: bool) -> Crypted:
    """Decrypt a file, in our format or backup-tool's; it gets its final name only after everything was verified.

    Raises WrongKeyError, DamagedError, BackupRunnerError."""
    with _reading(source) as file, _writing(goal, overwrite=overwrite) as out:
        size = os.fstat(file.fileno()).st_size
        ours = os.pread(file.fileno(), len(MAGIC), 0) == MAGIC
        try:
            plain_md5, sealed_md5 = _open(identity, file, size, out) if ours else _open_legacy(identity, file, out)
        except DamagedError as error:
            raise DamagedError(f"{source}: {error.message}", hint="nothing was written") from None
        return Crypted(out.tell(), size, _text(plain_md5), _text(sealed_md5), authentic=ours)


def _seal(identity: Identity, file: IO[bytes], out: IO[bytes]) -> tuple[bytes, bytes]:
    status = os.fstat(file.fileno())
    if (key := identity.secret.crypto_key) is not None:
        refuse_guessable(key)
    # A lineage of one object, which can be decrypted with the key alone.
    sealer = Sealing(found_lineage(identity)).data()
    room = memoryview(bytearray(sealed_bound(SEGMENT_SIZE)))
    plain, strong, sealed = _md5(), blake3(), _md5()

    def put(data: bytes | memoryview) -> int:
        sealed.update(data)
        return out.write(data)

    put(sealer.header)
    lengths: list[int] = []
    size = 0
    data = file.read(SEGMENT_SIZE)
    while data or not lengths:
        following = file.read(SEGMENT_SIZE)
        plain.update(data)
        strong.update(data)
        size += len(data)
        length = sealer.segment(len(lengths), data, room, last=not following)
        lengths.append(put(room[:length]))
        data = following
    name = os.fsencode(os.path.basename(os.fsdecode(file.name)))
    entry = IndexEntry(
        size, plain.digest(), strong.digest(), 0, size, path=name, mode=status.st_mode & 0o7777,
        mtime_ns=status.st_mtime_ns,
    )  # fmt: skip
    put(sealer.tail(size, lengths, [entry]).data)
    return plain.digest(), sealed.digest()


def _open(identity: Identity, file: IO[bytes], size: int, out: IO[bytes]) -> tuple[bytes, bytes]:
    def read(offset: int, length: int) -> bytes:
        return os.pread(file.fileno(), length, offset)

    opened = open_object(read, size, stated_id(read(0, 256)), identity)
    if opened.damage or opened.index is None:
        raise DamagedError("; ".join(opened.damage))
    plain, sealed = _md5(), _md5()
    for data in opened.read(0, opened.index.plaintext):
        plain.update(data)
        out.write(data)
    while data := file.read(_CHUNK):
        sealed.update(data)
    return plain.digest(), sealed.digest()


def _open_legacy(identity: Identity, file: IO[bytes], out: IO[bytes]) -> tuple[bytes, bytes]:
    sums = legacy.decrypt(identity.crypto_key, file.read, out.write)
    return sums.plain_md5, sums.sealed_md5


def _text(md5: bytes) -> str:
    return b64encode(md5).decode()


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


@contextlib.contextmanager
def _reading(path: str) -> Iterator[IO[bytes]]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
        if os.path.isdir(path):
            raise IsADirectoryError(21, os.strerror(21))
    except OSError as error:
        raise BackupRunnerError(f"cannot read {path}: {describe(error)}", hint=_ACCESS) from None
    with file:
        yield file


@contextlib.contextmanager
def _writing(goal: str, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A new file beside the goal, which gets the goal's name when everything succeeded."""
    if os.path.lexists(goal) and not overwrite:
        raise BackupRunnerError(f"{goal} already exists and was not changed", hint="use --overwrite to replace it")
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(replacing(goal))
        except OSError as error:
            raise BackupRunnerError(f"cannot write {goal}: {describe(error)}", hint=_ACCESS) from None
        yield file
