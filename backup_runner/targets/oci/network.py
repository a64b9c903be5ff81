"""Proxies and certificate authorities: from the job or the environment, checked before the first request."""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import oci

from ...errors import ConfigError
from ...foreign import describe
from .spec import OciTargetSpec

_SCHEMES = ("http", "https")


class Network(NamedTuple):
    """`proxies` by scheme, in the form of requests; `bundle` is a file or folder of authorities, None for the
    default."""

    proxies: dict[str, str]
    bundle: str | None


def network_of(spec: OciTargetSpec, endpoint: str) -> Network:
    """The network settings for requests to `endpoint`. Raises ConfigError for invalid ones."""
    if spec.proxy:
        proxies = dict.fromkeys(_SCHEMES, spec.proxy)
    else:
        # Looked up once: otherwise, requests would read the environment and ~/.netrc for every request.
        proxies = oci._vendor.requests.utils.get_environ_proxies(endpoint)
    used = proxies.get(urlsplit(endpoint).scheme) or proxies.get("all")
    if used:
        _check_proxy(used, "target.proxy" if spec.proxy else "the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY")
    for setting, bundle in _bundles(spec):
        if bundle:
            _check_bundle(bundle, setting)
            return Network(proxies, bundle)
    return Network(proxies, None)


def _bundles(spec: OciTargetSpec) -> list[tuple[str, str | None]]:
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return [("target.ca_bundle", spec.ca_bundle), *((name, os.environ.get(name)) for name in names)]


def _check_proxy(url: str, setting: str) -> None:
    hint = "write it as http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT if the proxy requires a login"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, scheme, _ = parts.hostname, parts.scheme, parts.port
    except ValueError:
        raise ConfigError(f"{setting} is not a URL", hint=hint) from None
    if scheme.startswith("socks"):
        raise ConfigError(f"{setting} is a SOCKS proxy, which is not supported", hint="use an HTTP proxy")
    if scheme not in _SCHEMES or not host:
        raise ConfigError(f"{setting} is not the URL of an HTTP proxy", hint=hint)


def _check_bundle(path: str, setting: str) -> None:
    hint = "use a file with your network's certificate authorities in PEM"
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
            return
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ConfigError(f"{setting} {path} contains no certificates", hint=hint) from None
    except OSError as error:
        raise ConfigError(f"{setting} {path} cannot be read: {describe(error)}", hint=hint) from None
