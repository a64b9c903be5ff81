"""docs/benchmarks.md and its chart, written from the results; what the figures mean is in profile.md."""

from __future__ import annotations

import os
from collections.abc import Iterator

from . import criteria
from .chart import chart
from .results import QUIET, Results

_HERE = os.path.dirname(os.path.abspath(__file__))
_NAMES = {"us": "backup-runner"}
_WORKS = {
    "new": "new", "nothing": "nothing changed", "edit": "after the edit", "restore": "restore", "pull": "catalog pull",
    "rebuild": "catalog rebuild",
}  # fmt: skip


def write(results: Results, path: str) -> None:
    """Write the page and, beside it, the chart; print each aim with its figure."""
    found = list(criteria.lines(results))
    for line in found:
        print(f"{line.number}. {line.text}: {line.shown} ({line.bound}): {line.verdict.strip('*')}")
    with open(f"{_HERE}/profile.md", encoding="utf-8") as file:
        profile = file.read()
    text = "\n".join([*_head(results), *_aims(found), *_sets(results), *_others(results), profile])
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with open(f"{os.path.splitext(path)[0]}.svg", "w", encoding="utf-8") as file:
        file.write(chart(results))


def _head(results: Results) -> Iterator[str]:
    yield "# Benchmarks\n"
    yield f"`make bench` wrote this page, on {results.facts.get('machine', 'an unknown machine')}. Every tool takes its"
    yield "turn in every round, with warm caches, its defaults, an encrypted store in a directory; figures are medians."
    yield "Memory was touched before, and each restore goes to a new file system, where the machine allows it."
    yield "Memory is the highest sum of the proportional set sizes of all processes. Each restore was compared with the"
    yield f"source. `others` is how many cores other work kept busy meanwhile: above {QUIET} (or unknown, –), seconds"
    yield "mean nothing, and no verdict is given.\n"
    versions = [f"{results.facts[key]}" for key in sorted(results.facts) if key.startswith("version-")]
    yield f"Versions: {', '.join(versions) or 'none'}."
    absent = [key.removeprefix("absent-") for key in results.facts if key.startswith("absent-")]
    yield f"Not installed and therefore omitted: {', '.join(absent)}.\n" if absent else ""
    yield "![Seconds by set and tool](benchmarks.svg)\n"


def _aims(found: list[criteria.Line]) -> Iterator[str]:
    yield "## Aims\n"
    yield "| | aim | bound | reached | |\n|---|---|---:|---:|---|"
    for line in found:
        yield f"| {line.number} | {line.text} | {line.bound} | {line.shown} | {line.verdict} |"
    yield ""


def _sets(results: Results) -> Iterator[str]:
    titles = {
        "small": "Small files",
        "big": "Three large files, half random, half programs",
        "million": "A million files of 8 bytes",
        "edits-insert": "Edits: 1,000 bytes inserted near the front",
        "edits-append": "Edits: 1,000 bytes appended",
        "edits-pages": "Edits: pages of a database overwritten in place",
        "edits-image": "Edits: 1,000 blocks of 4 KiB of an image overwritten",
        "edits-log": "Edits: a log that grew by a fiftieth",
        "edits-tar": "Edits: a tar of changed files",
    }
    for name in dict.fromkeys(run["set"] for run in results.runs):
        if name == "catalog":
            continue
        title = titles.get(name, f"Through the OCI emulator: {name.removeprefix('oci-')}")
        about = results.facts.get(f"data-{name}", "")
        yield f"## {title}\n"
        yield f"{about}\n" if about else ""
        yield "| work | tool | seconds | × ours | CPU s | memory MB | stored MB | requests | rounds | others |"
        yield "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
        for work in _WORKS:
            for tool in results.tools(name):
                if results.of(name, tool, work):
                    yield _row(results, name, tool, work)
        yield ""
        yield from _limits(results, name)


def _row(results: Results, name: str, tool: str, work: str) -> str:
    figures = {
        what: results.median(name, tool, work, what)
        for what in ("seconds", "cpu", "peak", "stored", "requests", "others")
    }
    seconds, ours = figures["seconds"] or 0.0, results.median(name, "us", work)
    cells = [
        _WORKS[work], _NAMES.get(tool, tool), f"{seconds:.2f}", f"{seconds / ours:.2f}" if ours else "–",
        f"{figures['cpu']:.1f}", f"{(figures['peak'] or 0) / 1e6:.0f}", _number(figures["stored"], 1e6),
        _number(figures["requests"], 1), str(len(results.of(name, tool, work))), _cores(figures["others"]),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, unit: float) -> str:
    return "–" if value is None else f"{value / unit:,.0f}"


def _cores(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _limits(results: Results, name: str) -> Iterator[str]:
    parts = [
        f"{label} {results.facts[key]:.2f} s"
        for label, key in (
            ("`find` with sizes and times", f"limit-find-{name}"), ("reading alone", f"limit-read-{name}"),
            ("reading and MD5", f"limit-md5-{name}"), ("reading and zstd level 1", f"limit-zstd-{name}"),
            ("all primitives", f"limit-all-{name}"),
        )
        if key in results.facts
    ]  # fmt: skip
    if parts:
        yield f"Limits on these bytes, one core: {', '.join(parts)}.\n"


def _others(results: Results) -> Iterator[str]:
    rows = sorted({(run["rows"], run["work"]) for run in results.runs if run["set"] == "catalog"})
    if rows:
        yield "## Plans over synthetic catalogs, nothing changed\n"
        yield "| rows | seconds | CPU s | memory MB |\n|---:|---:|---:|---:|"
        for count, work in rows:
            seconds, cpu, peak = (
                results.median("catalog", "us", work, what) or 0 for what in ("seconds", "cpu", "peak")
            )
            yield f"| {count:,} | {seconds:.2f} | {cpu:.2f} | {peak / 1e6:.0f} |"
        yield ""
    yield from _single(results)


def _single(results: Results) -> Iterator[str]:
    facts = results.facts
    said = []
    for name in ("--help", "validate"):
        if found := facts.get(f"startup-{name}"):
            said.append(f"`{name}` takes {found['cpu']:.2f} s of CPU, {found['seconds']:.2f} s")
    if found := facts.get("first-output"):
        said.append(
            f"`plan` over a million files prints its first line after {found[0]:.2f} s and ends after {found[1]:.2f} s"
        )
    if found := facts.get("one-of-million"):
        said.append(
            f"one file of a million comes back in {found['seconds']:.2f} s with {found['requests']} requests "
            f"({', '.join(found['operations'])})"
        )
    if said:
        yield "## Single figures\n"
        yield from (f"- {text}" for text in said)
        yield ""
