"""Sources in job files, and what is left out of them, as pydantic models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ..spec.texts import LONE_TILDE, Arguments, EntryName, PathText, Percent, Size, SkipText, Strict

SkipFrom = Annotated[
    list[PathText],
    Field(description="Files of gitignore rules, e.g. .gitignore; they are applied before those of `skip`."),
]
IgnoreCase = Annotated[bool, Field(description="Skip rules match ASCII letters of either case. Default false.")]
Markers = Annotated[
    list[EntryName], Field(description="Leave out every folder that contains an entry with one of these names.")
]
Caches = Annotated[bool, Field(description="Leave out folders that a signed CACHEDIR.TAG marks as caches.")]
MaxFileSize = Annotated[Size, Field(description="Leave out larger files, e.g. 4GiB.")]
OneFileSystem = Annotated[
    bool, Field(description="Stay on the file system of the source; mount points are kept as empty folders.")
]


class GuardsModel(Strict):
    """When a run stops (exit 5) before anything is removed. A source's guards override the job's, key by key."""

    min_files: int | None = Field(
        None, ge=0, le=10**12, description="Stop the run below this number of files. Default 1."
    )
    max_change_percent: Percent | None = Field(
        None, description="Stop the run if more files changed or vanished, from 20 files up. Default 50."
    )
    max_delete_percent: Percent | None = Field(
        None, description="Stop the run if more files vanished, from 20 files up. Default 20."
    )
    require_mount: bool | None = Field(
        None, description="Each source must be on a mounted file system of its own. Default false."
    )


OF_DISK = (
    *("skip", "skip_from", "skip_case_insensitive", "skip_if_present", "skip_caches", "max_file_size"),
    *("one_file_system", "guards"),
)
"""Keys of a source that say nothing of a command's output."""


class SourceModel(Strict):
    """A directory or file to back up, or what a command prints."""

    path: PathText = Field(
        description=(
            "~ and ${VAR} are expanded; a relative path starts at the job file's own folder. "
            "With `command`: the stored path of the output, relative."
        ),
        json_schema_extra=LONE_TILDE,
    )
    command: Arguments | None = Field(
        None, description="Store what this program prints; it must end with status 0. No shell interprets it."
    )
    time_limit: int | None = Field(
        None, ge=1, le=604800, description="Seconds after which the command is ended. Default 21600."
    )
    skip: list[SkipText] | None = Field(None, description="gitignore rules for this source, applied after the job's.")
    skip_from: SkipFrom | None = None
    skip_case_insensitive: IgnoreCase | None = None
    skip_if_present: Markers | None = None
    skip_caches: Caches | None = None
    max_file_size: MaxFileSize | None = None
    one_file_system: OneFileSystem | None = None
    guards: GuardsModel | None = None
    allow_empty: bool | None = Field(None, description="This source may be empty even if it had files before.")

    @model_validator(mode="after")
    def _of_one_kind(self) -> SourceModel:
        if self.command is None and self.time_limit is not None:
            raise ValueError("time_limit is for a source with a command")
        for key in OF_DISK if self.command is not None else ():
            if getattr(self, key) is not None:
                raise ValueError(f"{key} is not for a source with a command")
        return self
