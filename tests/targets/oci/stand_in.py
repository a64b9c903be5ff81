"""A stand-in for the `oci` command, for machines without it: the commands of docs/oci-setup.md with the options that
the real one has for them, carried out by the real SDK. What it does not know is an error, as it is there.

`test_setup_commands.py`, beside it, runs the page with this and, where it can be installed, with the real command.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import oci
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.oci_emulator.keys import fingerprint_of

OPTIONS: dict[str, list[str]] = {
    "setup config": [],
    "iam group create": ["--compartment-id!", "--name!", "--description!"],
    "iam group add-user": ["--group-id!", "--user-id!"],
    "iam policy create": ["--compartment-id!", "--name!", "--description!", "--statements!"],
    "iam user create": ["--compartment-id!", "--name!", "--description!", "--email"],
    "iam user api-key upload": ["--user-id!", "--key-file", "--key"],
    "iam compartment create": ["--compartment-id!", "--name!", "--description!"],
    "os ns get": ["--compartment-id"],
    "os bucket create": ["--compartment-id!", "--name!", "--namespace-name", "--storage-tier"],
    "os retention-rule create": [
        "--bucket-name!", "--display-name", "--time-amount", "--time-unit", "--time-rule-locked",
    ],
    "os retention-rule delete": ["--bucket-name!", "--retention-rule-id!"],
    "os object-lifecycle-policy put": ["--bucket-name!", "--items"],
}  # fmt: skip
"""By command; a `!` marks those that it asks for."""


def main(words: list[str]) -> int:
    for command in OPTIONS:
        parts = command.split()
        if words[: len(parts)] == parts:
            parser = argparse.ArgumentParser(prog=f"oci {command}", allow_abbrev=False)
            for option in OPTIONS[command]:
                parser.add_argument(option.rstrip("!"), required=option.endswith("!"))
            parser.add_argument("--query", choices=["data.id"])
            parser.add_argument("--raw-output", action="store_true")
            return _run(command, parser.parse_args(words[len(parts) :]))
    print(f"Error: No such command '{' '.join(words)}'.", file=sys.stderr)
    return 2


def _run(command: str, given: argparse.Namespace) -> int:
    if command == "setup config":
        return _set_up()
    config = oci.config.from_file()
    where = {"service_endpoint": os.environ["OCI_CLI_ENDPOINT"]}
    storage = oci.object_storage.ObjectStorageClient(config, **where)
    identity = oci.identity.IdentityClient(config, **where)
    try:
        answer = _ask(command, given, storage, identity)
    except oci.exceptions.ServiceError as error:
        print(f"ServiceError: {error.status} {error.code} {error.message}", file=sys.stderr)
        return 1
    if given.query and given.raw_output:
        print(answer.data.id)
    elif answer.data is not None:
        print(json.dumps({"data": oci.util.to_dict(answer.data)}, indent=2))
    return 0


def _ask(command: str, given: argparse.Namespace, storage: Any, identity: Any) -> Any:
    if command.startswith("iam "):
        return _ask_identity(command, given, identity)
    namespace = storage.get_namespace()
    if command == "os ns get":
        return namespace
    if command == "os bucket create":
        return storage.create_bucket(namespace.data, {"name": given.name, "compartmentId": given.compartment_id})
    if command == "os retention-rule create":
        details = {"displayName": given.display_name}
        if given.time_amount:
            details["duration"] = {"timeAmount": int(given.time_amount), "timeUnit": given.time_unit}
        return storage.create_retention_rule(namespace.data, given.bucket_name, details)
    if command == "os retention-rule delete":
        if input("Are you sure you want to delete this resource? [y/N]: ") != "y":
            raise SystemExit(1)
        return storage.delete_retention_rule(namespace.data, given.bucket_name, given.retention_rule_id)
    if input("WARNING: Updates to items will replace any existing values. Are you sure? [y/N]: ") != "y":
        raise SystemExit(1)
    return storage.put_object_lifecycle_policy(namespace.data, given.bucket_name, {"items": json.loads(given.items)})


def _ask_identity(command: str, given: argparse.Namespace, identity: Any) -> Any:
    if command == "iam user api-key upload":
        key = given.key or Path(given.key_file).read_text()
        return identity.upload_api_key(given.user_id, {"key": key})
    if command == "iam group add-user":
        return identity.add_user_to_group({"userId": given.user_id, "groupId": given.group_id})
    details = {"compartmentId": given.compartment_id, "name": given.name, "description": given.description}
    if command == "iam policy create":
        return identity.create_policy({**details, "statements": json.loads(given.statements)})
    if command == "iam user create" and given.email:
        details["email"] = given.email
    return getattr(identity, f"create_{command.split()[1]}")(details)


def _set_up() -> int:
    """Asks what the real one asks, in its order."""
    home = Path.home() / ".oci"
    config = Path(input("Enter a location for your config: ") or home / "config")
    user, tenancy = input("Enter a user OCID: "), input("Enter a tenancy OCID: ")
    region = input("Enter a region by index or name: ")
    assert input("Do you want to generate a new API Signing RSA key pair? [Y/n]: ") in ("", "Y")
    folder = Path(input("Enter a directory for your keys to be created: ") or home)
    name = input("Enter a name for your key: ") or "oci_api_key"
    assert {input("Enter a passphrase for your private key: "), input("Repeat for confirmation: ")} == {"N/A"}
    folder.mkdir(mode=0o700, exist_ok=True)
    key = rsa.generate_private_key(65537, 2048)
    private, public = folder / f"{name}.pem", folder / f"{name}_public.pem"
    _write(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    lines = [
        "[DEFAULT]", f"user={user}", f"fingerprint={fingerprint_of(key.public_key())}", f"key_file={private}",
        f"tenancy={tenancy}", f"region={region}",
    ]  # fmt: skip
    _write(config, "\n".join(lines).encode())
    return 0


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
