"""Errors, one class per condition. Every error says what happened, where, and what to do.

`exit_code` is the process's exit status (see docs/cli.md); `hint` is the next step for the user.
No error text ever contains a key, a token or file contents.
"""

from __future__ import annotations


class BackupRunnerError(Exception):
    """Base of all errors meant for users; printed as text, never as a traceback."""

    exit_code = 1
    usual_hint: str | None = None
    """The default hint for this kind of error."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.usual_hint

    def beside(self, name: str) -> str:
        """The message for a list that already shows the name of the object or file."""
        return self.message.removeprefix(f"{name}: ")


class OddFileError(OSError):
    """A file cannot be read as expected: an errno, and a text of ours that is safe to show."""


class UsageError(BackupRunnerError):
    """Invalid use of the command line."""

    usual_hint = "see `backup-runner COMMAND --help`"

    exit_code = 64


class ConfigError(BackupRunnerError):
    """A setting outside job files (environment, config file) is invalid."""

    usual_hint = "`backup-runner config show` lists all settings and where they are set"


class StalePlanError(BackupRunnerError):
    """Job, catalog or bucket changed since the plan was made, or the plan was already applied."""

    usual_hint = "plan again"

    exit_code = 4


class PlanFileError(BackupRunnerError):
    """A plan file cannot be read: not a plan, another format version, truncated or modified."""

    usual_hint = "make the plan again with `plan JOB --out FILE`"


class GuardError(BackupRunnerError):
    """A guard stopped the run before anything was changed."""

    usual_hint = "check what changed; `--override-guard NAME` overrides a guard once"

    exit_code = 5


class BusyError(BackupRunnerError):
    """Another run has locked the catalog or the lineage."""

    usual_hint = "try again later, or wait for it with `--wait 10m`"

    exit_code = 6


class Interrupted(BackupRunnerError):  # noqa: N818 - not an error: the user asked for it
    """Stopped by Ctrl-C or a termination signal; completed work is recorded."""

    usual_hint = "run the same command again"

    exit_code = 130


class CatalogError(BackupRunnerError):
    """The catalog cannot be read, is of another kind, or does not match the bucket."""

    usual_hint = "`catalog info JOB` shows the catalog's state; `catalog pull JOB` fetches it from the bucket"


class ForkedError(CatalogError):
    """Another machine committed this serial first; nothing was committed here."""

    usual_hint = "fetch the newer state with `catalog pull JOB`, then apply again"


class KeyFileError(BackupRunnerError):
    """The crypto key is missing, unreadable or has the wrong length."""

    usual_hint = "check `encryption` in the job; `key check JOB` tests the key"


class ContainerError(BackupRunnerError):
    """An encrypted object cannot be read."""

    usual_hint = "`verify JOB --level data` lists everything that cannot be opened"


class WrongKeyError(ContainerError):
    """The object was encrypted with another crypto key; it is not damaged."""

    usual_hint = "set `encryption` to the key that it was encrypted with"


class DamagedError(ContainerError):
    """An object is not what was written: truncated, modified, swapped or appended to."""

    usual_hint = "`verify JOB --level data` lists all damage; the next apply uploads again what the sources still have"


class NoiseError(DamagedError):
    """Not an object of this lineage, although it has one of its names; others may be able to write there."""

    usual_hint = "it is ignored; delete it with an account that may delete in the bucket"


class NotEntitledError(DamagedError):
    """A valid object that is not signed by an owner or writer of the lineage."""

    usual_hint = "it is ignored; `key list JOB` shows who may write"


class RemovedWriterError(NotEntitledError):
    """Signed by a writer whose later objects an owner declared void."""


class TargetError(BackupRunnerError):
    """A request to the target failed."""

    usual_hint = "`target check JOB` tests every operation on the job's target"


class TransientError(TargetError):
    """Overload, time-outs, broken connections: the same call may work later."""

    usual_hint = "try again later; completed work is recorded"


class UnreachableError(TransientError):
    """No connection was established: the name does not resolve, or nothing listens."""


class RetryLaterError(TransientError):
    """The service said when to retry."""

    def __init__(self, message: str, *, retry_after: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds."""


class ObjectMissing(TargetError):  # noqa: N818
    """No object of that name, according to this response."""

    usual_hint = (
        "`plan JOB` shows what is missing from the bucket; the next apply uploads again what the sources still have"
    )


class ObjectExists(TargetError):  # noqa: N818
    """A create-only put found an existing object of that name; nothing was overwritten."""

    usual_hint = "another run changed it at the same time; plan again"


class ConditionFailed(TargetError):  # noqa: N818
    """An If-Match put found another version of the object."""

    usual_hint = "another run changed it at the same time; plan again"


class EndlessListing(TargetError):  # noqa: N818
    """The target lists more objects than any bucket of ours has."""


class AccessDenied(TargetError):  # noqa: N818
    """The target denies this operation to this caller; the message names the missing permission."""

    usual_hint = "`target check JOB` shows which permission is missing"


class ObjectProtected(AccessDenied):
    """A retention rule keeps the object from being deleted or replaced; no permission is missing."""


class ChecksumMismatch(TransientError):  # noqa: N818
    """The target stored something other than what was sent; nothing was recorded."""

    usual_hint = "try again; if it happens again, something between here and the target alters data"


class ObjectArchived(TargetError):  # noqa: N818
    """The object is in an archive tier and must be restored from it before it can be read."""

    usual_hint = "make archived objects readable with `restore --thaw`"
