"""Defines a resolved job (`Job`), its parts, and the forms of values in job files, whose format is `jobfile.model`.

Importing this package does not import pydantic, so that worker processes stay light.
"""

from .digest import digest_of
from .job import (
    CatalogSpec,
    Detect,
    EncryptionSpec,
    Every,
    Hooks,
    Job,
    NoticeStyle,
    Notify,
    Overwrite,
    RecipientSpec,
    Retention,
    RunCommand,
    Schedule,
    Symlinks,
    Weekday,
)
from .sources import Bounds, Guards, Output, PruneGuards, SkipLine, SkipOrigin, Source
from .target import Limits, TargetSpec

__all__ = [
    "Bounds",
    "CatalogSpec",
    "Detect",
    "EncryptionSpec",
    "Every",
    "Guards",
    "Hooks",
    "Job",
    "Limits",
    "NoticeStyle",
    "Notify",
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
    "Symlinks",
    "TargetSpec",
    "Weekday",
    "digest_of",
]
