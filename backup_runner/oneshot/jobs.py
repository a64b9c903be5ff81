"""Jobs in memory for the one-shot commands: made from the config file, then planned and applied like any other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..catalog import Catalog, history
from ..errors import BackupRunnerError, ConfigError, UsageError
from ..jobfile.bucket import configured_target, override_target, places
from ..jobfile.configfile import Config
from ..options import PlanOptions
from ..records import ActionKind, Flag, Kind
from ..spec import (
    CatalogSpec,
    Detect,
    EncryptionSpec,
    Guards,
    Job,
    Output,
    Overwrite,
    Retention,
    SkipLine,
    SkipOrigin,
    Source,
    TargetSpec,
)
from ..targets.models import TARGET_SECTIONS

NAME = "one-shot"
"""The name of the job of all one-shot commands."""
_STORING = frozenset(ActionKind) - {ActionKind.REMOVE}


@dataclass(frozen=True, slots=True)
class Wish:
    """The parameters of `file backup` or `directory backup`. `skip` are gitignore rules."""

    paths: tuple[str, ...]
    skip: tuple[str, ...] = ()
    overwrite: bool = False
    force_checksum: bool = False
    directories: bool = False
    stored_as: str = ""
    """The path under which what comes in on standard input is stored: absolute, or below `relative_path`."""


def bare_job(config: Config, name: str = NAME) -> Job:
    """A job without sources. Raises ConfigError if no bucket is configured."""
    catalog = config.value("general.database_file")
    key_file = config.value("general.crypto_key_file")
    if catalog is None or key_file is None:
        raise ConfigError("HOME is not set, so the catalog has no default path", hint="set general.database_file")
    return Job(
        file="",
        name=name,
        base=os.fsencode(config.value("general.relative_path") or "/").rstrip(b"/"),
        sources=(),
        target=target_of(config),
        encryption=EncryptionSpec(key_file=key_file),
        catalog=CatalogSpec(catalog),
        work_directory=config.value("general.work_directory") or catalog + ".work",
        guards=Guards(min_files=0),
    )


def target_of(config: Config) -> TargetSpec:
    """The target from the config."""
    chosen = [kind for kind, section in TARGET_SECTIONS.items() if config.given(f"{kind}.{section.PLACE}")]
    if len(chosen) > 1:
        raise ConfigError(f"both {places(chosen)} are set", hint="unset one of the two")
    if not chosen:
        keys = places(list(TARGET_SECTIONS), "or")
        raise ConfigError(
            "no bucket is configured",
            hint=f"set {keys} in ~/.backup-runner/config.yaml, or with --set oci.bucket=NAME",
        )
    return configured_target(config.value, chosen[0])


# -- backup


def backup_job(config: Config, wish: Wish) -> tuple[Job, PlanOptions]:
    """The job that stores these files or directories, and how to plan it: other paths carry over, and deleted
    files stay listed. Raises BackupRunnerError for a path that does not exist or is of another kind."""
    job = bare_job(config)
    if wish.stored_as:
        source = _standard_input(wish.stored_as, job.base)
        return replace(job, sources=(source,)), PlanOptions(scope=(source.key,), pruning="none", kinds=_STORING)
    paths = _outermost([_checked(path, directory=wish.directories) for path in wish.paths])
    sources = tuple(sorted((_source(path, job.base, wish.skip) for path in paths), key=lambda source: source.key))
    detect = Detect.CHECKSUM if wish.force_checksum else job.detect
    overwrite = Overwrite.CHANGED if wish.overwrite else Overwrite.NEVER
    # Holding back files loses nothing, however many changed.
    guards = job.guards if wish.overwrite else replace(job.guards, max_change_percent=100)
    job = replace(job, sources=sources, overwrite=overwrite, detect=detect, guards=guards)
    scope = tuple(source.key for source in sources)
    return job, PlanOptions(scope=scope, pruning="none", kinds=_STORING)


def _standard_input(name: str, base: bytes) -> Source:
    path = os.fsencode(name) if name.startswith("/") else base + b"/" + os.fsencode(name)
    if os.path.normpath(path) != path or b"\0" in path:
        raise UsageError(f"{name} is not the path of a file", hint="e.g. --as dumps/shop.sql")
    return replace(_source(path, base, ()), key=path[len(base) + 1 :], output=Output())


def _checked(path: str, *, directory: bool) -> bytes:
    found = os.path.abspath(os.path.expanduser(path))
    if not os.path.lexists(found):
        raise BackupRunnerError(
            f"{path} does not exist", hint="nothing was done; `file cleanup` removes missing files from the catalog"
        )
    if os.path.isdir(found) != directory:
        hint = "use `directory backup --dir-paths`" if not directory else "use `file backup`"
        raise UsageError(f"{path} is {'not a' if directory else 'a'} directory", hint=hint)
    return os.fsencode(found)


def _outermost(paths: Sequence[bytes]) -> list[bytes]:
    """The paths without those that are in another one."""
    kept: list[bytes] = []
    for path in sorted(set(paths)):
        if not any(path.startswith(root.rstrip(b"/") + b"/") for root in kept):
            kept.append(path)
    return kept


def _source(path: bytes, base: bytes, skip: Sequence[str]) -> Source:
    if path != base and not path.startswith(base + b"/"):
        raise ConfigError(
            f"{os.fsdecode(path)} is not below relative_path {os.fsdecode(base)}",
            hint="use files below it, or change general.relative_path",
        )
    key = path[len(base) + 1 :]
    if key and os.path.isdir(path):
        key += b"/"
    rules = (SkipLine(_anchored(rule, os.fsdecode(path)), 0, SkipOrigin.SOURCE) for rule in skip)
    # Nothing is removed by these commands, so an empty directory is harmless.
    return Source(path, key, tuple(rules), guards=Guards(min_files=0), allow_empty=True)


def _anchored(rule: str, path: str) -> str:
    """A rule with the directory's full path applies to what is below it."""
    root = path.rstrip("/") + "/"
    return "/" + rule.removeprefix(root) if rule.startswith(root) else rule


# -- cleanup


def cleanup_job(config: Config, cat: Catalog, job_id: int) -> tuple[Job, PlanOptions]:
    """The job whose sources are where its files came from; its plan contains only `remove` actions.

    These must exist: each directory that was backed up, and the folder of each file that was backed up alone.
    """
    job = bare_job(config)
    sources = tuple(
        Source(job.base + b"/" + key.rstrip(b"/"), key, guards=job.guards) for key in sorted(_places(cat, job_id))
    )
    options = PlanOptions(pruning="none", kinds=frozenset({ActionKind.REMOVE}), known_only=True)
    return replace(job, sources=sources), options


def _places(cat: Catalog, job_id: int) -> set[bytes]:
    """Keys of the outermost known folders, and of the folders of files that are in none of them."""
    found: set[bytes] = set()
    top: bytes | None = None
    for row in history.current(cat, job_id):
        if row.flags & Flag.OUTPUT or (top is not None and row.key.startswith(top)):
            continue
        if row.kind == Kind.DIRECTORY:
            top = row.key
            found.add(row.key)
        else:
            head, slash, _ = row.key.rpartition(b"/")
            found.add(head + slash)
    return found


def prune_job(config: Config) -> tuple[Job, PlanOptions]:
    """The job that keeps only the newest snapshot, and nothing that only an import or a rebuild kept."""
    job = bare_job(config)
    retention = Retention(keep_last=1, keep_imported=False, keep_rebuilt=False)
    # The command's purpose is to keep only one snapshot; its plan is shown first.
    guards = replace(job.prune_guards, max_forget_percent=100, max_free_percent=100)
    return replace(job, retention=retention, prune_guards=guards), PlanOptions(pruning="only")


# -- as a job file


def as_job_file(config: Config, wish: Wish, name: str) -> Iterator[str]:
    """The lines of a job file that does the same as the wish."""
    from json import dumps

    job, _ = backup_job(config, wish)
    yield "version: 1"
    yield f"name: {dumps(name)}"
    yield "sources:"
    for source in job.sources:
        yield f"  - path: {dumps(os.fsdecode(source.path), ensure_ascii=False)}"
        if source.skip:
            yield f"    skip: [{', '.join(dumps(line.text, ensure_ascii=False) for line in source.skip)}]"
    if job.base:
        yield f"relative_path: {dumps(os.fsdecode(job.base), ensure_ascii=False)}"
    yield f"overwrite: {job.overwrite.value}"
    if job.detect is not Detect.CTIME:
        yield f"detect: {job.detect.value}"
    yield "target:"
    yield from (f"  {line}" for line in _target_lines(job.target))
    yield f"encryption: {{key_file: {dumps(job.encryption.key_file, ensure_ascii=False)}}}"
    yield f"catalog: {dumps(job.catalog.path, ensure_ascii=False)}"
    if config.given("general.work_directory"):
        yield f"work_directory: {dumps(job.work_directory, ensure_ascii=False)}"
    if not wish.overwrite:
        yield "guards: {max_change_percent: 100}"


def _target_lines(target: TargetSpec) -> Iterator[str]:
    from json import dumps

    for key, value in target.block().items():
        if isinstance(value, dict):
            inner = ", ".join(f"{name}: {dumps(text, ensure_ascii=False)}" for name, text in value.items())
            yield f"{key}: {{{inner}}}"
        else:
            yield f"{key}: {dumps(value, ensure_ascii=False)}"


def override_job(job: Job, config: Config) -> Job:
    """A job from a file with the overrides of the command line. Raises ConfigError if they do not apply to it."""
    said = config.overrides()
    if path := said.get("general.database_file"):
        job = replace(job, catalog=replace(job.catalog, path=path))
    if path := said.get("general.crypto_key_file"):
        job = replace(job, encryption=EncryptionSpec(key_file=path))
    if path := said.get("general.work_directory"):
        job = replace(job, work_directory=path)
    if path := said.get("general.relative_path"):
        base = os.fsencode(path).rstrip(b"/")
        rules = {source.path: source for source in job.sources}
        sources = [replace(rules[path], key=_source(path, base, ()).key) for path in rules]
        job = replace(job, base=base, sources=tuple(sorted(sources, key=lambda source: source.key)))
    for kind in TARGET_SECTIONS:
        if changes := {name.removeprefix(f"{kind}."): said[name] for name in said if name.startswith(f"{kind}.")}:
            job = replace(job, target=override_target(job.target, config.value, changes, kind))
    return job
