"""Signing keys and OCI config files for clients of the emulator."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

TENANCY = "ocid1.tenancy.oc1..emulated"
REGION = "us-ashburn-1"


@dataclass(frozen=True)
class Identity:
    """A user with a key of their own, and where the files lie."""

    name: str
    config_file: str
    key_file: str
    key_id: str
    public_key: str


def make_identity(folder: str, name: str = "owner") -> Identity:
    """A key pair below `folder` and an OCI config file whose DEFAULT profile signs with it."""
    os.makedirs(folder, exist_ok=True)
    key = rsa.generate_private_key(65537, 2048)
    fingerprint = fingerprint_of(key.public_key())
    user = f"ocid1.user.oc1..{name}"
    key_file, config_file = f"{folder}/{name}.pem", f"{folder}/{name}.config"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_private(key_file, private)
    config = (
        f"[DEFAULT]\nuser={user}\nfingerprint={fingerprint}\ntenancy={TENANCY}\nregion={REGION}\nkey_file={key_file}\n"
    )
    _write_private(config_file, config.encode())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Identity(name, config_file, key_file, f"{TENANCY}/{user}/{fingerprint}", public)


def fingerprint_of(key: PublicKeyTypes) -> str:
    """As the service names keys."""
    digest = hashlib.md5(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    return ":".join(digest[place : place + 2] for place in range(0, 32, 2))


def admit(users_file: str, user: str, public_key: str) -> str:
    """Let the user (an OCID) in with this key (PEM); its key id. The console does this, too."""
    key_id = f"{TENANCY}/{user}/{fingerprint_of(load_pem_public_key(public_key.encode()))}"
    add_user(users_file, Identity(user.rpartition(".")[2], "", "", key_id, public_key))
    return key_id


def add_user(
    users_file: str,
    identity: Identity,
    *,
    deny: tuple[str, ...] = (),
    policy: str | None = None,
    key_id: str = "",
    expires: float = 0,
) -> None:
    """Let the identity in; `deny` names permissions it lacks, `policy` is all that it may do, `key_id` may be `ST$…`
    for a session token."""
    try:
        with open(users_file, "rb") as file:
            users = json.load(file)["users"]
    except FileNotFoundError:
        users = []
    key_id = key_id or identity.key_id
    users = [user for user in users if user["key_id"] != key_id]
    users.append(
        {
            "key_id": key_id,
            "public_key": identity.public_key,
            "name": identity.name,
            "deny": list(deny),
            "policy": policy,
            "expires": expires,
        }
    )
    _write_users(users_file, users)


def limit(users_file: str, policies: dict[str, str]) -> None:
    """Hold each of these users (by OCID) to a policy, whatever keys they have."""
    with open(users_file, "rb") as file:
        users = json.load(file)["users"]
    for user in users:
        _, _, rest = user["key_id"].partition("/")
        user["policy"] = policies.get(rest.partition("/")[0], user.get("policy"))
    _write_users(users_file, users)


def _write_users(users_file: str, users: list[dict[str, object]]) -> None:
    with open(f"{users_file}.new", "w") as file:
        json.dump({"users": users}, file, indent=1)
    os.replace(f"{users_file}.new", users_file)


def _write_private(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
