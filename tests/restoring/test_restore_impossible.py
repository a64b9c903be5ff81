"""Attributes that a catalog can have and no file: what is not possible is reported, and the rest is set."""

from __future__ import annotations

import os

import pytest

from tests.restoring.build import World


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
@pytest.mark.parametrize("number", [2**32, 2**63 - 1])
def test_an_owner_that_no_file_can_have_is_reported(world: World, number: int) -> None:
    world.write(b"d/f")
    os.symlink(b"x", world.base + b"/link")
    world.back_up()
    world.catalog.conn.execute("UPDATE version SET uid = ?, gid = 7, mode = mode + (1 << 40)", (number,))
    outcome = world.restore()
    told = f"could not be set: owner {number} (the system does not support this value)"
    assert {(one.key, one.message) for one in outcome.problems} == {
        (key, told) for key in (b"", b"d/", b"d/f", b"link")
    }
    for name in (b"/d", b"/d/f", b"/link"):
        assert (os.lstat(world.out + name).st_uid, os.lstat(world.out + name).st_gid) == (0, 7)
