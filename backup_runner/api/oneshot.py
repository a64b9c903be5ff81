"""The one-shot commands as functions: files and directories without a job file, in the bucket from the settings.

Import it by name (`from backup_runner.api import oneshot`). Otherwise, these jobs work like those from job files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError, CatalogError, UsageError
from ..oneshot.crypt import Crypted, md5_of
from ..oneshot.jobs import Wish, as_job_file, backup_job, bare_job, cleanup_job, prune_job
from ..options import PlanOptions, RestoreOptions
from ..progress import Events, RestoreOutcome
from .reading import restore
from .work import listener, opened

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..catalog.database import Store
    from ..catalog.listing import ListedContent, ListedFile
    from ..container import Identity
    from ..jobfile.configfile import Config
    from ..repository.session import Session
    from ..spec import Job

__all__ = [
    "Attempt",
    "Crypted",
    "Wish",
    "cache_file",
    "cleaning_backups",
    "cleaning_files",
    "contents",
    "decrypt_file",
    "duplicates",
    "encrypt_file",
    "files",
    "job_file",
    "job_of_settings",
    "md5_of",
    "restore_file",
    "storing",
]

Ask = tuple["Job", PlanOptions]
"""A job in memory and how to plan it: for `plan` and `apply`."""


def job_of_settings(settings: Config) -> Job:
    """The job that all one-shot commands share, without sources. Raises ConfigError if no bucket is configured."""
    return bare_job(settings)


def storing(settings: Config, wish: Wish, *, warn: Callable[[str], None] = lambda _: None) -> Ask:
    """Job and options that store files or directories. Raises BackupRunnerError for a path that does not exist or is
    of another kind."""
    from ..jobfile.mistaken import is_regex

    for pattern in wish.skip:
        if is_regex(pattern):
            warn(f"{pattern} looks like a regular expression; --skip-files takes gitignore patterns, e.g. *.tmp")
    job, planning = backup_job(settings, wish)
    if wish.stored_as:
        _refuse_taken(job)
    return job, planning


def _refuse_taken(job: Job) -> None:
    """Raises UsageError if what is stored has a file above this name, or a folder of this name."""
    from ..catalog.listing import in_the_way

    key = job.sources[0].key
    with opened(job, listener(None)) as session:
        cat = session.catalog()
        store = session.store() if cat else None
        job_id = cat.job_id(store.id, job.name) if cat and store else None
        taken = in_the_way(cat, job_id, key) if cat and job_id is not None else None
    if taken is not None:
        kind = "folder" if taken.endswith(b"/") else "file"
        raise UsageError(f"{os.fsdecode(taken)} is a {kind} in the backup", hint="store this under another name")


def cleaning_files(settings: Config, *, events: Events | None = None) -> Ask | None:
    """Job and options that remove deleted files from the list; None if nothing was ever stored."""
    with _opened(settings, events) as (session, cat, store):
        job_id = cat.job_id(store.id, session.job.name)
        return None if job_id is None else cleanup_job(settings, cat, job_id)


def cleaning_backups(settings: Config, *, events: Events | None = None) -> Ask | None:
    """Job and options that forget all but the newest snapshot and delete what is no longer needed; None if nothing was
    ever stored."""
    with _opened(settings, events) as (session, cat, store):
        known = cat.job_id(store.id, session.job.name) is not None
    return prune_job(settings) if known else None


@dataclass
class Attempt:
    """`interrupted`: whether the last run with this file was interrupted. The caller sets `completed`."""

    interrupted: bool
    completed: bool = False


@contextmanager
def cache_file(path: str, job: Job) -> Iterator[Attempt]:
    """Keeps the state of a run in a file, like backup-tool, while the context is entered.

    Raises UsageError for a file that is something else or belongs to another run."""
    from ..oneshot.state import CacheFile
    from ..targets.opening import open_target

    cache = CacheFile(path, job, open_target(job.target).identity)
    running = Attempt(cache.interrupted)
    cache.write("running")
    try:
        yield running
    except (BackupRunnerError, KeyboardInterrupt):
        cache.write("interrupted")
        raise
    cache.write("complete" if running.completed else "interrupted")


def files(settings: Config, *, events: Events | None = None) -> list[ListedFile]:
    """The files that are stored, with their ids."""
    from ..catalog import listing

    with _opened(settings, events) as (_, cat, store):
        return list(listing.files(cat, store.id))


def contents(settings: Config, *, events: Events | None = None) -> list[ListedContent]:
    """The stored contents, with their ids, objects and MD5s."""
    from ..catalog import listing

    with _opened(settings, events) as (_, cat, store):
        return list(listing.contents(cat, store.id))


def duplicates(settings: Config, *, events: Events | None = None) -> list[ListedFile]:
    """Files with the same content, which is stored once; equal ones are adjacent."""
    from ..catalog import listing

    with _opened(settings, events) as (_, cat, store):
        return list(listing.duplicates(cat, store.id))


def restore_file(
    settings: Config, file_id: int, options: RestoreOptions, *, events: Events | None = None
) -> RestoreOutcome:
    """Restore one file to its original location. Raises CatalogError if there is no file with that id."""
    from ..catalog import listing

    with _opened(settings, events) as (session, cat, store):
        known, job = listing.path_of(cat, store.id, file_id), session.job
    if known is None:
        raise CatalogError(f"there is no file with the id {file_id}", hint="`backup-runner file list` shows the ids")
    at = None if known.snapshot_id is None else str(known.snapshot_id)
    return restore(replace(job, name=known.job), (known.key,), replace(options, at=at), events=events)


def job_file(settings: Config, wish: Wish, name: str) -> list[str]:
    """The lines of a job file that does the same as the wish."""
    return list(as_job_file(settings, wish, name))


# -- single files, without bucket and catalog


def encrypt_file(
    settings: Config, source: str, goal: str, *, legacy_format: bool = False, overwrite: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> Crypted:  # fmt: skip
    """Encrypt a file with the key from the settings. Raises BackupRunnerError if `goal` exists and must not be
    overwritten."""
    from ..oneshot.crypt import encrypt_file as encrypt

    return encrypt(_identity(settings, warn), source, goal, legacy_format=legacy_format, overwrite=overwrite)


def decrypt_file(
    settings: Config, source: str, goal: str, *, overwrite: bool = False, warn: Callable[[str], None] = lambda _: None
) -> Crypted:
    """Decrypt a file, in our format or backup-tool's. Raises WrongKeyError, DamagedError, BackupRunnerError."""
    from ..oneshot.crypt import decrypt_file as decrypt

    return decrypt(_identity(settings, warn), source, goal, overwrite=overwrite)


def _identity(settings: Config, warn: Callable[[str], None]) -> Identity:
    from ..container import Identity
    from ..repository.keyfile import load_secret
    from ..spec import EncryptionSpec

    secret, warnings = load_secret(EncryptionSpec(key_file=settings.value("general.crypto_key_file")), os.environ)
    for text in warnings:
        warn(text)
    return Identity(secret)


@contextmanager
def _opened(settings: Config, events: Events | None) -> Iterator[tuple[Session, Catalog, Store]]:
    """Session, catalog and store of the bucket from the settings. Raises CatalogError if it is empty."""
    with opened(bare_job(settings), listener(events)) as session:
        cat, path = session.catalog(), session.job.catalog.path
        store = session.store() if cat else None
        if cat is None or store is None:
            raise CatalogError(
                f"the catalog {path} has no backups at {session.target.identity}"
                if cat
                else f"there is no catalog at {path} yet",
                hint="back up something first, or import backup-tool's database",
            )
        yield session, cat, store
