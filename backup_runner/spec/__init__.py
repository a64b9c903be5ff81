"""What a job is: `Job` and its parts (resolved, absolute) and, in `spec.model`, the file format itself.

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
    Guards,
    Job,
    Limits,
    OciTargetSpec,
    Overwrite,
    Retention,
    SkipLine,
    SkipOrigin,
    Source,
    StorageTier,
    Symlinks,
    TargetSpec,
)

__all__ = [
    "AuthMethod",
    "AuthSpec",
    "CatalogSpec",
    "Detect",
    "DirectoryTargetSpec",
    "EncryptionSpec",
    "Guards",
    "Job",
    "Limits",
    "OciTargetSpec",
    "Overwrite",
    "Retention",
    "SkipLine",
    "SkipOrigin",
    "Source",
    "StorageTier",
    "Symlinks",
    "TargetSpec",
    "digest_of",
]
