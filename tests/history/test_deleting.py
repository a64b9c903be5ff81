"""Deletions that stop half-way, for whatever reason: nothing that is about to go is ever referred to again."""

from __future__ import annotations

import os
from typing import Any

import pytest

from backup_runner import large, pathapplier, worker
from backup_runner.errors import AccessDenied
from backup_runner.spec import Retention
from backup_runner.targets.directory import DirectoryTarget
from tests.history.site import Crash, Site
from tests.restore.build import tree


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


def test_a_content_of_which_one_object_stays_is_not_used_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket keeps one object of a large file back, the other one is deleted, and then the process dies."""
    for module in (pathapplier, worker):
        monkeypatch.setattr(module, "SMALL", 1000)
    monkeypatch.setattr(large, "STRETCH", 2500)
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
