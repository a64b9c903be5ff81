"""What the catalog contains of a job: nothing before its first apply."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from ..catalog import Catalog, history
from ..catalog.database import Snapshot, Store
from ..repository.session import Session


@dataclass(frozen=True, slots=True)
class Past:
    """Catalog, store and id of a job; None for what does not exist yet."""

    cat: Catalog | None = None
    store: Store | None = None
    job_id: int | None = None

    @classmethod
    def of(cls, session: Session) -> Past:
        """Raises CatalogError, KeyFileError."""
        cat, store = session.catalog(), session.store()
        return cls(cat, store, cat.job_id(store.id, session.job.name) if cat and store else None)

    @property
    def snapshots(self) -> list[Snapshot]:
        """Oldest first."""
        return self.cat.snapshots(self.job_id) if self.cat and self.job_id is not None else []

    @property
    def files(self) -> int:
        """The number of files in the last complete snapshot."""
        last = self.cat.last_complete(self.job_id) if self.cat and self.job_id is not None else None
        return int(orjson.loads(last.totals).get("files", 0)) if last else 0

    def count_files(self, key: bytes, *, outputs: bool = True) -> int:
        """The number of files below a key; without `outputs`, of those that were on disk."""
        if self.cat is None or self.job_id is None:
            return 0
        return history.count_files(self.cat, self.job_id, key, outputs=outputs)
