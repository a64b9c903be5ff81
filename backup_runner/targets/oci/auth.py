"""Who signs the requests: a config file's key, a session token, or what the machine itself is."""

from __future__ import annotations

import base64
import binascii
import json
import os
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from ...errors import ConfigError, TargetError
from ...spec import AuthMethod, AuthSpec

_CONFIG_HINT = "docs/oci-setup.md shows how to make a key and a config file"
_METADATA_HOSTS = ("169.254.169.254", "[fd00:c1::a9fe:a9fe]")
_METADATA_SECONDS = 3.0
_MACHINE_METHODS = {
    AuthMethod.INSTANCE_PRINCIPAL: "this machine is not an OCI instance, or its dynamic group is missing",
    AuthMethod.RESOURCE_PRINCIPAL: "this is no OCI function or job that has a resource principal",
    AuthMethod.WORKLOAD_IDENTITY: "this is no pod of an OKE enhanced cluster, or it has no service account",
}


def credentials(auth: AuthSpec, region: str | None) -> tuple[dict[str, Any], Any]:
    """The SDK's config and its signer, None if the config alone is enough.

    Raises ConfigError for files that cannot be used, TargetError for an expired token or a machine that
    has no identity.
    """
    if auth.method in _MACHINE_METHODS:
        signer = _machine_signer(auth.method)
        return {"region": region or getattr(signer, "region", None)}, signer
    config = _read_config(auth)
    if region:
        config["region"] = region
    if auth.method is AuthMethod.SESSION_TOKEN:
        return config, _session_signer(config, auth)
    return config, None


def token_stamp(auth: AuthSpec) -> tuple[int, int] | None:
    """Moves when the session token's file was written anew (`oci session refresh`); None without one."""
    if auth.method is not AuthMethod.SESSION_TOKEN:
        return None
    try:
        status = os.stat(_token_file(_read_config(auth), auth))
    except (OSError, ConfigError):
        return None
    return status.st_mtime_ns, status.st_size


def _read_config(auth: AuthSpec) -> dict[str, Any]:
    import oci

    try:
        config: dict[str, Any] = oci.config.from_file(auth.config_file, auth.profile)
        if auth.method is AuthMethod.CONFIG_FILE:
            oci.config.validate_config(config)
    except oci.exceptions.ConfigFileNotFound:
        raise ConfigError(
            f"there is no OCI config file {auth.config_file}",
            hint=f"set target.auth.config_file; {_CONFIG_HINT}",
        ) from None
    except oci.exceptions.ProfileNotFound:
        raise ConfigError(
            f"{auth.config_file} has no profile {auth.profile}", hint="set target.auth.profile to one it has"
        ) from None
    except oci.exceptions.InvalidConfig as error:
        problems = ", ".join(f"{key} is {what}" for key, what in dict(error.errors).items())
        raise ConfigError(
            f"profile {auth.profile} in {auth.config_file} cannot be used: {problems}", hint=_CONFIG_HINT
        ) from None
    except (oci.exceptions.ClientError, ValueError, OSError) as error:
        raise ConfigError(
            f"profile {auth.profile} in {auth.config_file} cannot be used: {_first_line(error)}",
            hint=_CONFIG_HINT,
        ) from None
    return config


def _session_signer(config: dict[str, Any], auth: AuthSpec) -> Any:
    import oci

    path = _token_file(config, auth)
    try:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
        key = oci.signer.load_private_key_from_file(config["key_file"], config.get("pass_phrase"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the session token or its key cannot be read: {error}", hint=_renew(auth)) from None
    except oci.exceptions.ClientError as error:
        raise ConfigError(f"the session key {config['key_file']} cannot be used: {error}") from None
    expired = _expiry(token)
    if expired is not None and expired <= time.time():
        minutes = (time.time() - expired) / 60
        raise TargetError(f"the session token in {path} expired {minutes:.0f} minutes ago", hint=_renew(auth))
    return oci.auth.signers.SecurityTokenSigner(token, key)


def _token_file(config: dict[str, Any], auth: AuthSpec) -> str:
    path = config.get("security_token_file")
    if not path or not config.get("key_file"):
        raise ConfigError(
            f"profile {auth.profile} in {auth.config_file} names no security_token_file and key_file",
            hint=f"auth.method session_token needs them; {_renew(auth)}",
        )
    return os.path.expanduser(str(path))


def _renew(auth: AuthSpec) -> str:
    return (
        f"run `oci session authenticate --profile-name {auth.profile}`, or "
        f"`oci session refresh --profile {auth.profile}` while it is still valid"
    )


def _expiry(token: str) -> float | None:
    """`exp` of a JSON Web Token (RFC 7519), unverified: only to say early what the service would say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


def _machine_signer(method: AuthMethod) -> Any:
    import oci

    signers = oci.auth.signers
    try:
        match method:
            case AuthMethod.INSTANCE_PRINCIPAL:
                _seek_metadata_service()
                return signers.InstancePrincipalsSecurityTokenSigner()
            case AuthMethod.RESOURCE_PRINCIPAL:
                return signers.get_resource_principals_signer()
            case _:
                return signers.get_oke_workload_identity_resource_principal_signer()
    except Exception as error:
        # The signers raise whatever their HTTP, JSON and key code meets; all of it means the same here.
        raise TargetError(
            f"auth.method {method.value} gives no identity here: {_first_line(error)}",
            hint=f"{_MACHINE_METHODS[method]}; elsewhere use auth.method config_file",
        ) from error


def _seek_metadata_service() -> None:
    """Raise OSError if this is no OCI instance; the SDK itself takes a minute and a half to find that out."""
    url = os.environ.get("OCI_METADATA_BASE_URL", "")
    places = [urlsplit(url)] if url else [urlsplit(f"http://{host}") for host in _METADATA_HOSTS]
    for number, place in enumerate(places, 1):
        try:
            socket.create_connection((place.hostname or "", place.port or 80), _METADATA_SECONDS).close()
            return
        except OSError as error:
            if number == len(places):
                raise OSError(f"no instance metadata service at {place.hostname} ({error})") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
