"""Creates the target for a job's `target` section."""

from __future__ import annotations

import os

from ..errors import ConfigError
from ..spec import TargetSpec
from .base import Target
from .directory.spec import DirectoryTargetSpec
from .oci.spec import OciTargetSpec

PATIENCE_VARIABLE = "BACKUP_RUNNER_RETRY_SECONDS"
_PATIENCE = 300.0


def open_target(spec: TargetSpec, *, share: float = 1.0, patience: float | None = None) -> Target:
    """The target that `spec` describes; nothing is read or written yet.

    `share` is this process's part of the limits in `spec` (1/N for one of N worker processes). `patience` is
    for how many seconds a failing request is retried; by default BACKUP_RUNNER_RETRY_SECONDS, or 300.
    """
    match spec:
        case DirectoryTargetSpec():
            from .directory.target import DirectoryTarget

            return DirectoryTarget(spec.path)
        case OciTargetSpec():
            from .oci.target import OciTarget

            return OciTarget(spec, share=share, patience=_patience() if patience is None else patience)
    raise AssertionError(f"no target opens {type(spec).__name__}")


def key_warnings(spec: TargetSpec) -> list[str]:
    """Warnings about files with the target's keys that others can read."""
    if not isinstance(spec, OciTargetSpec):
        return []
    from .oci.configfile import exposed_keys

    return [
        f"{path} is readable by other users and contains a key to the bucket; fix it with `chmod 600 {path}`"
        for path in exposed_keys(spec.auth)
    ]


def divided(target: Target, ways: int) -> Target:
    """The target for each of `ways` concurrent processes, which share its limits.

    A target without limits is returned unchanged."""
    return target if target.properties.in_flight is None else target.divided(ways)


def crew(target: Target, workers: int) -> int:
    """How many of `workers` processes can be used: each needs one of the concurrent requests."""
    return max(1, min(workers, target.properties.in_flight or workers))


def _patience() -> float:
    text = os.environ.get(PATIENCE_VARIABLE, "")
    try:
        return float(text) if text else _PATIENCE
    except ValueError:
        raise ConfigError(f"{PATIENCE_VARIABLE} is {text!r}, which is not a number of seconds") from None
