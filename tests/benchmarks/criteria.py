"""What is aimed at, each with the figure reached: held, not held, or not measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .edits import EDITS, SCATTERED
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
    at_least: bool = False
    """The figure is to be the limit or more, not less."""

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        if not self.quiet:
            return "no verdict: other work ran"
        held = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        return "held" if held else "**not held**"

    @property
    def shown(self) -> str:
        return "–" if self.figure is None else f"{self.figure:.2f} {self.unit}".strip()

    @property
    def bound(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"


_TIMES: tuple[tuple[int, str, str, tuple[str, ...], float], ...] = (
    (1, "small", "new", ("restic", "borg", "rclone"), 0.65), (2, "small", "nothing", ("restic",), 0.22),
    (3, "small", "restore", ("restic",), 0.42),
    (4, "big", "new", ("restic", "borg"), 0.88), (5, "big", "restore", ("restic",), 0.60),
    (6, "edits-insert", "edit", ("restic",), 0.75),
    (7, "million", "new", ("restic",), 0.75), (8, "million", "nothing", ("restic",), 0.16),
    (9, "million", "restore", ("restic",), 0.70),
)  # fmt: skip
_PEAKS = ((10, "small", 1.45), (10, "big", 1.2), (11, "million", 0.45))
_STORED = ("small", "big", "million")
_CATALOGS = (("pull", 15.0), ("rebuild", 30.0))
_CATALOG_MB = 250.0


def lines(results: Results) -> Iterator[Line]:
    """All aims, in order."""
    for number, set_name, work, peers, limit in _TIMES:
        yield _time(results, number, (set_name, work, peers), limit)
        if (set_name, work) == ("million", "nothing"):
            ratio = _ratio(results.median("million", "us", "nothing"), results.facts.get("limit-find-million"))
            yield Line(8, "million, nothing: × find", ratio, 1.5, "×", results.quiet("million", "nothing"))
    for number, set_name, limit in _PEAKS:
        figure = _ratio(_peak(results, set_name, "us"), _peak(results, set_name, "restic"))
        yield Line(number, f"{set_name}: peak memory × restic", figure, limit, "×")
    rows = [results.median("catalog", "us", f"plan-{count}", "peak") for count in (1_000_000, 10_000_000)]
    yield Line(11, "plan memory, 10⁷ rows × 10⁶ rows", _ratio(rows[1], rows[0]), 1.2, "×")
    for set_name in _STORED:
        stored = [results.median(set_name, tool, "new", "stored") for tool in ("us", "restic")]
        yield Line(12, f"{set_name}: bytes stored × restic", _ratio(stored[0], stored[1]), 1.03, "×")
    yield from _latency(results)
    yield from _cores(results)
    for work, limit in _CATALOGS:
        quiet = results.quiet("million", work)
        yield Line(16, f"catalog {work} of a million files", results.median("million", "us", work), limit, "s", quiet)
        peak = results.median("million", "us", work, "peak")
        yield Line(16, f"catalog {work}: memory", None if peak is None else peak / 1e6, _CATALOG_MB, "MB")
    one = results.facts.get("one-of-million", {})
    yield Line(17, "one file of a million: requests", one.get("requests"), 3, "")
    yield Line(17, "one file of a million: time", one.get("seconds"), 1.0, "s")
    first = results.facts.get("first-output")
    yield Line(17, "plan over a million files: first word", first[0] if first else None, 0.3, "s")
    yield from _edits(results)


def _edits(results: Results) -> Iterator[Line]:
    for name in EDITS:
        ours, theirs = (results.median(f"edits-{name}", tool, "edit", "stored") for tool in ("us", "restic"))
        if name in SCATTERED:
            yield Line(18, f"{name}: bytes stored × restic", _ratio(ours, theirs), 0.5, "×")
        more = None if ours is None or theirs is None else (ours - theirs) / (1 << 20)
        yield Line(18, f"{name}: stored beyond restic", more, 1.0, "MiB")
        yield _time(results, 18, (f"edits-{name}", "edit", ("restic",)), 1.0)


def _latency(results: Results) -> Iterator[Line]:
    for work in ("new", "restore"):
        slow, fast = (results.median(f"oci-small-{ms}ms", "us", work) for ms in (20, 0))
        quiet = results.quiet("oci-small-20ms", work)
        yield Line(13, f"small, {work}: 20 ms latency × none", _ratio(slow, fast), 1.2, "×", quiet)


def _cores(results: Results) -> Iterator[Line]:
    cpu = results.median("small", "us", "new", "cpu")
    yield Line(
        14,
        "small, new: CPU seconds × the primitives alone",
        _ratio(cpu, results.facts.get("limit-all-small")),
        1.5,
        "×",
    )
    for set_name in ("small", "big"):
        busy = _ratio(results.median(set_name, "us", "new", "cpu"), results.median(set_name, "us", "new"))
        quiet = results.quiet(set_name, "new")
        yield Line(15, f"{set_name}, new: cores busy", busy, 1.8, "of 2", quiet, at_least=True)


def _time(results: Results, number: int, of: tuple[str, str, tuple[str, ...]], limit: float) -> Line:
    """Our seconds by those of the fastest of these peers."""
    set_name, work, peers = of
    timed = {peer: seconds for peer in peers if (seconds := results.median(set_name, peer, work)) is not None}
    best = min(timed, key=lambda peer: timed[peer], default=" or ".join(peers))
    figure = _ratio(results.median(set_name, "us", work), timed.get(best))
    # With one of them missing, the fastest is not known.
    figure = figure if len(timed) == len(peers) else None
    return Line(number, f"{set_name}, {work}: × {best}", figure, limit, "×", results.quiet(set_name, work))


def _peak(results: Results, set_name: str, tool: str) -> float | None:
    """The highest of the set's works that both were measured in."""
    works = [work for work in ("new", "nothing", "restore") if results.of(set_name, "restic", work)]
    peaks = [peak for work in works if (peak := results.median(set_name, tool, work, "peak")) is not None]
    return max(peaks, default=None)


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
