"""A killed apply of a large file goes on with the pieces that are in the bucket, recorded or not."""

from __future__ import annotations

import os
import random

import pytest

from backup_runner.errors import TransientError
from backup_runner.targets.directory.target import DirectoryTarget
from tests.support.dying import die, nothing_left
from tests.support.faulty import FailAt, FaultyTarget
from tests.support.jobs import TINY, Home, stored_contents

MIB = 1 << 20
SIZE = 2 * MIB
PACK = TINY.pack_bytes + TINY.pieces.maximum
"""Plaintext of one pack at most."""


@pytest.fixture
def tiny(home: Home) -> Home:
    home.policy = TINY
    home.workers = 1
    return home


def there(home: Home) -> int:
    """Plaintext bytes that lie in the bucket, by what the objects say."""
    return sum(index.plaintext for _, index in stored_contents(home.bucket))


@pytest.mark.parametrize("number", [4, 5, 19])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_dead_run_stored_is_not_stored_again(tiny: Home, number: int, workers: int) -> None:
    """`put` 1 to 3 are lease and keys; a worker dies before its first pack, its second one, and so on. Lost are
    the pack that was about to be put and the one that was being filled."""
    tiny.write("large", random.Random(1).randbytes(SIZE))
    die(tiny, "put", number)
    before = there(tiny)
    # Packs are closed a little before they are full where that saves padding.
    assert before >= (number - 4) * TINY.pack_bytes * 0.85
    tiny.workers = workers
    outcome = tiny.apply()
    assert outcome.new_bytes == SIZE - before
    assert tiny.changes() == 0
    tiny.check()
    nothing_left(tiny)


def test_a_run_that_died_before_its_record(tiny: Home) -> None:
    tiny.write("large", random.Random(2).randbytes(SIZE))
    tiny.write("small", "s")
    die(tiny, "put", holding="/records/")
    assert there(tiny) == SIZE + 1
    outcome = tiny.apply()
    assert (outcome.new_bytes, outcome.stored_objects) == (0, 0)
    tiny.check()
    nothing_left(tiny)


def test_the_file_changed_since(tiny: Home) -> None:
    """Near its front: all that was stored of the rest is used."""
    data = random.Random(3).randbytes(SIZE)
    tiny.write("large", data)
    die(tiny, "put", 12)
    before = there(tiny)
    tiny.write("large", data[:5000] + b"inserted" + data[5000:])
    outcome = tiny.apply()
    assert outcome.new_bytes <= SIZE - before + 3 * TINY.pieces.maximum
    tiny.check()
    nothing_left(tiny)


def test_the_file_went_since(tiny: Home) -> None:
    path = tiny.write("large", random.Random(4).randbytes(SIZE))
    tiny.write("other")
    die(tiny, "put", 9)
    os.unlink(path)
    tiny.apply()
    tiny.check()
    nothing_left(tiny)


def test_a_put_that_fails_ends_the_run_and_the_next_goes_on(tiny: Home) -> None:
    tiny.write("large", random.Random(7).randbytes(SIZE))
    tiny.target = FaultyTarget(DirectoryTarget(tiny.bucket), FailAt("put", 7))  # type: ignore[assignment]
    with pytest.raises(TransientError):
        tiny.apply()
    tiny.target = None
    before = there(tiny)
    assert there(tiny) >= 3 * TINY.pack_bytes * 0.85
    assert tiny.apply().new_bytes == SIZE - before
    tiny.check()
    nothing_left(tiny)
