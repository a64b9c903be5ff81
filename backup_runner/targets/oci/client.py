"""The connection to Object Storage: the SDK's client, set up once per process, and every call through it."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import oci

from ...errors import AccessDenied, BackupRunnerError, ConfigError, TargetError, TransientError
from ...foreign import describe
from ..requests import Requests
from .auth import credentials, token_stamp
from .errors import SDK_ERRORS, Doing, HiddenError, Service, UnauthenticatedError, translate
from .network import network_of
from .policy import policy_line
from .spec import AuthMethod, OciTargetSpec
from .wire import BoundedAdapter

T = TypeVar("T")

_NAMESPACE = re.compile(r"[\w.-]+")
_TIMEOUTS = (10.0, 60.0)
"""Seconds to connect, and between two bytes."""
_FIRST_TIMEOUTS = (5.0, 20.0)
"""The same before a server's first response: it may not exist, or be something other than Object Storage."""


class Connection:
    """Makes calls with our retries, limits and errors, for the threads of one process."""

    def __init__(self, spec: OciTargetSpec, *, share: float, patience: float, reached: bool = False) -> None:
        self._spec = spec
        self._lock = threading.RLock()
        self._client: Any = None
        self._namespace = spec.namespace
        self._token: tuple[int, int] | None = None
        self.requests = Requests(spec.limits, share=share, patience=patience, reached=reached)

    @property
    def client(self) -> Any:
        """The SDK's client, created when first used, which reads the config."""
        with self._lock:
            if self._client is None:
                self._token = token_stamp(self._spec.auth)
                self._client = _make_client(self._spec, self.requests.in_flight)
            return self._client

    @property
    def namespace(self) -> str:
        """From the job, or else queried from the service once."""
        with self._lock:
            if self._namespace is None:
                self._namespace = self._call(Doing("GetNamespace"), _own_namespace, "?")
            return self._namespace

    def place(self, namespace: str) -> Service:
        auth = self._spec.auth
        signer = f"auth.method {auth.method.value}"
        if auth.method in (AuthMethod.CONFIG_FILE, AuthMethod.SESSION_TOKEN):
            signer = f"profile {auth.profile} in {auth.config_file}"
        return Service(_endpoint(self.client.base_client, namespace), namespace, self._spec.bucket, signer)

    def call(self, doing: Doing, act: Callable[[Any], T], *, progress: Callable[[], int] = lambda: 0) -> T:
        """The result of `act(client)`, with retries if they make sense."""
        return self._call(doing, act, self.namespace, progress)

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.base_client.session.close()
                self._client = None

    def _call(
        self,
        doing: Doing,
        act: Callable[[Any], T],
        namespace: str,
        progress: Callable[[], int] = lambda: 0,
    ) -> T:
        place = self.place(namespace)

        def attempt() -> T:
            client = self.client
            if self.requests.reached:
                client.base_client.timeout = _TIMEOUTS
            with _translated(doing, place):
                return act(client)

        try:
            with contextlib.suppress(HiddenError, UnauthenticatedError):
                return self.requests.run(attempt, progress=progress)
            # Either can be a temporary fault of the service or the network, so one such response is not conclusive.
            self._renew_token()
            return self.requests.run(attempt, progress=progress)
        except HiddenError as error:
            raise self._explain(error, doing, place) from error

    def _renew_token(self) -> None:
        """Session tokens are renewed by another program; take up a new one when it is there."""
        with self._lock:
            if token_stamp(self._spec.auth) not in (None, self._token):
                self._client = None

    def _explain(self, error: HiddenError, doing: Doing, place: Service) -> TargetError:
        """OCI has the same response for a wrong name and a missing permission; make further requests to distinguish
        them."""
        bucket, namespace = place.bucket, place.namespace
        with contextlib.suppress(TargetError, ConfigError), _translated(doing, place):
            own = _own_namespace(self.client)
            if own != namespace:
                return TargetError(
                    f"{error.message}: namespace {namespace} was not found; this key belongs to {own}",
                    hint=f"set target.namespace to {own}, or remove it",
                )
        for look in (self.client.head_bucket, self.client.list_objects):
            with contextlib.suppress(TargetError, ConfigError), _translated(doing, place):
                look(namespace, bucket)
                line = policy_line(doing.operation, bucket)
                return AccessDenied(f"{error.message}: permission denied", hint=f"add: {line}")
        return TargetError(
            f"{error.message}: there is no bucket {bucket} in namespace {namespace} at {place.endpoint}, or "
            f"{place.signer} may not see it",
            hint="check target.bucket, namespace and region; then the policy (docs/oci-setup.md), e.g. "
            + policy_line(doing.operation, bucket),
        )


@contextlib.contextmanager
def _translated(doing: Doing, place: Service) -> Iterator[None]:
    try:
        yield
    except TransientError as error:
        raise type(error)(f"{doing.at(place)}: {error.message}", hint=error.hint) from error
    except BackupRunnerError:
        raise
    except SDK_ERRORS as error:
        raise translate(error, doing, place) from error


def _make_client(spec: OciTargetSpec, pool_size: int) -> Any:
    # Waiting for "100 Continue" before each body would cost a round trip per request.
    oci.base_client.enable_expect_header = False
    config, signer = credentials(spec)
    options: dict[str, Any] = {
        "retry_strategy": oci.retry.NoneRetryStrategy(),
        # The SDK's default is shared by the whole process: one bad target would stop the others.
        "circuit_breaker_strategy": oci.circuit_breaker.NoCircuitBreakerStrategy(),
        "timeout": _FIRST_TIMEOUTS,
        # Listings are parsed by a plain JSON parser, which takes a tenth of the time.
        "skip_deserialization": True,
    }
    if signer is not None:
        options["signer"] = signer
    if spec.endpoint:
        options["service_endpoint"] = spec.endpoint
    elif not config.get("region"):
        raise ConfigError("no region is known", hint="set target.region, or region in the OCI config file")
    try:
        client = oci.object_storage.ObjectStorageClient(config, **options)
    except (oci.exceptions.ClientError, ValueError, OSError) as error:
        raise ConfigError(
            f"the OCI client cannot be set up: {describe(error)}", hint="see docs/oci-setup.md"
        ) from error
    _set_up_session(client.base_client, spec, pool_size)
    return client


def _set_up_session(base: Any, spec: OciTargetSpec, pool_size: int) -> None:
    session = base.session
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter(pool_connections=2, pool_maxsize=pool_size))
    network = network_of(spec, _endpoint(base, ""))
    session.proxies = network.proxies
    if network.bundle:
        session.verify = network.bundle
    session.trust_env = False


def _own_namespace(client: Any) -> str:
    answer = client.get_namespace().data
    if not isinstance(answer, str) or not _NAMESPACE.fullmatch(answer):
        raise TransientError("the response is not a namespace name")
    return answer


def _endpoint(base: Any, namespace: str) -> str:
    """Where requests go. The SDK has a template and fills it in for each request."""
    dotted = f"{namespace}." if namespace else ""
    return str(base.get_endpoint()).replace("{namespaceName+Dot}", dotted)
