"""The sections of all targets in job files and in the config file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..spec.texts import Strict
from .directory.model import DirectoryModel, DirectoryTargetModel
from .oci.model import OciModel, OciTargetModel
from .section import TargetModel, TargetSection

JobTarget = Annotated[DirectoryTargetModel | OciTargetModel, Field(discriminator="type")]
"""A job's `target`."""
TARGET_MODELS: dict[str, type[TargetModel]] = {"directory": DirectoryTargetModel, "oci": OciTargetModel}
"""The same by `type`."""


class TargetSections(Strict):
    """The targets' sections of the config file, by the same types."""

    oci: OciModel = OciModel()
    directory: DirectoryModel = DirectoryModel()


TARGET_SECTIONS: dict[str, type[TargetSection]] = {"oci": OciModel, "directory": DirectoryModel}
