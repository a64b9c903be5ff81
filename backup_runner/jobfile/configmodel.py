"""The config file's format as pydantic models: the source for validation and for schemas/config.schema.json."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, Field

from ..spec.texts import PathText, Strict
from ..targets.models import TARGET_SECTIONS, TargetSections
from .model import PricesModel


class LogFormat(StrEnum):
    """Format of the log file's lines."""

    TEXT = "text"
    JSON = "json"


class GeneralModel(Strict):
    """Settings shared by all jobs and one-shot commands. `~` and ${VAR} are expanded in paths."""

    database_file: PathText | None = Field(None, description="The catalog. Default ~/.backup-runner/catalog.db.")
    logging_file: PathText | None = Field(
        None, description="Receives all messages down to debug level; rotated at 5 MiB."
    )
    logging_format: LogFormat = Field(LogFormat.TEXT, strict=False, description="Text or JSON lines.")
    crypto_key_file: PathText | None = Field(None, description="The key. Default ~/.backup-runner/crypto-key.")
    relative_path: PathText | None = Field(None, description="Removed from stored paths, and added again on restore.")
    work_directory: PathText | None = Field(None, description="The only place for temporary files.")


class ConfigFileModel(TargetSections):
    """Backup Runner's settings."""

    general: GeneralModel = GeneralModel()
    prices: PricesModel = PricesModel()


SECTIONS: dict[str, type[BaseModel]] = {
    "general": GeneralModel,
    **TARGET_SECTIONS,
    "prices": PricesModel,
}
PATHS = frozenset(
    {"database_file", "logging_file", "crypto_key_file", "relative_path", "work_directory", "config_file", "path"}
)
"""Keys of any section whose values are paths."""
