"""Random lives of a backup against a plain dict: every kept snapshot restores exactly, nothing unneeded stays."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.history import model

FULL = os.environ.get("PROOF") == "full"
STEPS_A_LIFE = 50


def _live(lives: int, *, phases: list[Phase] | None = None) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        model.Machine,
        settings=settings(
            max_examples=lives,
            stateful_step_count=STEPS_A_LIFE,
            deadline=None,
            derandomize=not FULL,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            **({"phases": phases} if phases else {}),
        ),
    )


@pytest.mark.proof
def test_random_lives_against_a_dict() -> None:
    _live(400 if FULL else 6)
    print(f"{model.steps} steps")
    assert model.steps >= (10_000 if FULL else 100)
