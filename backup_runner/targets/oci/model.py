"""The sections of an OCI target in job files and in the config file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from ...spec.texts import PathText, Prefix, Strict, Url, no_variable, or_variable
from ..section import Keys, LimitsModel, TargetModel, TargetSection
from .spec import AuthMethod, AuthSpec, OciTargetSpec, StorageTier

_CONFIG_FILE = "~/.oci/config"
_READ_IT = (AuthMethod.CONFIG_FILE, AuthMethod.SESSION_TOKEN)


class AuthModel(Strict):
    """How requests to OCI are signed."""

    method: AuthMethod = Field(AuthMethod.CONFIG_FILE, strict=False, description="Default config_file.")
    config_file: PathText | None = Field(None, description="The OCI configuration file. Default ~/.oci/config.")
    profile: Annotated[str, AfterValidator(no_variable)] = Field("DEFAULT", min_length=1, max_length=256)


class OciTargetModel(TargetModel):
    """A bucket on OCI Object Storage."""

    NEEDED: ClassVar[tuple[str, ...]] = ("bucket",)
    FORMS: ClassVar[Mapping[str, tuple[str, str | None]]] = {
        "bucket": ('a bucket\'s name: letters, digits, ".", "_" and "-"', None),
        "namespace": ('a namespace: letters, digits, "_" and "-"', "the console shows it under tenancy details"),
        "region": ("a region's identifier", "e.g. us-ashburn-1"),
    }

    type: Literal["oci"]
    namespace: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,128}$",
        json_schema_extra=or_variable("[A-Za-z0-9_-]{1,128}"),
        description="Default: queried from the service.",
    )
    bucket: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,256}$", json_schema_extra=or_variable("[A-Za-z0-9._-]{1,256}")
    )
    prefix: Prefix = Field("", description='Prepended to every object name; a missing trailing "/" is added.')
    storage_tier: StorageTier = Field(StorageTier.STANDARD, strict=False, description="The tier of data objects.")
    region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$", json_schema_extra=or_variable("[a-z0-9-]{1,64}"))
    endpoint: Url | None = Field(None, description="A server other than the region's default.")
    proxy: Url | None = None
    ca_bundle: PathText | None = None
    auth: AuthModel = AuthModel()
    limits: LimitsModel = LimitsModel()

    @classmethod
    def paths(cls, block: Mapping[str, Any]) -> Iterator[tuple[Keys, object]]:
        yield ("ca_bundle",), block.get("ca_bundle")
        auth = block.get("auth", {})
        if isinstance(auth, dict):
            reads_file = auth.get("method", AuthMethod.CONFIG_FILE) in _READ_IT
            yield ("auth", "config_file"), auth.get("config_file", _CONFIG_FILE if reads_file else None)

    def resolved(self, paths: Mapping[Keys, str]) -> OciTargetSpec:
        assert self.bucket is not None
        return OciTargetSpec(
            bucket=self.bucket,
            namespace=self.namespace,
            prefix=self.prefix if self.prefix.endswith("/") or not self.prefix else self.prefix + "/",
            storage_tier=self.storage_tier,
            region=self.region,
            endpoint=self.endpoint,
            proxy=self.proxy,
            ca_bundle=paths.get(("ca_bundle",)),
            auth=AuthSpec(
                method=self.auth.method,
                config_file=paths["auth", "config_file"] if self.auth.method in _READ_IT else "",
                profile=self.auth.profile,
            ),
            limits=self.limits.resolved(),
        )


class OciModel(TargetSection):
    """The bucket of the one-shot commands, and defaults for the target of jobs."""

    PLACE: ClassVar[str] = "bucket"
    FOR_JOBS: ClassVar[bool] = True
    DEFAULTS: ClassVar[Mapping[str, str]] = {"config_file": _CONFIG_FILE, "config_section": "DEFAULT"}

    config_file: PathText | None = Field(None, description="The OCI configuration file. Default ~/.oci/config.")
    config_section: Annotated[str, AfterValidator(no_variable)] | None = Field(
        None, min_length=1, max_length=256, description="The profile in that file. Default DEFAULT."
    )
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = None
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,256}$")] | None = None
    instance_principal: bool | None = Field(None, description="Sign requests as the instance this runs on.")
    prefix: Prefix | None = None
    storage_tier: StorageTier | None = Field(None, strict=False)
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] | None = None
    endpoint: Url | None = None

    @classmethod
    def block(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("namespace", "bucket", "prefix", "storage_tier", "region", "endpoint")
        block = {key: values[key] for key in keys if key in values}
        if values.get("instance_principal"):
            auth = {"method": AuthMethod.INSTANCE_PRINCIPAL.value}
        else:
            names = {"config_file": "config_file", "profile": "config_section"}
            auth = {key: values[name] for key, name in names.items() if name in values}
            if "instance_principal" in values:
                auth["method"] = AuthMethod.CONFIG_FILE.value
        return {**block, "auth": auth} if auth else block
