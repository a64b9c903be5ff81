"""What `forget --path` deletes: paths with all their versions, out of all snapshots, and what they alone needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..catalog import Catalog, erasing
from ..errors import BackupRunnerError, UsageError
from ..patterns.paths import PathPattern, path_pattern
from ..reasons import Cause, Reason
from ..records import Action, ActionKind, Kind
from ..repository.own import own_files
from ..repository.session import Session
from .explain import judge

_LOOKED_AT = 1000
"""At most this many files are looked for on the disk."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Erasing:
    """Paths that somebody named, in the grammar of patterns/paths; relative ones may start at the folder `here`."""

    session: Session
    cat: Catalog
    job_id: int
    wanted: Sequence[bytes]
    here: bytes | None

    def actions(self, notes: list[str]) -> Iterator[Action]:
        """One action a path, by path. Raises BackupRunnerError for what matches nothing in any snapshot."""
        if self.session.is_blind:
            raise UsageError(
                "this host only encrypts, so it cannot rewrite the packs that the files are in",
                hint="leave them out with `skip`; their bytes are deleted once no snapshot needs their packs. To be "
                "rid of them now, start over with --new-lineage and delete the old lineage's objects",
            )
        base = self.session.job.base
        for text in self.wanted:
            pattern = path_pattern(text, base, self.here)
            if not erasing.note_matching(self.cat, self.job_id, self._matcher(pattern)):
                raise BackupRunnerError(
                    f"no snapshot has {os.fsdecode(text)!r}",
                    hint="`backup-runner find JOB NAME` searches all snapshots; nothing was changed",
                )
        dates = {one.id: one.date_text for one in self.cat.snapshots(self.job_id)}
        still: list[bytes] = []
        looked = 0
        own = [os.path.realpath(path) for path in own_files(self.session.job)]
        for one in erasing.noted(self.cat):
            reason = Reason(Cause.CHOSEN_PATH, details=(one.versions, dates.get(one.first, f"number {one.first}")))
            yield Action(ActionKind.ERASE, reason, one.key, one.kind, one.size, one.mtime_ns)
            if one.kind != Kind.DIRECTORY and looked < _LOOKED_AT:
                looked += 1
                if judge(self.session.job, one.key, own).state == "taken":
                    still.append(one.key)
        self._note(notes, still)

    def _matcher(self, pattern: PathPattern) -> Callable[[bytes], bool]:
        """Whether a key is what the pattern names, or in it: one path if there is such a path, not all it may mean."""

        def exists(key: bytes) -> bool:
            return not key or erasing.has_path(self.cat, self.job_id, key)

        key = pattern.key(exists)
        if not pattern.is_wild or exists(key):
            folder = key + b"/" if key else b""
            return lambda one: one == key or one.startswith(folder)
        return pattern.covers

    def _note(self, notes: list[str], still: list[bytes]) -> None:
        if still:
            notes.append(
                f"still in a source, so the next apply stores them again unless a line of `skip` leaves them out or "
                f"they are deleted: {_listed(still)}"
            )
        if same := erasing.kept_elsewhere(self.cat, _NAMED + 1):
            notes.append(f"other paths have the same content, which stays: {_listed(same)}")
        notes.append(
            "their bytes leave the bucket with this run, as objects are deleted and rewritten; names, sizes and dates "
            "stay in older records and copies of the catalog, encrypted, until newer copies replace those. What keeps "
            "versions of deleted objects (versioning, a retention rule, a replica) keeps the bytes"
        )


def _listed(keys: Sequence[bytes]) -> str:
    names = ", ".join(key.decode("utf-8", "backslashreplace") for key in keys[:_NAMED])
    return names + (f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else "")
