"""Warnings about jobs that are checked together: shared and nested resources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec import DirectoryTargetSpec, EncryptionSpec, Job, OciTargetSpec
from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .paths import source_paths
from .relations import holds
from .skiplint import is_skipped


@dataclass(frozen=True, slots=True)
class Member:
    """A job without errors, and the collector for its warnings."""

    job: Job
    document: Document
    paths: dict[Loc, str]
    complaints: Complaints

    def where(self) -> str:
        return f"{quoted(self.job.name)} ({self.complaints.file}:{self.document.span(('name',)).line})"


def check_set(members: Sequence[Member]) -> None:
    """Report conflicts with other jobs, each in its own file."""
    _catalogs(members)
    _buckets(members)
    _sources(members)


def _catalogs(members: Sequence[Member]) -> None:
    first: dict[str, tuple[Member, object]] = {}
    for member in members:
        key = _key(member.job.encryption)
        other, known = first.setdefault(os.path.realpath(member.job.catalog.path), (member, key))
        if known != key:
            message = f"shares its catalog with {other.where()}, but uses another key"
            hint = "use the same key setting in both, or give each its own catalog"
            member.complaints.add(rules.CATALOG_KEYS, member.document.span(("encryption",)), message, hint)


def _key(encryption: EncryptionSpec) -> object:
    path = encryption.key_file
    return (path and os.path.realpath(path), encryption.key_env, encryption.key_command, encryption.is_blind)


def _buckets(members: Sequence[Member]) -> None:
    """Report each job's first conflict; of nested prefixes, report the inner one."""
    by_bucket: dict[str, list[tuple[Member, OciTargetSpec]]] = {}
    for member in members:
        if isinstance(member.job.target, OciTargetSpec):
            by_bucket.setdefault(member.job.target.bucket, []).append((member, member.job.target))
    for group in by_bucket.values():
        for index, (member, target) in enumerate(group):
            others = [pair for pair in group if pair[0] is not member and _same_bucket(target, pair[1])]
            if not target.prefix and (bare := next((one for one, spec in others if not spec.prefix), None)):
                _tell_shared(member, target, bare)
            elif found := next((one for one, spec in others if spec.prefix and _within(target, spec)), None):
                _tell_prefix(member, target, found, "is inside that of")
            elif target.prefix and (found := next((one for one, spec in others if not spec.prefix), None)):
                _tell_prefix(member, target, found, "is inside the bucket used without a prefix by")
            elif target.prefix:
                before = [
                    one for one, spec in group[:index] if _same_bucket(target, spec) and spec.prefix == target.prefix
                ]
                catalog = os.path.realpath(member.job.catalog.path)
                if found := next((one for one in before if os.path.realpath(one.job.catalog.path) != catalog), None):
                    _tell_prefix(member, target, found, "is also used, with another catalog, by")


def _same_bucket(one: OciTargetSpec, other: OciTargetSpec) -> bool:
    """A setting missing on one side may have the same value as on the other."""
    pairs = ((one.namespace, other.namespace), (one.region, other.region))
    return one.endpoint == other.endpoint and all(a is None or b is None or a == b for a, b in pairs)


def _within(inner: OciTargetSpec, outer: OciTargetSpec) -> bool:
    return inner.prefix != outer.prefix and inner.prefix.startswith(outer.prefix)


def _tell_shared(member: Member, target: OciTargetSpec, other: Member) -> None:
    message = f"the bucket {quoted(target.bucket)} is used without a prefix, also by {other.where()}"
    span = member.document.span(("target", "bucket"))
    hint = "e.g. `prefix: backup/`; jobs of one catalog use the same one"
    member.complaints.add(rules.SHARED_BUCKET, span, message, hint)


def _tell_prefix(member: Member, target: OciTargetSpec, other: Member, how: str) -> None:
    message = f"the prefix {quoted(target.prefix)} {how} {other.where()}"
    span = member.document.span(("target", "prefix"))
    member.complaints.add(rules.PREFIXES, span, message, "give each catalog its own prefix, none inside another")


def _sources(members: Sequence[Member]) -> None:
    buckets = [
        (member, {member.job.target.path, os.path.realpath(member.job.target.path)})
        for member in members
        if isinstance(member.job.target, DirectoryTargetSpec)
    ]
    for member in members:
        own = next((views for owner, views in buckets if owner is member), set[str]())
        for loc, path in source_paths(member.paths).items():
            roots = {path, os.path.realpath(path)}
            for owner, views in buckets:
                if owner is member or views & own:
                    continue
                if any(_takes(member, loc, root, view) for root in roots for view in views):
                    _tell_bucket(member, loc, path, owner)
                    break


def _takes(member: Member, loc: Loc, root: str, bucket: str) -> bool:
    return holds(root, bucket) and not is_skipped(member.document, loc[:2], root, bucket, is_dir=True)


def _tell_bucket(member: Member, loc: Loc, path: str, owner: Member) -> None:
    assert isinstance(owner.job.target, DirectoryTargetSpec)
    bucket = owner.job.target.path
    message = f"the source {quoted(path)} contains the bucket directory {quoted(bucket)} of {owner.where()}"
    hint = "skip it there, or move the bucket"
    member.complaints.add(rules.BUCKET_IN_OTHERS, member.document.span(loc), message, hint)
