"""Answers the planner's questions from the catalog and the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from blake3 import blake3

from ..catalog import Catalog, history
from ..catalog.composed import composition
from ..contents.comparing import is_composed_of
from ..contents.cutting import Cutting
from ..errors import DamagedError
from ..foreign import describe
from ..policy import StoringPolicy
from ..reasons import Cause, Reason
from ..records import CatalogRow, Digests, Kind, Problem
from ..source.reading import kind_of, steady
from ..source.tree import Tree
from ..source.walk import ScanTotals
from ..spec import Job
from .past import Past

_CHUNK = 1 << 20


class PlanFacts:
    """Implements `paths.Facts`. `bad` are missing or damaged objects, by id."""

    def __init__(
        self,
        job: Job,
        past: Past,
        bad: dict[int, Reason],
        totals: ScanTotals,
        on_problem: Callable[[Problem], None],
        *,
        ignore_missing: bool,
    ) -> None:
        self._job = job
        self._tree = Tree((source.key, source.path) for source in job.sources if not source.output)
        self._past, self._cat, store = past, past.cat, past.store
        self._cutting = Cutting(store.seed, StoringPolicy()) if store else None
        self._totals = totals
        self._on_problem = on_problem
        self._ignore_missing = ignore_missing
        self._sizes: set[int] | None = None
        self._damage = _damaged_contents(past.cat, bad)
        # Contents imported from another tool may be known only by their MD5.
        self._md5_only = past.cat is not None and store is not None and history.has_md5_only(past.cat, store.id)
        self.imports = past.cat is not None and store is not None and history.has_imports(past.cat, store.id)
        """Whether any content is in another tool's format."""

    @property
    def _store_id(self) -> int:
        return self._past.store.id if self._past.store else 0

    def has_size(self, size: int) -> bool:
        if self._cat is None or not self._store_id:
            return False
        if self._sizes is None:
            self._sizes = history.sizes(self._cat, self._store_id)
        return size in self._sizes

    def digest(self, key: bytes, like: int | None = None) -> Digests | None:
        try:
            if like is not None and (digests := self._same_pieces(key, like)) is not None:
                return digests
            return hash_file(self._tree, key, self._cutting, with_md5=self._md5_only)
        except FileNotFoundError:
            self._on_problem(Problem(key, "vanished", "was deleted while it was being read"))
        except OSError as error:
            self._on_problem(Problem(key, "unreadable", describe(error)))
        return None

    def _same_pieces(self, key: bytes, content_id: int) -> Digests | None:
        """The digests of a content that is known by its pieces, if the file has them. Raises OSError."""
        assert self._cat is not None
        content = history.content(self._cat, content_id)
        if content.list is None or content.md5 is not None or content.size is None or content.blake3 is None:
            return None
        fd, status = self._tree.open(key)
        try:
            steady(fd, status)
            same = is_composed_of(fd, composition(self._cat, content_id, content.size))
        except DamagedError:
            return None
        finally:
            os.close(fd)
        return Digests(content.size, content.blake3, b"") if same else None

    def find(self, digests: Digests) -> int | None:
        return history.find_content(self._cat, self._store_id, digests) if self._cat else None

    def known(self, digests: Digests) -> int | None:
        """The content with these digests, whether it can be read from the bucket or not."""
        return history.known_content(self._cat, self._store_id, digests) if self._cat else None

    def same(self, content_id: int, digests: Digests) -> bool | None:
        assert self._cat is not None
        content = history.content(self._cat, content_id)
        if content.blake3 is None:
            return None if content.md5 == digests.md5 else False
        return (content.size, content.blake3) == (digests.size, digests.blake3)

    def imported(self, content_id: int) -> bool:
        if not self.imports:
            return False
        assert self._cat is not None
        return history.content(self._cat, content_id).format == "legacy"

    def leader_key(self, path_id: int) -> bytes:
        assert self._cat is not None
        return history.path_key(self._cat, path_id)

    def row(self, key: bytes) -> CatalogRow:
        assert self._cat is not None
        return history.current_row(self._cat, (self._past.job_id or 0), key)

    @property
    def damaged(self) -> bool:
        """Whether any content is missing from the bucket or damaged."""
        return bool(self._damage)

    def damage(self, content_id: int) -> Reason | None:
        return self._damage.get(content_id)

    def unlisted(self, key: bytes) -> bool:
        for root in self._totals.unlisted:
            if self._ignore_missing and root.rstrip(b"/") in self._totals.missing:
                continue
            if key == root or ((not root or root.endswith(b"/")) and key.startswith(root)):
                return True
        return False

    def gone_reason(self, key: bytes) -> Reason:
        if not any(source.covers(key) for source in self._job.sources):
            return Reason(Cause.NO_SOURCE)
        try:
            now = kind_of(self._tree.status(key).st_mode)
        except OSError:
            return Reason(Cause.GONE)
        if key.endswith(b"/") != (now == Kind.DIRECTORY):
            return Reason(Cause.NO_FOLDER if key.endswith(b"/") else Cause.FOLDER)
        return Reason(Cause.SKIPPED)


def _damaged_contents(cat: Catalog | None, bad: dict[int, Reason]) -> dict[int, Reason]:
    if cat is None:
        return {}
    return {content_id: bad[object_id] for content_id, object_id in history.contents_in(cat, bad)}


def hash_file(tree: Tree, key: bytes, cutting: Cutting | None = None, *, with_md5: bool) -> Digests:
    """Size and digests of a file as it is now; `md5` is b"" unless asked for. Raises OSError.

    `cutting` is for files with so many holes that they are not hashed: these are identified by their pieces."""
    fd, status = tree.open(key)
    try:
        # A later write must change the times, by which apply detects whether the file is still the one that was hashed.
        status, _ = steady(fd, status)
        if cutting is not None and (digests := cutting.known_by_pieces(fd, status)) is not None:
            return digests
        strong, weak = blake3(), hashlib.md5(usedforsecurity=False)
        size = 0
        while chunk := os.read(fd, _CHUNK):
            size += len(chunk)
            strong.update(chunk)
            if with_md5:
                weak.update(chunk)
    finally:
        os.close(fd)
    return Digests(size, strong.digest(), weak.digest() if with_md5 else b"")
