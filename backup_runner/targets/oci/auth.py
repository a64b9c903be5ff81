"""What signs requests: a config file's key, a session token, or the identity of the machine."""

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
from ...foreign import describe, sifted
from .configfile import check_key, read_profile
from .network import Network, network_of
from .spec import AuthMethod, AuthSpec, OciTargetSpec

_METADATA_HOSTS = ("169.254.169.254", "[fd00:c1::a9fe:a9fe]")
_METADATA_SECONDS = 3.0
_MACHINE_METHODS = {
    AuthMethod.INSTANCE_PRINCIPAL: "this machine is not an OCI instance, or its dynamic group is missing",
    AuthMethod.RESOURCE_PRINCIPAL: "this is not an OCI function or job with a resource principal",
    AuthMethod.WORKLOAD_IDENTITY: "this is not a pod of an OKE enhanced cluster, or it has no service account",
}


def credentials(spec: OciTargetSpec) -> tuple[dict[str, Any], Any]:
    """The SDK's config and its signer, None if the config alone is enough.

    Raises ConfigError for files that cannot be used, TargetError for an expired token or a machine that
    has no identity.
    """
    auth, region = spec.auth, spec.region
    if auth.method in _MACHINE_METHODS:
        signer = _machine_signer(spec)
        return {"region": region or getattr(signer, "region", None)}, signer
    config = read_profile(auth, region)
    if auth.method is AuthMethod.SESSION_TOKEN:
        return config, _session_signer(config, auth)
    return config, None


def token_stamp(auth: AuthSpec) -> tuple[int, int] | None:
    """Changes when the file of the session token was rewritten (`oci session refresh`); None without one."""
    if auth.method is not AuthMethod.SESSION_TOKEN:
        return None
    try:
        status = os.stat(_token_file(read_profile(auth), auth))
    except (OSError, ConfigError):
        return None
    return status.st_mtime_ns, status.st_size


def _session_signer(config: dict[str, Any], auth: AuthSpec) -> Any:
    import oci

    path = _token_file(config, auth)
    try:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the session token {path} cannot be read: {describe(error)}", hint=_renew(auth)) from None
    check_key(config, auth)
    key = oci.signer.load_private_key_from_file(config["key_file"], config.get("pass_phrase"))
    expired = _expiry(token)
    if expired is not None and expired <= time.time():
        minutes = (time.time() - expired) / 60
        raise TargetError(f"the session token in {path} expired {minutes:.0f} minutes ago", hint=_renew(auth))
    return oci.auth.signers.SecurityTokenSigner(token, key)


def _token_file(config: dict[str, Any], auth: AuthSpec) -> str:
    path = config.get("security_token_file")
    if not path or not config.get("key_file"):
        raise ConfigError(
            f"profile {auth.profile} in {auth.config_file} has no security_token_file and key_file",
            hint=f"auth.method session_token needs them; {_renew(auth)}",
        )
    return os.path.expanduser(str(path))


def _renew(auth: AuthSpec) -> str:
    return (
        f"run `oci session authenticate --profile-name {auth.profile}`, or "
        f"`oci session refresh --profile {auth.profile}` while it is still valid"
    )


def _expiry(token: str) -> float | None:
    """`exp` of a JSON Web Token (RFC 7519), unverified: only to report early what the service would report."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None


class _Federation:
    """Sends the request for a token through the target's proxy; the SDK has no setting for that, but accepts a retry
    strategy."""

    def __init__(self, network: Network) -> None:
        import oci

        self._network = network
        self._inner = oci.retry.DEFAULT_FEDERATION_CLIENT_RETRY_STRATEGY

    def make_retrying_call(self, ask: Any, *arguments: Any, **named: Any) -> Any:
        session = ask.__self__.requests_session
        session.proxies = self._network.proxies
        return self._inner.make_retrying_call(ask, *arguments, **named)


def _machine_signer(spec: OciTargetSpec) -> Any:
    import oci

    signers, method = oci.auth.signers, spec.auth.method
    try:
        match method:
            case AuthMethod.INSTANCE_PRINCIPAL:
                _seek_metadata_service()
                network = network_of(spec, "https://auth.oraclecloud.com")
                return signers.InstancePrincipalsSecurityTokenSigner(
                    federation_client_retry_strategy=_Federation(network),
                    federation_client_cert_bundle_verify=network.bundle,
                    federation_client_circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy(),
                )
            case AuthMethod.RESOURCE_PRINCIPAL:
                _need_variable("OCI_RESOURCE_PRINCIPAL_VERSION")
                return signers.get_resource_principals_signer()
            case _:
                _need_variable("KUBERNETES_SERVICE_HOST")
                return signers.get_oke_workload_identity_resource_principal_signer()
    except ConfigError:
        raise
    except Exception as error:
        # The signers raise all kinds of errors from HTTP, JSON and key code; here they all mean the same.
        raise TargetError(
            f"auth.method {method.value} does not work on this machine: {_why(error)}",
            hint=f"{_MACHINE_METHODS[method]}; elsewhere use auth.method config_file",
        ) from error


def _need_variable(name: str) -> None:
    """Raise TargetError if the variable that the platform sets for this identity is missing."""
    if not os.environ.get(name):
        raise TargetError(f"the variable {name} is not set")


def _seek_metadata_service() -> None:
    """Raise TargetError if this is not an OCI instance; the SDK itself takes a minute and a half to find that out."""
    url = os.environ.get("OCI_METADATA_BASE_URL", "")
    places = [urlsplit(url)] if url else [urlsplit(f"http://{host}") for host in _METADATA_HOSTS]
    for number, place in enumerate(places, 1):
        try:
            socket.create_connection((place.hostname or "", place.port or 80), _METADATA_SECONDS).close()
            return
        except OSError as error:
            if number == len(places):
                told = f"no instance metadata service at {place.hostname} ({describe(error)})"
                raise TargetError(told) from error


def _why(error: BaseException) -> str:
    """The identity service's code and message, or the type of the error."""
    import oci

    if isinstance(error, oci.exceptions.ServiceError):
        return f"{error.status} {error.code}: {sifted(str(error.message))}"
    return describe(error)
