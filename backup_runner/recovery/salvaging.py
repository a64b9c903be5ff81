"""What records do not contain: objects that are in none of them, and which objects are missing."""

from __future__ import annotations

from functools import partial

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..contents.again import twice
from ..errors import ContainerError, TargetError
from ..progress import Events
from ..repository.adopting import examine
from ..repository.session import Session
from .indexes import Made
from .outcome import Recovered


def take_unknown_objects(session: Session, cat: Catalog, store: Store, events: Events, result: Recovered) -> None:
    """Add objects that are in no record to the catalog: each content with the path that it had when it was stored."""
    known = {row.name for row in history.objects(cat, store.id)}
    own = f"{result.lineage}/data/"
    # There may be a million, so only the time and the end of the name of each is kept.
    listed = (item for item in session.target.list(own) if item.name not in known)
    unknown = sorted((item.created, item.name.removeprefix(own)) for item in listed)
    if not unknown:
        return
    events.phase("reading the objects' own indexes", files=len(unknown))
    made = Made(cat, store)
    for _, last in unknown:
        name = own + last
        try:
            new, index = twice(partial(examine, session.target, session.identity, name))
        except (ContainerError, TargetError) as error:
            result.missing.append(f"object {name}: {error.message}")
            continue
        made.add(new, index)
        result.objects += 1
        events.advance(1, new.size)
    made.write(session.job.name)
    result.missing += made.missing
    result.missing.append(
        "what only the records contained: which snapshot had which files, removed and renamed paths, other names "
        "of equal files, folders, symlinks, hard links, owners and xattrs"
    )


def name_missing_objects(session: Session, cat: Catalog, store: Store, result: Recovered) -> None:
    """Report objects of the catalog that the bucket does not have."""
    own = f"{result.lineage}/data/"
    listed = {item.name for item in session.target.list(own)}
    for row in history.objects(cat, store.id):
        # Marked ones were about to be deleted when the record was written.
        if row.name.startswith(own) and row.name not in listed and row.state != "marked":
            result.missing.append(f"object {row.name} is not in the bucket; the next plan lists the files that need it")
