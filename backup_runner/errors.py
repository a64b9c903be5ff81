"""What can go wrong, one class a condition. Every error says what, where and what to do.

`exit_code` is the process's exit status (see docs/cli.md); `hint` is the next step for the person
who reads it. No error text ever holds a key, a token or file contents.
"""

from __future__ import annotations


class BackupRunnerError(Exception):
    """Base of all errors a user is meant to see; printed as text, never as a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BackupRunnerError):
    """The command line asks for something that cannot be meant."""

    exit_code = 64


class ConfigError(BackupRunnerError):
    """A setting outside job files (environment, config file) cannot be used."""


class StalePlanError(BackupRunnerError):
    """Job, catalog or bucket moved since the plan was made, or the plan was used already."""

    exit_code = 4


class PlanFileError(BackupRunnerError):
    """A plan file cannot be read: not a plan, another format version, truncated or altered."""


class GuardError(BackupRunnerError):
    """A guard stopped the run before anything was changed."""

    exit_code = 5


class BusyError(BackupRunnerError):
    """Another run holds the catalog or the lineage."""

    exit_code = 6


class Interrupted(BackupRunnerError):  # noqa: N818 - not a fault: the user asked for it
    """Stopped by Ctrl-C or a termination signal; what was finished is recorded."""

    exit_code = 130


class CatalogError(BackupRunnerError):
    """The catalog cannot be read, is of another kind, or does not fit the bucket."""


class ForkedError(CatalogError):
    """Another machine committed this serial first; nothing was committed here."""


class KeyFileError(BackupRunnerError):
    """The crypto key is missing, unreadable or of a wrong length."""


class ContainerError(BackupRunnerError):
    """A sealed object cannot be opened as it stands."""


class WrongKeyError(ContainerError):
    """The object was sealed with another crypto key; it is not damaged."""


class DamagedError(ContainerError):
    """Bytes of a sealed object are not what was sealed: cut, altered, swapped or appended to."""


class TargetError(BackupRunnerError):
    """The target did not do what was asked. `retryable` says whether the same call may work later."""

    retryable = False


class TransientError(TargetError):
    """Overload, time-outs, broken connections: the same call may work later."""

    retryable = True


class ObjectMissing(TargetError):  # noqa: N818
    """No object of that name, as far as this one answer tells."""


class ObjectExists(TargetError):  # noqa: N818
    """A create-only put met an object of that name; nothing was overwritten."""


class ConditionFailed(TargetError):  # noqa: N818
    """An If-Match put met another version of the object."""


class AccessDenied(TargetError):  # noqa: N818
    """The target refuses this caller that operation; names the permission that is missing."""


class ChecksumMismatch(TransientError):  # noqa: N818
    """What the target says it stored is not what was sent; nothing was recorded."""


class ObjectArchived(TargetError):  # noqa: N818
    """The object lies in an archive tier and must be thawed before it can be read."""
