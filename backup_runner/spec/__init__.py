"""Defines a resolved job, `Job`, its parts, and the forms of values in job files. Its file format is in `jobfile.model`.

Importing this package does not import pydantic, so that worker processes stay light.
"""

from .digest import digest_of
from .job import (
    AuthMethod,
    AuthSpec,
    CatalogSpec,
    Detect,
    DirectoryTargetSpec,
    EncryptionSpec,
    Every,
    Hooks,
    Job,
    Limits,
    NoticeStyle,
    Notify,
    OciTargetSpec,
    Overwrite,
    RecipientSpec,
    Retention,
    RunCommand,
    Schedule,
    StorageTier,
    Symlinks,
    TargetSpec,
    Weekday,
)
from .sources import Bounds, Guards, Output, PruneGuards, SkipLine, SkipOrigin, Source

__all__ = [
    "AuthMethod",
    "AuthSpec",
    "Bounds",
    "CatalogSpec",
    "Detect",
    "DirectoryTargetSpec",
    "EncryptionSpec",
    "Every",
    "Guards",
    "Hooks",
    "Job",
    "Limits",
    "NoticeStyle",
    "Notify",
    "OciTargetSpec",
    "Output",
    "Overwrite",
    "PruneGuards",
    "RecipientSpec",
    "Retention",
    "RunCommand",
    "Schedule",
    "SkipLine",
    "SkipOrigin",
    "Source",
    "StorageTier",
    "Symlinks",
    "TargetSpec",
    "Weekday",
    "digest_of",
]
