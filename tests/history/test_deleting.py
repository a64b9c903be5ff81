"""Deletions that stop half-way, for whatever reason: nothing that is about to go is ever referred to again."""

from __future__ import annotations

import os
from typing import Any

import pytest

from backup_runner.errors import AccessDenied
from backup_runner.spec import Retention
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.verifying.run import Level
from tests.history.site import Crash, Site
from tests.restoring.build import tree
from tests.support.jobs import CUT


class Stubborn(DirectoryTarget):
    """Forbids the first delete of data, and dies right after the second."""

    deletes = 0

    def delete(self, name: str) -> None:
        if "/data/" not in name:
            super().delete(name)
            return
        self.deletes += 1
        if self.deletes == 1:
            raise AccessDenied("a retention rule of the bucket protects this object")
        super().delete(name)
        raise Crash


def test_a_content_of_which_one_object_stays_is_not_used_again(site: Site) -> None:
    """The bucket keeps one object of a large file back, the other one is deleted, and then the process dies."""
    site.policy = CUT
    data = os.urandom(5000)
    site.write("large", data)
    site.write("other", b"other")
    site.apply()
    os.unlink(f"{site.data}/large")
    site.apply()
    site.retention = Retention(keep_last=1)
    site.target = Stubborn(site.bucket)
    with pytest.raises(Crash):
        site.prune()
    site.target = None
    site.write("back", data)
    site.apply()
    _restores(site)
    site.prune()
    _restores(site)


def _restores(site: Site) -> None:
    goal = f"{site.root}/out-{len(os.listdir(site.root))}"
    outcome: Any = site.restore(goal)
    assert outcome.problems == []
    assert tree(os.fsencode(goal)) == tree(os.fsencode(site.data))


@pytest.mark.parametrize("level", list(Level))
def test_what_was_deleted_after_the_last_record_is_no_alarm_elsewhere(site: Site, level: Level) -> None:
    """A pulled catalog still has the objects that a prune marked in its record, and deleted after it."""
    site.write("old", b"old" * 500)
    site.apply()
    os.unlink(f"{site.data}/old")
    site.write("new", b"new" * 500)
    site.apply()
    site.retention = Retention(keep_last=1)
    site.prune()
    assert len(site.names()) == 1
    site.lose_catalog()
    site.pull()
    found = site.verify(level=level)
    assert (found.damaged, found.files, found.notes) == ([], [], [])
    assert found.objects == 1


def test_an_object_that_is_needed_and_gone_is_an_alarm_all_the_same(site: Site) -> None:
    site.write("file", b"file" * 500)
    site.apply()
    (name,) = site.names()
    os.unlink(f"{site.bucket}/{name}")
    found = site.verify(level=Level.LISTING)
    assert [one for one, _ in found.damaged] == [name]
    assert [problem.key for problem in found.files] == [b"file"]
