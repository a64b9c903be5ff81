"""The `target` section of jobs with a bucket on OCI, resolved; its tiers and list prices."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

from ...spec.prices import Prices, Tariff
from ...spec.target import NO_LIMITS, BucketShare, Limits, instead


class StorageTier(StrEnum):
    """OCI's storage class for data objects."""

    STANDARD = "Standard"
    INFREQUENT_ACCESS = "InfrequentAccess"
    ARCHIVE = "Archive"


# Oracle's list prices, before free allowances, discounts and taxes.
_DATED, _CURRENCY = "2026-09", "USD"
_LISTED = {
    "standard": 0.0255,
    "infrequent_access": 0.01,
    "archive": 0.0026,
    "infrequent_access_retrieval": 0.01,
    "requests": 0.0034,
}
_MINIMUM_DAYS: dict[str, int] = {StorageTier.INFREQUENT_ACCESS: 31, StorageTier.ARCHIVE: 90}


class AuthMethod(StrEnum):
    """How requests to OCI are signed."""

    CONFIG_FILE = "config_file"
    SESSION_TOKEN = "session_token"  # noqa: S105 - the name of a method
    INSTANCE_PRINCIPAL = "instance_principal"
    RESOURCE_PRINCIPAL = "resource_principal"
    WORKLOAD_IDENTITY = "workload_identity"


@dataclass(frozen=True, slots=True)
class AuthSpec:
    """How requests are signed. `config_file` is absolute, "" for methods that do not read one."""

    method: AuthMethod = AuthMethod.CONFIG_FILE
    config_file: str = ""
    profile: str = "DEFAULT"


@dataclass(frozen=True, slots=True)
class OciTargetSpec:
    """A bucket on OCI Object Storage. `prefix` is empty or ends in "/"; `namespace` None: query the service.

    Implements `spec.TargetSpec`."""

    kind: ClassVar[str] = "oci"

    bucket: str
    namespace: str | None = None
    prefix: str = ""
    storage_tier: StorageTier = StorageTier.STANDARD
    region: str | None = None
    endpoint: str | None = None
    proxy: str | None = None
    ca_bundle: str | None = None
    auth: AuthSpec = AuthSpec()
    limits: Limits = NO_LIMITS

    @property
    def archive_tiers(self) -> frozenset[str]:
        return frozenset({StorageTier.ARCHIVE})

    @property
    def own_paths(self) -> tuple[str, ...]:
        return ()

    @property
    def share(self) -> BucketShare | None:
        return BucketShare(self.bucket, self.prefix, (self.kind, self.endpoint), (self.namespace, self.region))

    def tariff(self, said: Prices | None) -> Tariff | None:
        said = said or Prices()
        price = instead(_LISTED, asdict(said))
        return Tariff(
            dated=said.dated or _DATED,
            currency=said.currency or _CURRENCY,
            storage={
                StorageTier.STANDARD: price["standard"],
                StorageTier.INFREQUENT_ACCESS: price["infrequent_access"],
                StorageTier.ARCHIVE: price["archive"],
            },
            retrieval={StorageTier.INFREQUENT_ACCESS: price["infrequent_access_retrieval"]},
            minimum_days=_MINIMUM_DAYS,
            requests=price["requests"],
        )

    def block(self) -> dict[str, Any]:
        auth: dict[str, str] = {"method": self.auth.method.value}
        if self.auth.method is AuthMethod.CONFIG_FILE:
            auth = {"config_file": self.auth.config_file, "profile": self.auth.profile}
        where = {
            "namespace": self.namespace,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "region": self.region,
            "endpoint": self.endpoint,
            "storage_tier": self.storage_tier.value,
        }
        return {"type": self.kind, **{key: value for key, value in where.items() if value}, "auth": auth}
