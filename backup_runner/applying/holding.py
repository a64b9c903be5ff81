"""Adds and removes recipients from the job file: the first step of an apply, so that all it writes is encrypted to
them."""

from __future__ import annotations

from itertools import takewhile

from ..errors import StalePlanError
from ..planning.holders import change_of, unplanned
from ..planning.making import SpooledPlan
from ..progress import Outcome
from ..records import ActionKind
from ..repository.declared import concerns
from ..repository.recipients import carry_out, mark_of
from ..repository.session import Session
from .checking import Ground


def change_holders(session: Session, plan: SpooledPlan, ground: Ground, outcome: Outcome) -> None:
    """Make the changes of recipients in the plan. Raises StalePlanError, before anything is changed, if the job now
    requires others: another key in one of its files, another recipient in the bucket."""
    planned = list(takewhile(lambda action: action.kind is ActionKind.KEY, plan.actions()))
    store = ground.store
    keys = session.keys(store)
    found = session.know(store.lineage)
    if found is None or found.roster is None or not concerns(session.job, found.roster):
        return
    change = change_of(session, found, store.serial)
    if not change:
        # The first envelope of a lineage has them from the start.
        outcome.counts |= {"key": len(planned)} if planned else {}
        return
    if not planned:
        # The plan's notes say why nothing is done: this key may not change recipients.
        return
    if names := unplanned(found, change, planned):
        raise StalePlanError(f"the recipients changed since the plan was made: {', '.join(names)}", hint="plan again")
    new = carry_out(session.target, found, keys.identity, change, mark_of(store))
    session.use_chain(new)
    session.keep(store, new)
    # Removed recipients must not be able to decrypt later leases.
    ground.lease.use(session.keys(store))
    outcome.counts["key"] = len(change.adds) + len(change.removes)
