"""Recipients in a job file, and the changes that its lineage needs so that they can decrypt it.

Recipients from the job are removed when the job no longer has them; those from `key add` stay until `key remove`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..container import Identity
from ..container.suite2.recipients import Public, fingerprint, read_recipient
from ..container.suite2.roster import Recipient, Roster
from ..container.suite2.seeds import Secret, SecretKind
from ..errors import KeyFileError
from ..foreign import describe
from ..spec import EncryptionSpec, Job
from ..spec.job import RecipientSpec

_RECIPIENT_BYTES = 1 << 14
_NAME_LENGTH = 64


def read_public(file: str) -> Public:
    """A public key from a file. Raises KeyFileError."""
    try:
        with open(file, encoding="utf-8") as opened:
            return read_recipient(opened.read(_RECIPIENT_BYTES))
    except KeyFileError as error:
        raise type(error)(f"{file}: {error.message}", hint=error.hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"cannot read the recipient's public key {file}: {describe(error)}",
            hint="`key recipient FILE` prints the public key of a key pair",
        ) from None


def name_of_file(file: str) -> str:
    """The name of a recipient whose public key is in that file."""
    return file.rpartition("/")[2].removesuffix(".pub")[:_NAME_LENGTH]


def passphrase_of(variable: str, env: Mapping[str, str]) -> Secret:
    """The secret in a variable. Raises KeyFileError."""
    if variable not in env:
        raise KeyFileError(f"the variable {variable}, which should contain the passphrase, is not set")
    return Secret.of_passphrase(env[variable])


def declared(job: Job, env: Mapping[str, str], salt: bytes | None, since: int) -> list[Recipient]:
    """The recipients of a job, for a lineage's salt. Without a salt (there is no lineage yet), passphrases are
    omitted, because their public keys depend on it. Raises KeyFileError."""
    found: list[Recipient] = []
    for spec in job.encryption.recipients:
        one = _recipient(spec, env, salt, since, blind=job.encryption.is_blind)
        if one is None:
            continue
        if any(other.public == one.public for other in found):
            raise KeyFileError(
                f"two recipients of the job are the same key ({fingerprint(one.public)})", hint="remove one of the two"
            )
        if any(other.name == one.name for other in found):
            one = one._replace(name=f"{one.name[:40]} {fingerprint(one.public)}")
        found.append(one._replace(job=job.name))
    return found


def _recipient(
    spec: RecipientSpec, env: Mapping[str, str], salt: bytes | None, since: int, *, blind: bool
) -> Recipient | None:
    if spec.passphrase_env:
        if salt is None:
            return None
        public = Public.of(Identity(passphrase_of(spec.passphrase_env, env)), salt)
        return Recipient(spec.passphrase_env[:_NAME_LENGTH], SecretKind.PASSPHRASE, public.opening, None, since)
    public = read_public(spec.file) if spec.file else read_recipient(spec.text)
    name = name_of_file(spec.file) if spec.file else f"recipient {fingerprint(public.opening)}"
    # If nobody else can be the owner, recipients are.
    owner = public.signing if blind else None
    return Recipient(name, SecretKind.PAIR, public.opening, owner, since)


def names_of(encryption: EncryptionSpec) -> list[str]:
    """Recipients with a passphrase, for a plan without a salt."""
    return [one.passphrase_env[:_NAME_LENGTH] for one in encryption.recipients if one.passphrase_env]


def concerns(job: Job, roster: Roster | None) -> bool:
    """Whether the job has, or had, recipients."""
    return bool(job.encryption.recipients) or (roster is not None and any(r.job == job.name for r in roster.recipients))
