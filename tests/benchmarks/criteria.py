"""What is aimed at, each with the figure reached: held, not held, or not measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .results import Results


@dataclass(frozen=True, slots=True)
class Line:
    """One aim. `figure` and `limit` are in the same unit; None: not measured (with the peer that it takes)."""

    number: int
    text: str
    figure: float | None
    limit: float
    unit: str
    quiet: bool = True
    """Whether the machine did nothing else meanwhile: otherwise seconds prove nothing."""

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        if not self.quiet:
            return "no verdict: other work ran"
        return "held" if self.figure <= self.limit else "**not held**"

    @property
    def shown(self) -> str:
        return "–" if self.figure is None else f"{self.figure:.2f} {self.unit}".strip()


_AIMS = (
    (1, "small", "new", "restic", 0.40), (1, "small", "nothing", "restic", 0.25),
    (1, "small", "restore", "restic", 0.50),
    (2, "big", "new", "", 0.75), (2, "big", "restore", "", 0.65),
    (3, "million", "new", "restic", 0.60), (3, "million", "nothing", "restic", 0.15),
)  # fmt: skip


def lines(results: Results) -> Iterator[Line]:
    """All aims, in order."""
    for number, set_name, work, peer, limit in _AIMS:
        yield _time(results, number, (set_name, work, peer), limit)
    find = results.facts.get("limit-find-million")
    yield Line(
        3,
        "million, nothing: × find",
        _ratio(results.median("million", "us", "nothing"), find),
        4.0,
        "×",
        results.quiet("million", "nothing"),
    )
    for set_name, limit in (("small", 1.5), ("big", 1.5), ("million", 0.5)):
        figure = _ratio(_peak(results, set_name, "us"), _peak(results, set_name, "restic"))
        yield Line(4, f"{set_name}: peak memory × restic", figure, limit, "×")
    rows = [results.median("catalog", "us", f"plan-{count}", "peak") for count in (1_000_000, 10_000_000)]
    yield Line(4, "plan memory, 10⁷ rows × 10⁶ rows", _ratio(rows[1], rows[0]), 1.2, "×")
    for set_name in ("small", "big", "million"):
        stored = [results.median(set_name, tool, "new", "stored") for tool in ("us", "restic")]
        yield Line(5, f"{set_name}: bytes stored × restic", _ratio(stored[0], stored[1]), 1.05, "×")
    slow, fast = (results.median(f"oci-small-{ms}ms", "us", "new") for ms in (20, 0))
    yield Line(
        6, "small, new: 20 ms latency × none", _ratio(slow, fast), 1.3, "×", results.quiet("oci-small-20ms", "new")
    )
    one = results.facts.get("one-of-million", {})
    yield Line(7, "one file of a million: requests", one.get("requests"), 3, "")
    yield Line(7, "one file of a million: time", one.get("seconds"), 1.0, "s")


def _time(results: Results, number: int, of: tuple[str, str, str], limit: float) -> Line:
    set_name, work, peer = of
    quiet = results.quiet(set_name, work)
    ours = results.median(set_name, "us", work)
    if peer:
        return Line(
            number,
            f"{set_name}, {work}: × {peer}",
            _ratio(ours, results.median(set_name, peer, work)),
            limit,
            "×",
            quiet,
        )
    best = results.best_peer(set_name, work)
    name, seconds = best or ("the fastest peer", None)
    return Line(number, f"{set_name}, {work}: × {name}", _ratio(ours, seconds), limit, "×", quiet)


def _peak(results: Results, set_name: str, tool: str) -> float | None:
    """The highest of the set's works that both were measured in."""
    works = [work for work in ("new", "nothing", "restore") if results.of(set_name, "restic", work)]
    peaks = [peak for work in works if (peak := results.median(set_name, tool, work, "peak")) is not None]
    return max(peaks, default=None)


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
