"""The config file's format as pydantic models: the source for validation and for schemas/config.schema.json."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..spec.job import StorageTier
from ..spec.texts import PathText, Prefix, Url
from .model import PricesModel


class LogFormat(StrEnum):
    """Format of the log file's lines."""

    TEXT = "text"
    JSON = "json"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


class GeneralModel(_Model):
    """Settings shared by all jobs and one-shot commands. `~` and ${VAR} are expanded in paths."""

    database_file: PathText | None = Field(None, description="The catalog. Default ~/.backup-runner/catalog.db.")
    logging_file: PathText | None = Field(
        None, description="Receives all messages down to debug level; rotated at 5 MiB."
    )
    logging_format: LogFormat = Field(LogFormat.TEXT, strict=False, description="Text or JSON lines.")
    crypto_key_file: PathText | None = Field(None, description="The key. Default ~/.backup-runner/crypto-key.")
    relative_path: PathText | None = Field(None, description="Removed from stored paths, and added again on restore.")
    work_directory: PathText | None = Field(None, description="The only place for temporary files.")


class OciModel(_Model):
    """The bucket of the one-shot commands, and defaults for the target of jobs."""

    config_file: PathText | None = Field(None, description="The OCI configuration file. Default ~/.oci/config.")
    config_section: str | None = Field(
        None, min_length=1, max_length=256, description="The profile in that file. Default DEFAULT."
    )
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = None
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,256}$")] | None = None
    instance_principal: bool | None = Field(None, description="Sign requests as the instance this runs on.")
    prefix: Prefix | None = None
    storage_tier: StorageTier | None = Field(None, strict=False)
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] | None = None
    endpoint: Url | None = None


class DirectoryModel(_Model):
    """A local directory instead of an OCI bucket, for the one-shot commands."""

    path: PathText | None = None


class ConfigFileModel(_Model):
    """Backup Runner's settings."""

    general: GeneralModel = GeneralModel()
    oci: OciModel = OciModel()
    directory: DirectoryModel = DirectoryModel()
    prices: PricesModel = PricesModel()


SECTIONS: dict[str, type[BaseModel]] = {
    "general": GeneralModel,
    "oci": OciModel,
    "directory": DirectoryModel,
    "prices": PricesModel,
}
PATHS = frozenset(
    {"database_file", "logging_file", "crypto_key_file", "relative_path", "work_directory", "config_file", "path"}
)
"""Keys of any section whose values are paths."""
