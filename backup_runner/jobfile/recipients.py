"""Checks the public keys below `encryption.recipients`, and reports mistakes with their position in the file."""

from __future__ import annotations

from typing import Any

from ..keytext import RECIPIENT, KeyTextError, decode_text
from . import rules
from .diagnostics import Complaints
from .document import Document, Loc

_LENGTH = 1248
"""Bytes of a public key: 1,216 to encrypt to and 32 to verify signatures with."""
_FOREIGN = {"age1": "age", "ssh-": "ssh", "-----BEGIN": "OpenSSL or GnuPG"}


def is_key(value: object) -> bool:
    """Whether it is a public key itself, not the path of a file that contains one."""
    return isinstance(value, str) and value.lower().startswith(f"{RECIPIENT}1")


def check_recipients(document: Document, complaints: Complaints) -> None:
    """Report invalid public keys, secrets in place of public keys, and duplicates."""
    encryption = document.data.get("encryption")
    listed = encryption.get("recipients") if isinstance(encryption, dict) else None
    if not isinstance(encryption, dict) or not isinstance(listed, list):
        return
    has_secret = any(key in encryption for key in ("key_file", "key_env", "key_command"))
    seen: dict[Any, int] = {}
    for index, value in enumerate(listed):
        loc: Loc = ("encryption", "recipients", index)
        name = value if isinstance(value, str) else str(value)
        found = _why_not(value, has_secret=has_secret)
        if not found and name in seen:
            found = f"recipient {index + 1} is the same as recipient {seen[name] + 1}", "remove one of the two"
        seen.setdefault(name, index)
        if found:
            secret = isinstance(value, str) and value.lower().startswith("bkr-")
            code = rules.LITERAL_KEY if secret else rules.RECIPIENT
            complaints.add(code, document.span(loc), *found, secret=secret)
            document.settled.add(loc)


def _why_not(value: object, *, has_secret: bool) -> tuple[str, str | None] | None:
    if isinstance(value, dict):
        if has_secret or "passphrase_env" not in value:
            return None
        return (
            "a host without a secret of its own seals to public keys only: its passphrase would open its backups",
            "make a key pair elsewhere (`key pair FILE`), and list its public key",
        )
    if not isinstance(value, str):
        return None
    if value.lower().startswith("bkr-"):
        return (
            "a recipient is given by its public key; this is a secret key",
            "write what `key recipient FILE` prints, and make a new key: this one was written into a job",
        )
    for start, tool in _FOREIGN.items():
        if value.startswith(start):
            return f"this is a key of {tool}, which Backup Runner does not use", "make one with `key pair FILE`"
    if not is_key(value):
        return None
    try:
        length = len(decode_text(value)[1])
    except KeyTextError as error:
        return error.message, error.hint
    if length != _LENGTH:
        return f"a public key has {_LENGTH} bytes, this one has {length}", "write what `key recipient FILE` prints"
    return None
