"""The rate that is shown is that of the last seconds."""

from backup_runner.report.pace import Pace


def test_a_fast_start_does_not_show_for_ever() -> None:
    """Buffers fill at once; then a limit of 8 MB a second holds everything back."""
    pace = Pace(100.0)
    pace.add(400_000_000, 100.5)
    for second in range(1, 60):
        pace.add(8_000_000, 100.0 + second)
    size, seconds = pace.over(160.0)
    assert 7_000_000 <= size / seconds <= 9_000_000


def test_what_stands_still_is_slow() -> None:
    pace = Pace(0.0)
    for second in range(20):
        pace.add(10_000_000, float(second))
    size, seconds = pace.over(60.0)
    assert size / seconds < 1_000_000
