"""Random lives of a backup against a plain dict: every kept snapshot restores exactly, nothing unneeded stays."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.history import model

FULL = os.environ.get("PROOF") == "full"
STEPS_A_LIFE = 50
SEEDS, LIVES, STEPS = (range(8), 50, 1250) if FULL else (range(1), 6, 100)
"""Runs, lives in each, and the steps that each of them has to drive: 10,000 in all."""


@pytest.mark.proof
@pytest.mark.parametrize("number", SEEDS)
def test_random_lives_against_a_dict(number: int) -> None:
    model.steps = 0
    model.tally.clear()
    _live(number, LIVES)
    print(f"seed {number}: {model.steps} steps; " + ", ".join(f"{what} {n}" for what, n in model.tally.items()))
    assert model.steps >= STEPS


def _live(number: int, lives: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        seed(number)(model.Machine),
        settings=settings(
            max_examples=lives,
            stateful_step_count=STEPS_A_LIFE,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
