"""`python -m tests.benchmarks`: measure the sets that are asked for, and write docs/benchmarks.md from all results."""

from __future__ import annotations

import argparse
import os
import platform
import sys

from . import catalogs, edits, emulated, page, rounds
from .ground import touch_memory
from .results import Results
from .rounds import Bench
from .tools import TOOLS

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_REAL = 0.1
"""From this scale on, figures are meant to be compared."""
_SETS = ("small", "big", "million", "edits", "catalog", "oci", "startup")


def main() -> int:
    options = _options()
    os.makedirs(options.work, exist_ok=True)
    results = Results(f"{options.work}/results.json")
    results.fact("machine", _machine())
    if options.scale >= _REAL:
        results.fact("touched", touch_memory())
    bench = Bench(
        os.path.abspath(options.work), options.scale, options.rounds, tuple(options.tools.split(",")), results
    )
    for name in filter(None, options.sets.split(",")):
        if options.again:
            for tool in bench.tools:
                for known in (name, *(f"{name}-{edit}" for edit in edits.EDITS)):
                    results.forget(known, tool)
        if name in rounds.WORKS:
            rounds.run_set(bench, name)
        elif name == "edits":
            edits.run(bench)
        elif name == "catalog":
            catalogs.run(bench, full=options.full)
        elif name == "oci":
            emulated.run(bench)
        elif name == "startup":
            catalogs.startup(bench)
        else:
            sys.exit(f"unknown set {name}; there are {', '.join(_SETS)}")
    page.write(results, options.page)
    return 0


def _machine() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    return (
        f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}, {memory:.0f} GiB of memory, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def _options() -> argparse.Namespace:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--sets", default=env("SETS", ",".join(_SETS)), help="comma-separated: " + ",".join(_SETS))
    parser.add_argument("--tools", default=env("TOOLS", ",".join(TOOLS)), help="comma-separated: " + ",".join(TOOLS))
    parser.add_argument("--rounds", type=int, default=int(env("ROUNDS", "3")))
    parser.add_argument("--scale", type=float, default=float(env("SCALE", "1")), help="of the sets' sizes")
    parser.add_argument("--work", default=env("WORK", ".bench"), help="folder for data, stores and results")
    parser.add_argument("--page", default=env("PAGE", f"{_CHECKOUT}/docs/benchmarks.md"), help="where the page goes")
    parser.add_argument("--full", action="store_true", default=env("FULL") == "1", help="10 million rows, too")
    parser.add_argument("--again", action="store_true", default=env("AGAIN") == "1", help="drop earlier results first")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
