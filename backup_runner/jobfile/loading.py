"""Loads job files, alone or as a set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..spec import Job
from . import rules
from .checking import check
from .comments import apply_ignores, hide, ignored_in
from .defaults import fill_up, require
from .diagnostics import Complaints, Diagnostic, JobFileError, Span, Stop, printable, quoted
from .document import Document, Loc, make_document
from .extending import SharedFile, SharedFiles, only_shared
from .lint import lint as lint_job
from .lint import lint_secrets
from .nodes import Node
from .paths import Surroundings, expand_texts, resolve_all, resolve_outputs
from .relations import check_relations
from .resolve import build
from .rules import Severity
from .sets import Member, check_set
from .skipfiles import read_skip_files
from .yamltext import TOP, parse, read_text

_NO_DEFAULTS: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The jobs without errors, all diagnostics sorted by file and place, and the text of each file for excerpts."""

    jobs: list[Job]
    diagnostics: list[Diagnostic]
    sources: dict[str, str]


class _Named(NamedTuple):
    """What is compared across a set of jobs; also known for jobs with other errors."""

    name: str
    catalog: str
    span: Span


@dataclass(slots=True)
class _Draft:
    complaints: Complaints
    text: str = ""
    root: Node | None = None
    document: Document = field(default_factory=Document)
    places: dict[Loc, str] = field(default_factory=dict)
    job: Job | None = None
    named: _Named | None = None
    shared: list[SharedFile] = field(default_factory=list)
    """The files that it extends."""
    is_shared: bool = False
    """It is no job, but has settings for jobs."""


def load(
    paths: Sequence[str],
    *,
    env: Mapping[str, str],
    home: str | None = None,
    defaults: Mapping[str, object] = _NO_DEFAULTS,
    lint: bool = False,
    confined: bool = False,
) -> LoadResult:
    """Read and check job files together; a file given twice is read once. With `lint`, also report warnings.
    With `confined`, symlinks to files elsewhere are refused.

    `home` defaults to HOME in `env`. `defaults` are the config file's settings in a job's shape. Relative
    paths in them start at each job's folder, so pass absolute ones. Raises nothing: errors are
    in the result.
    """
    drafts: dict[str, _Draft] = {}
    shared = SharedFiles(confined=confined)
    for path in paths:
        identity = os.path.abspath(path)
        if identity not in drafts:
            around = Surroundings(os.path.dirname(identity), env, env.get("HOME") if home is None else home)
            drafts[identity] = _load_file(path, around, defaults, shared)
    if not lint:
        _refuse_shared(drafts)
    _check_names(list(drafts.values()))
    if lint:
        _lint(list(drafts.values()))
    return LoadResult(
        jobs=[draft.job for draft in drafts.values() if draft.job is not None and not draft.complaints.failed],
        diagnostics=_once_each(drafts.values()),
        sources={
            **{one.label: one.text for draft in drafts.values() for one in draft.shared},
            **{draft.complaints.file: draft.text for draft in drafts.values()},
        },
    )


def load_one(
    path: str,
    *,
    env: Mapping[str, str],
    home: str | None = None,
    defaults: Mapping[str, object] = _NO_DEFAULTS,
) -> Job:
    """Load one job. Raises JobFileError with all errors."""
    result = load([path], env=env, home=home, defaults=defaults)
    if any(item.severity is Severity.ERROR for item in result.diagnostics):
        raise JobFileError(result.diagnostics, result.sources)
    return result.jobs[0]


def _load_file(path: str, around: Surroundings, defaults: Mapping[str, object], shared: SharedFiles) -> _Draft:
    draft = _Draft(Complaints(printable(path)))
    try:
        draft.text = read_text(path, draft.complaints, confined=shared.confined)
        draft.root = parse(draft.text, draft.complaints)
        draft.document = document = make_document(draft.root, draft.complaints)
    except Stop:
        return draft
    draft.shared = shared.extend(document, path, draft.complaints)
    draft.is_shared = only_shared(document)
    if draft.is_shared or any(one.code == rules.EXTENDS for one in draft.complaints.items):
        check(document, draft.complaints, partial=True)
        return draft
    fill_up(document, defaults)
    expand_texts(document, around.env, draft.complaints)
    model = check(document, draft.complaints)
    require(document, draft.complaints)
    places = draft.places = resolve_all(document, around, draft.complaints)
    resolve_outputs(document, around, places, draft.complaints)
    read_skip_files(document, places, draft.complaints)
    check_relations(document, places, draft.complaints)
    draft.named = _named(document, places)
    if model is not None and not draft.complaints.failed:
        draft.job = build(path, model, document, places)
    return draft


def _once_each(drafts: Iterable[_Draft]) -> list[Diagnostic]:
    """What is wrong in a shared file would else be listed for each of its jobs."""
    found: dict[Diagnostic, Diagnostic] = {}
    for draft in drafts:
        for item in draft.complaints.in_order():
            found.setdefault(replace(item, file=os.path.normpath(item.file)), item)
    return list(found.values())


def _refuse_shared(drafts: Mapping[str, _Draft]) -> None:
    """Shared files may be among the files of a run, as in `apply jobs/*.yaml`, but are no job by themselves."""
    used = {one.path for draft in drafts.values() for one in draft.shared}
    for identity, draft in drafts.items():
        if draft.is_shared and identity not in used:
            message = 'there is neither "name" nor "sources": this file has settings for jobs that extend it'
            draft.complaints.add(rules.MISSING_KEY, TOP, message, "give the files of the jobs")


def _lint(drafts: list[_Draft]) -> None:
    """Warnings about each job, then about the set, then apply the ignore comments."""
    members = []
    for draft in drafts:
        lint_secrets(draft.document, draft.complaints)
        if draft.job is not None and not draft.complaints.failed:
            lint_job(draft.document, draft.places, draft.job, draft.complaints)
            members.append(Member(draft.job, draft.document, draft.places, draft.complaints))
    check_set(members)
    for draft in drafts:
        if draft.root is not None:
            for one in draft.shared:
                if one.root is not None:
                    hide(one.label, ignored_in(one.text, one.root), draft.complaints)
            apply_ignores(draft.text, draft.root, draft.complaints)


def _named(document: Document, places: dict[Loc, str]) -> _Named | None:
    name = document.data.get("name")
    catalog = places.get(("catalog",)) or places.get(("catalog", "cache"))
    if not isinstance(name, str) or catalog is None:
        return None
    return _Named(name, os.path.realpath(catalog), document.span(("name",)))


def _check_names(drafts: list[_Draft]) -> None:
    seen: dict[tuple[str, str], _Draft] = {}
    for draft in drafts:
        if draft.named is None:
            continue
        first = seen.setdefault((draft.named.name, draft.named.catalog), draft)
        if first is not draft:
            assert first.named is not None
            where = f"{first.named.span.file or first.complaints.file}:{first.named.span.line}"
            message = f"the name {quoted(draft.named.name)} is already used in this catalog, by {where}"
            draft.complaints.add(rules.SAME_NAME, draft.named.span, message, "rename one of the two jobs")
