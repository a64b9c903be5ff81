"""Carries out a plan's path actions: those without data at once, files through the lane, hard links to them last."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ..catalog import history
from ..catalog.recording import Meta
from ..errors import Interrupted, OddFileError
from ..foreign import describe
from ..reasons import Cause
from ..records import Action, ActionKind, Digests, Flag, Kind
from ..source.reading import attributes, kind_of, opened_folder
from ..source.times import kept_times
from ..source.tree import Tree
from .lane import Lane
from .versions import Versions


class PathApplier:
    """Carries out one action after the other. `stop` returns whether the run was interrupted."""

    def __init__(self, tree: Tree, versions: Versions, lane: Lane, stop: Callable[[], bool]) -> None:
        self._tree = tree
        self._versions = versions
        self._recorder = versions.recorder
        self._cat = versions.recorder.cat
        self._lane = lane
        self._stop = stop
        self._followers: list[Action] = []

    # -- from outside

    def handle(self, action: Action) -> None:
        """Carry out one action, or queue it. Raises Interrupted if `stop` says so."""
        self._try(self._dispatch, action)

    def finish(self) -> None:
        """Complete what was queued: files at workers, then hard links to them."""
        self._lane.finish()
        self._versions.flush()
        followers, self._followers = self._followers, []
        for action in followers:
            self._try(self._follow, action)
        self._lane.finish()
        self._versions.flush()

    def wind_up(self) -> None:
        """After an interrupt: what the workers have read is stored and recorded, nothing new is begun."""
        self._followers.clear()
        self._lane.wind_up()
        self._versions.flush()

    def close(self) -> None:
        self._versions.batch.rollback()
        self._lane.close()

    def _try(self, act: Callable[[Action], None], action: Action) -> None:
        if self._stop():
            raise Interrupted("interrupted; completed work is recorded")
        self._versions.batch.step()
        try:
            act(action)
        except OSError as error:
            self._versions.fail(action, error.errno or 0, describe(error))

    # -- what kind of work an action is

    def _dispatch(self, action: Action) -> None:
        if action.kind is ActionKind.REMOVE:
            self._remove(action)
        elif action.kind is ActionKind.HOLD:
            self._versions.hold(action)
        elif action.entry_kind == Kind.DIRECTORY:
            self._directory(action)
        elif action.entry_kind == Kind.SYMLINK:
            self._symlink(action)
        elif action.leader is not None and action.leader != action.key and action.kind is ActionKind.LINK:
            self._followers.append(action)
        elif action.kind in (ActionKind.TOUCH, ActionKind.LINK):
            self._refer(action)
        else:
            self._lane.add(action)

    def _remove(self, action: Action) -> None:
        if action.reason.cause is Cause.GONE:
            try:
                status = self._tree.status(action.key)
            except OSError:
                pass
            else:
                # It exists again since the plan was made: it is backed up as it is now.
                if kind_of(status.st_mode) == action.entry_kind:
                    if action.entry_kind != Kind.FILE:
                        self._versions.changed_since_plan(action)
                    action.kind = ActionKind.UPDATE
                    self._versions.unforeseen(action)
                    self._dispatch(action)
                    return
        self._versions.remove(action)

    def _directory(self, action: Action) -> None:
        try:
            found = opened_folder(self._tree, action.key)
        except OSError:
            # It may be a folder that this user must not list.
            status = self._tree.status(action.key)
            if kind_of(status.st_mode) != Kind.DIRECTORY:
                raise OddFileError(errno.ENOTDIR, "is no longer a directory") from None
            meta = self._meta(action.key, Kind.DIRECTORY, status, size=0)
        else:
            meta = self._noted(action.key, Kind.DIRECTORY, *found, size=0)
        self._versions.put(action, meta, None)

    def _symlink(self, action: Action) -> None:
        status = self._tree.status(action.key)
        link = self._tree.link(action.key)
        meta = self._meta(action.key, Kind.SYMLINK, status, size=0)
        self._versions.put(action, meta._replace(link=link), None)

    def _refer(self, action: Action) -> None:
        """The content is stored; if the file is unchanged since the plan, only its metadata is written."""
        status = self._tree.status(action.key)
        seen = (status.st_size, *kept_times(status))
        known = action.content_id is not None and history.usable(self._cat, action.content_id, status.st_size)
        if seen != (action.size, action.mtime_ns, action.ctime_ns) or not known:
            action.forced = False
            self._versions.unforeseen(action)
            self._lane.add(action)
            return
        assert action.content_id is not None
        if action.blake3 is not None:
            digests = Digests(action.size, action.blake3, b"")
            history.learn_digest(self._cat, self._recorder.store_id, action.content_id, digests)
        meta = self._meta(action.key, Kind.FILE, status, size=status.st_size)
        self._versions.put(action, meta, action.content_id, leader=action.leader)

    def _follow(self, action: Action) -> None:
        """Another hard link: it shares the version of the first one, if they are still one file."""
        assert action.leader is not None
        status = self._tree.status(action.key)
        first = history.open_version(self._cat, self._recorder.job_id, action.leader)
        same = False
        if first is not None and first.content_id is not None and not first.flags & Flag.STALE:
            leader = self._tree.status(action.leader)
            same = (leader.st_dev, leader.st_ino) == (status.st_dev, status.st_ino)
            same = same and (first.size, first.mtime_ns) == (status.st_size, kept_times(status)[0])
        if not same or first is None:
            action.leader = None
            self._versions.unforeseen(action)
            self._lane.add(action)
            return
        meta = self._meta(action.key, Kind.FILE, status, size=status.st_size)
        # A file that changed while it was read, or since, is checked again under all its names: a change that left size
        # and mtime as they were shows in the ctime alone, so this name has that of what was read.
        meta = meta._replace(ctime_ns=first.ctime_ns, flags=meta.flags | first.flags & Flag.MOVED)
        self._versions.put(action, meta, first.content_id, leader=action.leader)

    def _meta(self, key: bytes, kind: Kind, status: os.stat_result, *, size: int) -> Meta:
        return self._noted(key, kind, status, *attributes(self._tree, key, kind), size=size)

    def _noted(
        self, key: bytes, kind: Kind, status: os.stat_result, flags: int, xattrs: bytes | None, *, size: int
    ) -> Meta:
        sparse = kind == Kind.FILE and status.st_blocks * 512 < status.st_size
        self._versions.note_attributes(key, flags)
        return Meta(
            kind, size, *kept_times(status), status.st_mode & 0o7777, status.st_uid, status.st_gid,
            flags | (Flag.SPARSE if sparse else 0), None, xattrs,
        )  # fmt: skip
