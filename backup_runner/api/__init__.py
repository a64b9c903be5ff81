"""The Python API: what `from backup_runner import ...` gives, and all that the command line uses.

Functions take values and return values: they print nothing and never exit the process. Each call opens what it needs
and closes it again, so calls can follow each other, and jobs with separate catalogs can be used in several threads.
Two rules for threads: a `Plan` and a `Browser` stay with the thread that made them; and because workers are forked, a
program should call `apply`, `restore` and `verify` before it starts threads that hold locks. Ctrl-C is up to the
caller: `stop` takes a function, a `threading.Event` or an `Interrupt`, which installs handlers while it is entered, in
the main thread only.

Everything that a user can fix is raised as a BackupRunnerError, with `message`, `hint` and `exit_code`.

Names are imported when first used: loading the engines takes long, and `--help` needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..catalog.browsing import Difference, PathVersion
    from ..catalog.database import Snapshot
    from ..catalog.sizing import Sizes
    from ..errors import (
        BackupRunnerError,
        BusyError,
        CatalogError,
        ConfigError,
        ForkedError,
        GuardError,
        Interrupted,
        KeyFileError,
        PlanFileError,
        StalePlanError,
        TargetError,
        UsageError,
        WrongKeyError,
    )
    from ..jobfile.diagnostics import Diagnostic, JobFileError
    from ..jobfile.finding import find_job_files
    from ..jobfile.loading import LoadResult
    from ..jobfile.starting import Start
    from ..options import ApplyOptions, Level, PlanOptions, RestoreOptions, VerifyOptions
    from ..progress import Events, Outcome, RestoreOutcome, Silent, Surplus, VerifyOutcome
    from ..records import Action, ActionKind, Problem
    from ..recovery.backup_tool import Imported, ImportOptions
    from ..recovery.outcome import Recovered
    from ..repository.keycheck import KeyCheck
    from ..repository.lineage import KeyChain
    from ..repository.recipients import KeyChange
    from ..restoring.select import SnapshotFilter
    from ..spec import Job, Overwrite
    from ..targets.checking import TargetCheck
    from ..workers.interrupt import Interrupt
    from .applies import apply, forget, prune
    from .browsing import (
        Browser,
        Diff,
        Files,
        browse,
        diff,
        files,
        find,
        history,
        names_snapshot,
        snapshots,
        stats,
        tag,
    )
    from .catalogs import CatalogInfo, catalog_info, import_backup_tool, pull, rebuild
    from .jobs import (
        Rewriting,
        Settings,
        Timers,
        Validation,
        config_schema,
        format_job,
        job_schema,
        load_job,
        load_jobs,
        load_settings,
        migrate_job,
        resolved_job,
        skips,
        timers,
        validate,
    )
    from .keys import (
        KeyHolders,
        ShownKey,
        SigningPublic,
        add_recipient,
        check_key,
        fingerprint_of,
        key_holders,
        machine_writer,
        new_key,
        new_pair,
        public_half,
        remove_holder,
        rotate_keys,
        show_key,
        write_private,
    )
    from .places import check_target
    from .plans import Plan, Saved, explain, is_plan_file, open_plan, plan
    from .reading import restore, verify
    from .starting import start
    from .streaming import restore_stream

_HOMES = {
    "api.applies": "apply forget prune",
    "api.browsing": "Browser Diff Files browse diff files find history names_snapshot snapshots stats tag",
    "api.catalogs": "CatalogInfo catalog_info import_backup_tool pull rebuild",
    "api.jobs": "Rewriting Settings Timers Validation config_schema format_job job_schema load_job load_jobs"
    " load_settings migrate_job resolved_job skips timers validate",
    "api.keys": "KeyHolders ShownKey SigningPublic add_recipient check_key fingerprint_of key_holders machine_writer"
    " new_key new_pair public_half remove_holder rotate_keys show_key write_private",
    "api.places": "check_target",
    "api.plans": "Plan Saved explain is_plan_file open_plan plan",
    "api.reading": "restore verify",
    "api.starting": "start",
    "api.streaming": "restore_stream",
    "catalog.browsing": "Difference PathVersion",
    "catalog.database": "Snapshot",
    "catalog.sizing": "Sizes",
    "repository.lineage": "KeyChain",
    "errors": "BackupRunnerError BusyError CatalogError ConfigError ForkedError GuardError Interrupted KeyFileError"
    " PlanFileError StalePlanError TargetError UsageError WrongKeyError",
    "jobfile.diagnostics": "Diagnostic JobFileError",
    "jobfile.finding": "find_job_files",
    "jobfile.loading": "LoadResult",
    "jobfile.starting": "Start",
    "options": "ApplyOptions Level PlanOptions RestoreOptions VerifyOptions",
    "progress": "Events Outcome RestoreOutcome Silent Surplus VerifyOutcome",
    "records": "Action ActionKind Problem",
    "recovery.backup_tool": "ImportOptions Imported",
    "recovery.outcome": "Recovered",
    "repository.keycheck": "KeyCheck",
    "repository.recipients": "KeyChange",
    "restoring.select": "SnapshotFilter",
    "targets.checking": "TargetCheck",
    "spec": "Job Overwrite",
    "workers.interrupt": "Interrupt",
}
"""Where each name is; the tests compare it with the imports above."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "Action",
    "ActionKind",
    "ApplyOptions",
    "BackupRunnerError",
    "Browser",
    "BusyError",
    "CatalogError",
    "CatalogInfo",
    "ConfigError",
    "Diagnostic",
    "Diff",
    "Difference",
    "Events",
    "Files",
    "ForkedError",
    "GuardError",
    "ImportOptions",
    "Imported",
    "Interrupt",
    "Interrupted",
    "Job",
    "JobFileError",
    "KeyChain",
    "KeyChange",
    "KeyCheck",
    "KeyFileError",
    "KeyHolders",
    "Level",
    "LoadResult",
    "Outcome",
    "Overwrite",
    "PathVersion",
    "Plan",
    "PlanFileError",
    "PlanOptions",
    "Problem",
    "Recovered",
    "RestoreOptions",
    "RestoreOutcome",
    "Rewriting",
    "Saved",
    "Settings",
    "ShownKey",
    "SigningPublic",
    "Silent",
    "Sizes",
    "Snapshot",
    "SnapshotFilter",
    "StalePlanError",
    "Start",
    "Surplus",
    "TargetCheck",
    "TargetError",
    "Timers",
    "UsageError",
    "Validation",
    "VerifyOptions",
    "VerifyOutcome",
    "WrongKeyError",
    "add_recipient",
    "apply",
    "browse",
    "catalog_info",
    "check_key",
    "check_target",
    "config_schema",
    "diff",
    "explain",
    "files",
    "find",
    "find_job_files",
    "fingerprint_of",
    "forget",
    "format_job",
    "history",
    "import_backup_tool",
    "is_plan_file",
    "job_schema",
    "key_holders",
    "load_job",
    "load_jobs",
    "load_settings",
    "machine_writer",
    "migrate_job",
    "names_snapshot",
    "new_key",
    "new_pair",
    "open_plan",
    "plan",
    "prune",
    "public_half",
    "pull",
    "rebuild",
    "remove_holder",
    "resolved_job",
    "restore",
    "restore_stream",
    "rotate_keys",
    "show_key",
    "skips",
    "snapshots",
    "start",
    "stats",
    "tag",
    "timers",
    "validate",
    "verify",
    "write_private",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"..{home}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
