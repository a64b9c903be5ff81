"""Plans over synthetic catalogs of up to ten million rows, and start-up times."""

from __future__ import annotations

import os
import statistics
import sys

from . import measure, synthetic
from .rounds import Bench, say
from .tools import Ours

_ROWS = (100_000, 1_000_000)
_FULL = 10_000_000
_TIMES = 5


def run(bench: Bench, *, full: bool) -> None:
    """Plan time and peak memory, nothing changed, for each number of rows; scan and bucket are as synthetic."""
    for rows in (*_ROWS, _FULL) if full else _ROWS:
        count = max(1000, round(rows * bench.scale))
        if bench.results.has("catalog", "us", f"plan-{rows}", 0):
            continue
        tool = Ours(f"{bench.folder}/catalog-{count}", f"{bench.folder}/catalog-{count}/source")
        if not os.path.exists(f"{tool.site}/done"):
            tool.begin()
            os.makedirs(tool.data)
            synthetic.build(tool, count)
            open(f"{tool.site}/done", "w").close()
        for number in range(bench.rounds):
            found = measure.run(
                [sys.executable, "-m", "tests.benchmarks.synthetic", "job.yaml", str(count)],
                folder=tool.site,
                log=f"{tool.site}/output.log",
                env=tool.env | {"PYTHONPATH": synthetic.CHECKOUT},
            )
            if "No changes" not in found.output:
                raise measure.Failed(found.output)
            bench.results.add(
                {"set": "catalog", "scale": bench.scale, "tool": "us", "work": f"plan-{rows}", "round": number,
                 "seconds": found.seconds, "cpu": found.cpu, "peak": found.peak, "others": found.others, "rows": count}
            )  # fmt: skip
            say(f"plan over {count:,} rows: {found.seconds:.2f} s, {found.cpu:.2f} s CPU, {found.peak / 1e6:.0f} MB")
        if rows == _FULL:
            tool.end()


def startup(bench: Bench) -> None:
    """CPU seconds of the commands that people and editors start all the time."""
    tool = Ours(f"{bench.folder}/site", f"{bench.folder}/data")
    tool.begin()
    for name, arguments in (("--help", ["--help"]), ("validate", ["validate", "job.yaml"])):
        runs = [
            measure.run([tool.program, *arguments], folder=tool.site, log=f"{tool.site}/output.log", env=tool.env)
            for _ in range(_TIMES)
        ]
        cpu = statistics.median(run.cpu for run in runs)
        bench.results.fact(f"startup-{name}", {"cpu": cpu, "seconds": statistics.median(run.seconds for run in runs)})
        say(f"{name}: {cpu:.2f} s CPU")
    tool.end()
