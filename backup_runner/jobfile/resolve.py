"""Builds the `Job` that the rest of the program uses from a validated model and resolved paths."""

from __future__ import annotations

import os
from dataclasses import replace

from ..spec import (
    Bounds,
    CatalogSpec,
    EncryptionSpec,
    Guards,
    Hooks,
    Job,
    Notify,
    Output,
    PruneGuards,
    RecipientSpec,
    Retention,
    RunCommand,
    Schedule,
    SkipLine,
    SkipOrigin,
    Source,
)
from ..spec.prices import Prices
from ..spec.sources import USUAL_GUARDS
from ..spec.values import parse_duration, parse_size
from .aroundmodel import HooksModel, ScheduleModel, TimesModel
from .document import Document, Loc
from .model import (
    EncryptionModel,
    JobGuardsModel,
    JobModel,
    PassphraseModel,
    RetentionModel,
)
from .relations import is_directory
from .sourcemodel import GuardsModel, SourceModel

Paths = dict[Loc, str]
COMMAND_SECONDS = 21600
"""The time limit of a command whose output is a source."""


def build(file: str, model: JobModel, document: Document, paths: Paths) -> Job:
    """The resolved job. Everything was validated before."""
    base = os.fsencode(paths.get(("relative_path",), "/")).rstrip(b"/")
    assert model.encryption is not None
    remote = ("catalog", "cache") in paths
    catalog = paths["catalog", "cache"] if remote else paths["catalog",]
    sources = [_source(index, model, document, paths, base) for index in range(len(model.sources))]
    return Job(
        file=file,
        name=model.name,
        base=base,
        sources=tuple(sorted(sources, key=lambda source: source.key)),
        target=model.target.resolved({loc[1:]: text for loc, text in paths.items() if loc[0] == "target"}),
        encryption=_encryption(model.encryption, paths),
        catalog=CatalogSpec(path=catalog, remote=remote),
        work_directory=paths.get(("work_directory",), catalog + ".work"),
        skip=_skip(model, (), SkipOrigin.JOB, document, paths),
        overwrite=model.overwrite,
        detect=model.detect,
        symlinks=model.symlinks,
        retention=None if model.retention is None else _retention(model.retention),
        guards=replace(_guards(model.guards, Guards()), max_cost_per_month=model.guards.max_cost_per_month),
        prune_guards=_prune_guards(model.guards),
        reseal=model.reseal,
        hooks=None if model.hooks is None else _hooks(model.hooks),
        notify=tuple(
            Notify(item.style, item.url, item.url_env, tuple(item.commands or _APPLY)) for item in model.notify
        ),
        busy=tuple(model.busy or ()),
        tags=tuple(model.tags or ()),
        birth_times=model.birth_times,
        metrics_file=paths.get(("metrics", "textfile")),
        schedule=None if model.schedule is None else _schedule(model.schedule),
        prices=None if model.prices is None else Prices(**model.prices.model_dump(exclude_none=True)),
    )


_APPLY = (RunCommand.APPLY,)


def _hooks(model: HooksModel) -> Hooks:
    return Hooks(
        before=tuple(model.before or ()),
        after=tuple(model.after or ()),
        on_failure=tuple(model.on_failure or ()),
        time_limit=model.time_limit,
        commands=tuple(model.commands or _APPLY),
    )


def _schedule(model: ScheduleModel) -> Schedule:
    verify = None
    if model.verify is not None:
        verify = replace(_times(model.verify), level=model.verify.level, sample=model.verify.sample)
    return replace(_times(model), verify=verify, prune=None if model.prune is None else _times(model.prune))


def _times(model: TimesModel) -> Schedule:
    hour, minute = model.at.split(":")
    return Schedule(model.every, int(hour), int(minute), model.on, model.day, model.spread)


def _source(index: int, model: JobModel, document: Document, paths: Paths, base: bytes) -> Source:
    source = model.sources[index]
    loc: Loc = ("sources", index)
    text = paths[*loc, "path"]
    path = os.fsencode(text)
    key = path[len(base) + 1 :]
    if source.command is not None:
        guards = replace(_guards(model.guards, USUAL_GUARDS), min_files=0, require_mount=False)
        output = Output(tuple(source.command), source.time_limit or COMMAND_SECONDS)
        return Source(path=path, key=key, guards=guards, output=output)
    if key and is_directory(text):
        key += b"/"
    return Source(
        path=path,
        key=key,
        skip=_skip(source, loc, SkipOrigin.SOURCE, document, paths),
        guards=_guards(source.guards or GuardsModel(), _guards(model.guards, Guards())),
        allow_empty=model.allow_empty if source.allow_empty is None else source.allow_empty,
        bounds=_bounds(model, source, loc, document),
        ignore_case=(
            model.skip_case_insensitive if source.skip_case_insensitive is None else source.skip_case_insensitive
        ),
    )


def _skip(
    model: JobModel | SourceModel, loc: Loc, origin: SkipOrigin, document: Document, paths: Paths
) -> tuple[SkipLine, ...]:
    """The rules of files first, so that the job can take in again what they leave out."""
    found = []
    for index in range(len(model.skip_from or ())):
        place = (*loc, "skip_from", index)
        found += [SkipLine(text, line, origin, file=paths[place]) for line, text in document.skip_files[place]]
    for index, text in enumerate(model.skip or ()):
        found.append(SkipLine(text, *_place(document, (*loc, "skip", index), origin)))
    return tuple(found)


def _place(document: Document, loc: Loc, origin: SkipOrigin) -> tuple[int, SkipOrigin, str]:
    """With the file's name only if that is not the job file."""
    span = document.span(loc)
    return span.line, origin, span.file if span.file in document.folders else ""


def _bounds(model: JobModel, source: SourceModel, loc: Loc, document: Document) -> Bounds:
    """What the source says, else what the job says; markers of both."""
    lines: list[SkipLine] = []

    def use(key: str, value: object, owner: JobModel | SourceModel, index: int | None = None) -> None:
        place = (*(() if owner is model else loc), key, *(() if index is None else (index,)))
        origin = SkipOrigin.JOB if owner is model else SkipOrigin.SOURCE
        text = f"{key}: {'true' if value is True else value}"
        lines.append(SkipLine(text, *_place(document, place, origin), setting=key))

    chosen: dict[str, object] = {}
    for key in ("one_file_system", "skip_caches", "max_file_size"):
        owner = model if getattr(source, key) is None else source
        chosen[key] = getattr(owner, key)
        if chosen[key]:
            use(key, chosen[key], owner)
    for owner in (model, source):
        for index, name in enumerate(owner.skip_if_present or ()):
            use("skip_if_present", name, owner, index)
    size = chosen["max_file_size"]
    return Bounds(
        one_file_system=bool(chosen["one_file_system"]),
        markers=(*(model.skip_if_present or ()), *(source.skip_if_present or ())),
        caches=bool(chosen["skip_caches"]),
        max_file_size=parse_size(size) if isinstance(size, str) else None,
        lines=tuple(lines),
    )


def _guards(model: GuardsModel, below: Guards) -> Guards:
    """The model's values, falling back to `below`."""
    return Guards(
        min_files=below.min_files if model.min_files is None else model.min_files,
        max_change_percent=below.max_change_percent if model.max_change_percent is None else model.max_change_percent,
        max_delete_percent=below.max_delete_percent if model.max_delete_percent is None else model.max_delete_percent,
        require_mount=below.require_mount if model.require_mount is None else model.require_mount,
    )


def _prune_guards(model: JobGuardsModel) -> PruneGuards:
    given = model.model_dump(include={"max_forget_percent", "max_free_percent"}, exclude_none=True)
    return PruneGuards(**given, min_age=parse_duration(model.min_age) if model.min_age else 0)


def _retention(model: RetentionModel) -> Retention:
    return Retention(
        keep_last=model.keep_last,
        keep_hourly=model.keep_hourly,
        keep_daily=model.keep_daily,
        keep_weekly=model.keep_weekly,
        keep_monthly=model.keep_monthly,
        keep_yearly=model.keep_yearly,
        keep_within=parse_duration(model.keep_within) if model.keep_within else 0,
        keep_tags=tuple(model.keep_tags or ()),
        repack_dead_percent=model.repack_dead_percent,
        keep_rebuilt=model.keep_rebuilt,
    )


def _encryption(model: EncryptionModel, paths: Paths) -> EncryptionSpec:
    return EncryptionSpec(
        key_file=paths.get(("encryption", "key_file")),
        key_env=model.key_env,
        key_command=tuple(model.key_command or ()),
        passphrase_env=model.passphrase_env,
        recipients=tuple(
            _recipient(one, paths.get(("encryption", "recipients", index)))
            for index, one in enumerate(model.recipients)
        ),
    )


def _recipient(model: str | PassphraseModel, file: str | None) -> RecipientSpec:
    if isinstance(model, PassphraseModel):
        return RecipientSpec(passphrase_env=model.passphrase_env)
    return RecipientSpec(file=file) if file else RecipientSpec(text=model)
