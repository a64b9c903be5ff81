"""Keys: create, show and check them; who can decrypt a job's backups, and who may write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..container import Identity
from ..container.suite2.recipients import Public, fingerprint, is_public, read_recipient, read_writer, writer_text
from ..container.suite2.roster import Mark, Recipient
from ..container.suite2.seeds import Secret, SecretKind, read_secret, seal_pair
from ..errors import KeyFileError, UsageError, WrongKeyError
from ..foreign import describe
from ..progress import Events
from ..repository.keycheck import KeyCheck
from ..repository.recipients import (
    ChangeParts,
    KeyChange,
    change_keys,
    find_recipient,
    find_writer,
    is_recipient,
    writers_of,
)
from .work import listener, opened

if TYPE_CHECKING:
    from ..container.suite2.envelope import Envelope
    from ..container.suite2.roster import Roster
    from ..repository.lineage import KeyChain
    from ..spec import Job

_RECIPIENT_BYTES = 1 << 14
_NAME_LENGTH = 64

Role = Literal["reader", "writer", "owner"]
"""What somebody may do who is added: decrypt; make backups, too; or change who else can."""
Agree = Callable[[KeyChange], bool]
"""Receives a change before it is made; `lines` and `caveats` describe it. False declines it."""


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A secret as text: whoever sees it can decrypt everything. `key_id` identifies it without revealing it."""

    text: str
    key_id: str


@dataclass(frozen=True, slots=True)
class SigningPublic:
    """A machine's public signing key, which is not secret: `text` for `key add --writer`, and a short form."""

    text: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeyHolders:
    """Who can decrypt a lineage and who may write to it, according to its newest envelope.

    `machine`: this machine's public signing key; None if it has none."""

    lineage: str
    envelope: Envelope
    roster: Roster
    machine: bytes | None = None


def write_private(path: str | os.PathLike[str], text: str) -> None:
    """Write a new file that only its owner can read. Raises KeyFileError if it exists."""
    path = os.fspath(path)
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileError(
            f"{path} already exists and was not changed",
            hint="choose another name; backups cannot be restored if their key is lost",
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {describe(error)}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def new_key(path: str | os.PathLike[str]) -> str:
    """Write a new random key as one line of text and return its id. Never overwrites. Raises KeyFileError."""
    secret = Secret.generate()
    write_private(path, secret.text + "\n")
    return Identity(secret).key_id


def new_pair(path: str | os.PathLike[str], *, passphrase_env: str | None = None) -> None:
    """Write a new key pair, protected by the passphrase in the variable `passphrase_env`, if given. Never overwrites.

    Raises KeyFileError."""
    secret = Secret.generate(SecretKind.PAIR)
    text = seal_pair(secret, _passphrase(passphrase_env)) if passphrase_env else secret.text
    write_private(path, text + "\n")


def public_half(path: str, *, passphrase_env: str | None = None, warn: Callable[[str], None] | None = None) -> Public:
    """The public key of a key pair; its `text` is not secret. Raises KeyFileError."""
    identity = _identity(path, passphrase_env, warn)
    if identity.secret.kind is not SecretKind.PAIR:
        raise KeyFileError(
            f"{path} is not a key pair; a raw key has a different public key for each lineage",
            hint="create one with `backup-runner key pair FILE`",
        )
    return Public.of(identity, bytes(32))


def fingerprint_of(public: Public) -> str:
    """A short form of a public key, to compare over another channel."""
    return fingerprint(public.opening)


def show_key(path: str, *, passphrase_env: str | None = None, warn: Callable[[str], None] | None = None) -> ShownKey:
    """A key as text, with a checksum that detects mistyped letters. Raises KeyFileError."""
    identity = _identity(path, passphrase_env, warn)
    return ShownKey(identity.secret.text, identity.key_id)


def check_key(job: Job, *, typed: bytes | None = None, events: Events | None = None) -> KeyCheck:
    """Read a job's key and test it on one object of its bucket; if `typed` is given, compare the two keys first.

    Raises KeyFileError (also for a mistyped letter), WrongKeyError if the typed key is another one, TargetError."""
    from ..repository.keycheck import check_key as tried

    with opened(job, listener(events), as_cached=True, decrypting="`key check`") as session:
        if typed is not None and read_secret(typed) != session.identity.secret:
            raise WrongKeyError(
                "the typed key is valid, but it is not the key of this job",
                hint="compare the key id on the page with that of `key check JOB`",
            )
        return tried(session)


def machine_writer(job: Job) -> SigningPublic:
    """This machine's signing key for a job's catalog, created if there is none. Raises KeyFileError."""
    from ..repository.hostkey import make_host, signing_key

    public = signing_key(make_host(job.catalog.path)).public
    return SigningPublic(writer_text(public), fingerprint(public))


# -- who can decrypt, and who may write


def key_holders(job: Job, *, events: Events | None = None) -> KeyHolders:
    """Who can decrypt a job's backups and who may write them. Raises KeyFileError for a lineage without a list."""
    with opened(job, listener(events), as_cached=True) as session:
        _, store, _ = session.need_store()
        session.unlock(store)
        found = session.know(store.lineage)
        if found is None:
            raise KeyFileError(
                "this lineage still has format suite 1, which has no list of recipients: whoever has its raw key can "
                "decrypt everything",
                hint="the next apply upgrades it",
            )
        if found.roster is None:
            raise KeyFileError("this key cannot decrypt the list of recipients")
        machine = session.key.machine
        return KeyHolders(store.lineage, found.newest, found.roster, machine.public if machine else None)


def add_recipient(
    job: Job,
    recipient: str | None = None,
    *,
    passphrase_env: str | None = None,
    name: str = "",
    role: Role = "reader",
    agree: Agree | None = None,
    events: Events | None = None,
) -> KeyChain | None:
    """Let somebody else decrypt a job's backups: a public key (`bkr1...`), a file that contains one, or a passphrase.

    An `owner` can add and remove others; a `writer` can make backups with their key pair, and who can decrypt already
    becomes one. As a writer, a machine's public signing key (`bkr-writer1...`, or a file that contains it) can be
    added, too: it decrypts nothing. Returns None if `agree` declined. Raises UsageError, KeyFileError.

    Larger than usual, because all but the recipient are choices with a default."""
    if (recipient is None) == (passphrase_env is None):
        raise UsageError("give one recipient: a public key, or --passphrase-env NAME")
    machine = read_writer(_text(recipient)) if recipient is not None else None
    if machine is not None and role != "writer":
        raise UsageError("this is a machine's signing key, which decrypts nothing", hint="add it with --writer")

    def make(ground: ChangeParts) -> KeyChange:
        if recipient is not None and machine is not None:
            called = name or ("writer" if is_public(recipient) else _name_of(recipient))
            return KeyChange(writers=(ground.enrolled(called[:_NAME_LENGTH], machine),))
        if recipient is not None:
            public, kind, called = read_recipient(_text(recipient)), SecretKind.PAIR, name or _name_of(recipient)
        else:
            secret = Secret.of_passphrase(_passphrase(passphrase_env or ""))
            public = Public.of(Identity(secret), ground.found.newest.salt)
            kind, called = SecretKind.PASSPHRASE, name or "passphrase"
        signing = public.signing if role == "owner" else None
        new = Recipient(called[:_NAME_LENGTH], kind, public.opening, signing, ground.store.serial)
        known = next((one for one in ground.roster.recipients if one.public == new.public), None)
        if role != "writer":
            _refuse_known(ground, new)
            return KeyChange(adds=(new,))
        if known is None:
            _refuse_known(ground, new)
        writer = ground.enrolled((known or new).name, public.signing)
        return KeyChange(adds=(new,) if known is None else (), writers=(writer,))

    return _change(job, make, agree, events)


def remove_holder(
    job: Job, who: str, *, after: int | None = None, agree: Agree | None = None, events: Events | None = None
) -> KeyChain | None:
    """Remove a recipient, who cannot decrypt later backups, or a writer, whose records after a serial are ignored.

    `who` is a name or a fingerprint. Returns None if `agree` declined. Raises UsageError, KeyFileError."""

    def make(ground: ChangeParts) -> KeyChange:
        if after is not None or not is_recipient(ground.roster, who):
            writer = find_writer(ground.roster, who)
            if writer is not None:
                return KeyChange(voids=((writer.key, _mark(ground, after)),), names={writer.key: writer.name})
        # Recipients who are also writers are removed as both, and their machines with them.
        gone = find_recipient(ground.roster, who)
        head = ground.head or ground.roster.head or Mark(0, bytes(32))
        theirs = writers_of(ground.roster, gone)
        names = {gone.public: gone.name} | {one.key: one.name for one in theirs}
        return KeyChange(removes=(gone.public,), voids=tuple((one.key, head) for one in theirs), names=names)

    return _change(job, make, agree, events)


def rotate_keys(job: Job, *, agree: Agree | None = None, events: Events | None = None) -> KeyChain | None:
    """Start a new epoch: later backups are encrypted with a new key, for the same recipients."""
    return _change(job, lambda _: KeyChange(rotate=True), agree, events)


def _change(
    job: Job, make: Callable[[ChangeParts], KeyChange], agree: Agree | None, events: Events | None
) -> KeyChain | None:
    with opened(job, listener(events), as_cached=True, decrypting="a change of keys") as session:
        return change_keys(session, make, agree or (lambda _: True))


def _identity(path: str, passphrase_env: str | None, warn: Callable[[str], None] | None) -> Identity:
    from ..repository.keyfile import load_secret
    from ..spec import EncryptionSpec

    secret, warnings = load_secret(EncryptionSpec(key_file=path, passphrase_env=passphrase_env), os.environ)
    if warn is not None:
        for text in warnings:
            warn(text)
    return Identity(secret)


def _passphrase(variable: str) -> str:
    if variable not in os.environ:
        raise KeyFileError(f"the variable {variable}, which should contain the passphrase, is not set")
    return os.environ[variable]


def _text(given: str) -> str:
    """A public key, or the contents of a file that has one."""
    if is_public(given):
        return given
    try:
        with open(given, encoding="utf-8") as file:
            return file.read(_RECIPIENT_BYTES)
    except (OSError, UnicodeDecodeError):
        raise KeyFileError(
            f"{given} is not a public key or a file that contains one",
            hint="`key recipient FILE` prints the public key of a key pair",
        ) from None


def _name_of(given: str) -> str:
    return "recipient" if is_public(given) else os.path.basename(given).removesuffix(".pub")


def _refuse_known(ground: ChangeParts, new: Recipient) -> None:
    if any(one.public == new.public for one in ground.roster.recipients):
        raise KeyFileError("this recipient can already decrypt the job's backups", hint="`key list JOB` shows all")
    if new.owner is not None and (void := ground.roster.writer(new.owner)) is not None and void.void is not None:
        raise KeyFileError(
            f"this key was removed as a writer ({void.name}): nothing that it signs counts",
            hint="add a new key pair instead",
        )
    if any(one.name == new.name for one in ground.roster.recipients):
        raise KeyFileError(f"a recipient named {new.name!r} already exists", hint="choose another name with --name")


def _mark(ground: ChangeParts, after: int | None) -> Mark:
    head = ground.head
    if after is None or head is None or not 0 <= after <= head.serial:
        raise UsageError(
            "removing a writer needs the last record to trust: --after SERIAL",
            hint=f"the newest is {head.serial if head else 0}; `snapshots JOB` shows when each was made",
        )
    return Mark(after, head.digest if after == head.serial else bytes(32))
