"""The part of the model in which files come and go between plan and apply, with guards that weigh what went."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from backup_runner.applying.run import apply_plan
from backup_runner.errors import GuardError
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.guards import SMALLEST
from backup_runner.planning.making import make_plan
from backup_runner.progress import Silent
from backup_runner.spec import Guards
from backup_runner.workers.interrupt import Interrupt
from tests.history.model_clock import Clock
from tests.history.site import NO_GUARDS, Site
from tests.restoring.build import tree

if TYPE_CHECKING:
    from collections import Counter

    from backup_runner.planning.file import Header
    from backup_runner.progress import Outcome

Tree = dict[bytes, tuple[Any, ...]]
PERCENT = 20
WHAT = st.sampled_from(["new", "new among known", "known", "known, overridden"])
"""Which files vanish."""


class Passing:
    """Rules; to be mixed into a machine with what is declared here."""

    site: Site
    clock: Clock
    trees: dict[int, Tree]
    certain: bool
    tally: Counter[str]

    @rule(number=st.integers(1, 40), what=WHAT)
    def apply_while_files_come_and_go(self, number: int, what: str) -> None:
        if what.startswith("new"):
            self._new_files_vanish(number, among_known=what == "new among known")
        else:
            self._known_files_vanish(min(number, SMALLEST), overridden=what == "known, overridden")
        self.tally[f"applies while files vanish ({what})"] += 1

    def _new_files_vanish(self, number: int, *, among_known: bool) -> None:
        """Files that were never stored, and that vanish between plan and apply, are named and no accident."""
        os.makedirs(self.path("passing"), exist_ok=True)
        if among_known:
            # With so many known files, the guard on deletions is weighed at all.
            self._write_steady("")
            self.apply()
        names = [f"passing/{passing}" for passing in range(number)]
        for name in names:
            self.site.write(name, b"some bytes of " + os.fsencode(name))
        with self._guarded():
            self._apply_without(names, may_be_stopped=False)

    def _known_files_vanish(self, number: int, *, overridden: bool) -> None:
        """Files that were stored, and vanish between plan and apply: too many stop it, unless that is overridden."""
        newest = self.trees[max(self.trees)] if self.trees else {}
        if not all(b"steady/%d" % one in newest for one in range(SMALLEST)):
            self._write_steady("")
            self.apply()
        # An apply looks only at what had changed when it was planned: the files and, for its time, their folder.
        self._write_steady(f"after snapshot {max(self.trees)}: ")
        os.utime(self.path("steady"))
        with self._guarded():
            self._apply_without(
                [f"steady/{one}" for one in range(number)],
                may_be_stopped=not overridden,
                overrides=frozenset({"max_delete_percent"} if overridden else ()),
            )
        # The next plan's guards are not what this is about.
        self._write_steady("at last ")

    def _apply_without(
        self, names: list[str], *, may_be_stopped: bool, overrides: frozenset[str] = frozenset()
    ) -> None:
        """Plan, take these files away, and apply: each is named, and what was stored of it stays."""
        self.give_sources()
        options = ApplyOptions(workers=1, overrides=overrides)
        with closing(self.site.session()) as session, closing(make_plan(session, PlanOptions(), Silent())) as plan:
            for name in names:
                os.unlink(self.path(name))
            now, before, began_ns = tree(os.fsencode(self.site.data)), dict(self.trees), self.clock.time_ns()
            stored = before[max(before)] if before else {}
            kept = {key: stored[key] for key in map(os.fsencode, names) if key in stored}
            if may_be_stopped and 100 * len(kept) > PERCENT * plan.header.totals.known:
                with pytest.raises(GuardError, match="vanished since the plan was made"):
                    apply_plan(session, plan, options, Silent(), Interrupt())
                self.certain = False
            else:
                outcome = apply_plan(session, plan, options, Silent(), Interrupt())
                assert len([problem for problem in outcome.problems if problem.kind == "vanished"]) == len(names)
                self.certain = True
                self.finished(plan.header, outcome, now, "retention")
        self.sync(now | kept, before)
        self.note_dates(began_ns, before)
        self.check_retention(before, "retention")
        self.restore_all()

    def _write_steady(self, word: str) -> None:
        for steady in range(SMALLEST):
            self.site.write(f"steady/{steady}", f"{word}{steady}".encode())

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        self.site.guards = Guards(min_files=0, max_change_percent=100, max_delete_percent=PERCENT)
        try:
            yield
        finally:
            self.site.guards = NO_GUARDS

    # -- what the machine has

    def path(self, name: str) -> str:
        raise NotImplementedError

    def give_sources(self) -> None:
        raise NotImplementedError

    def apply(self) -> None:
        raise NotImplementedError

    def finished(self, header: Header, outcome: Outcome, now: Tree, pruning: str) -> None:
        raise NotImplementedError

    def sync(self, now: Tree, before: dict[int, Tree]) -> None:
        raise NotImplementedError

    def note_dates(self, began_ns: int, before: dict[int, Tree]) -> None:
        raise NotImplementedError

    def check_retention(self, before: dict[int, Tree], pruning: str) -> None:
        raise NotImplementedError

    def restore_all(self) -> None:
        raise NotImplementedError
