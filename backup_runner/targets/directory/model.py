"""The sections of a directory target in job files and in the config file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from ...spec.texts import PathText
from ..section import Keys, TargetModel, TargetSection
from .spec import DirectoryTargetSpec


class DirectoryTargetModel(TargetModel):
    """A bucket that is a local directory."""

    type: Literal["directory"]
    path: PathText

    @classmethod
    def paths(cls, block: Mapping[str, Any]) -> Iterator[tuple[Keys, object]]:
        yield ("path",), block.get("path")

    def resolved(self, paths: Mapping[Keys, str]) -> DirectoryTargetSpec:
        return DirectoryTargetSpec(paths["path",])


class DirectoryModel(TargetSection):
    """A local directory instead of an OCI bucket, for the one-shot commands."""

    PLACE: ClassVar[str] = "path"
    FOR_JOBS: ClassVar[bool] = False

    path: PathText | None = None

    @classmethod
    def block(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return dict(values)
