"""docs/threat-model.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`tests/(\w+/test_\w+\.py)`", (ROOT / "docs/threat-model.md").read_text()))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).is_file()] == []
