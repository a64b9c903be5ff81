"""Equal stretches of different files are stored once, wherever they lie in them."""

from __future__ import annotations

import io
import os
import random
import tarfile

import pytest

from backup_runner.policy import StoringPolicy
from tests.support.jobs import Home

MIB = 1 << 20
WHOLE = os.environ.get("PROOF") == "full"
SIZES = StoringPolicy().pieces


@pytest.mark.proof
def test_what_two_files_share_at_different_offsets_is_stored_once(home: Home) -> None:
    shared, chance = (1024 if WHOLE else 24) * MIB, random.Random(1)
    with open(home.path("one"), "wb") as one, open(home.path("two"), "wb") as two:
        one.write(chance.randbytes(12_345))
        two.write(chance.randbytes(3 * MIB + 1))
        for _ in range(shared // MIB):
            block = chance.randbytes(MIB)
            one.write(block)
            two.write(block)
        two.write(b"tail")
    sizes = sum(os.path.getsize(home.path(name)) for name in ("one", "two"))
    outcome = home.apply()
    print(f"{sizes / MIB:.1f} MiB in two files that share {shared / MIB:.0f}: {outcome.new_bytes / MIB:.1f} MiB new")
    assert outcome.new_bytes <= sizes - shared + 3 * SIZES.maximum
    home.check()


@pytest.mark.proof
def test_a_tar_of_files_that_are_backed_up_as_well(home: Home) -> None:
    """At least 60 % of the bytes of files above 2 MiB are stored once; all smaller files come twice."""
    chance, large, small = random.Random(2), 0, 0
    for number in range(120 if WHOLE else 12):
        size = int(chance.choice((chance.uniform(2, 4), chance.uniform(2, 12), 0.3)) * MIB)
        home.write(f"tree/{number}", chance.randbytes(size))
        large += size if size > 2 * MIB else 0
        small += size if size <= 2 * MIB else 0
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(home.path("tree").decode(), "tree")
    home.write("tree.tar", archive.getvalue())
    outcome = home.apply()
    twice = outcome.new_bytes - large - small
    shared = 1 - (twice - small) / large
    print(f"{shared:.1%} of {large / MIB:.1f} MiB in files above 2 MiB are shared with the tar")
    assert shared >= 0.6
    home.check()
