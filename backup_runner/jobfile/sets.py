"""Warnings about jobs that are checked together: shared and nested resources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec import EncryptionSpec, Job
from ..spec.target import BucketShare
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
    sharing = [(member, share) for member in members if (share := member.job.target.share) is not None]
    for index, (member, share) in enumerate(sharing):
        others = [pair for pair in sharing if pair[0] is not member and share.same_bucket(pair[1])]
        if not share.prefix and (bare := next((one for one, other in others if not other.prefix), None)):
            _tell_shared(member, share, bare)
        elif found := next((one for one, other in others if other.prefix and _within(share, other)), None):
            _tell_prefix(member, share, found, "is inside that of")
        elif share.prefix and (found := next((one for one, other in others if not other.prefix), None)):
            _tell_prefix(member, share, found, "is inside the bucket used without a prefix by")
        elif share.prefix:
            before = [
                one for one, other in sharing[:index] if share.same_bucket(other) and other.prefix == share.prefix
            ]
            catalog = os.path.realpath(member.job.catalog.path)
            if found := next((one for one in before if os.path.realpath(one.job.catalog.path) != catalog), None):
                _tell_prefix(member, share, found, "is also used, with another catalog, by")


def _within(inner: BucketShare, outer: BucketShare) -> bool:
    return inner.prefix != outer.prefix and inner.prefix.startswith(outer.prefix)


def _tell_shared(member: Member, share: BucketShare, other: Member) -> None:
    message = f"the bucket {quoted(share.bucket)} is used without a prefix, also by {other.where()}"
    span = member.document.span(("target", "bucket"))
    hint = "e.g. `prefix: backup/`; jobs of one catalog use the same one"
    member.complaints.add(rules.SHARED_BUCKET, span, message, hint)


def _tell_prefix(member: Member, share: BucketShare, other: Member, how: str) -> None:
    message = f"the prefix {quoted(share.prefix)} {how} {other.where()}"
    span = member.document.span(("target", "prefix"))
    member.complaints.add(rules.PREFIXES, span, message, "give each catalog its own prefix, none inside another")


def _sources(members: Sequence[Member]) -> None:
    buckets = [(member, {path, os.path.realpath(path)}) for member in members for path in member.job.target.own_paths]
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
    bucket = owner.job.target.own_paths[0]
    message = f"the source {quoted(path)} contains the bucket directory {quoted(bucket)} of {owner.where()}"
    hint = "skip it there, or move the bucket"
    member.complaints.add(rules.BUCKET_IN_OTHERS, member.document.span(loc), message, hint)
