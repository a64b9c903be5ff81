"""From a job's target section to a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Target

if TYPE_CHECKING:
    from ..spec import DirectoryTargetSpec, OciTargetSpec


def open_target(spec: DirectoryTargetSpec | OciTargetSpec, *, share: float = 1.0) -> Target:
    """The target that `spec` describes; nothing is read or written yet.

    `share` is this process's part of the limits in `spec` (1/N for one of N worker processes).
    """
    if spec.type == "directory":
        from .directory import DirectoryTarget

        return DirectoryTarget(spec.path)
    from .oci import OciTarget

    return OciTarget(spec, share=share)
