"""Sets of files: every tool in turn, round after round; each restore is compared with the source."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from . import measure
from .data import compare, describe, files, make, warm
from .ground import Ground
from .results import Results
from .tools import TOOLS, Tool, program

_SLOW_SAMPLE = 0.25


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run of the benchmark was asked."""

    folder: str
    scale: float
    rounds: int
    tools: tuple[str, ...]
    results: Results


WORKS = {
    "small": ("new", "nothing", "restore"),
    "big": ("new", "nothing", "restore"),
    "million": ("new", "nothing", "restore"),
}


def run_set(bench: Bench, name: str) -> None:
    """Measure one set; what `results` has already is not measured again."""
    data = make(name, bench.scale, f"{bench.folder}/data")
    bench.results.fact(f"data-{name}", describe(data))
    limits(bench, name, data)
    for number in range(bench.rounds):
        for tool_name in bench.tools:
            if program(TOOLS[tool_name]("", "").name) is None:
                bench.results.fact(f"absent-{tool_name}", True)
                continue
            works = _works(name, tool_name, number)
            # All of nothing is true: what a tool has no work in is passed over here, too.
            if all(bench.results.has(name, tool_name, work, number) for work in works):
                continue
            measure_tool(bench, name, TOOLS[tool_name](f"{bench.folder}/site", data), tool_name, number, works)


def _works(name: str, tool: str, number: int) -> tuple[str, ...]:
    if name == "million" and tool == "rclone":
        # An object a file: hours.
        return ()
    if name == "million" and tool == "us" and not number:
        return (*WORKS[name], "pull", "rebuild")
    if name == "million" and (tool == "borg" or number):
        # Restoring a million files takes minutes: once, by those that are compared.
        return ("new", "nothing")
    return WORKS[name]


def measure_tool(bench: Bench, name: str, tool: Tool, label: str, number: int, works: tuple[str, ...]) -> None:
    """One round of one tool: an empty store, then its works in order."""
    bench.results.fact(f"version-{label}", tool.version())
    tool.begin()
    warm(tool.data)
    for work in works:
        tool.clear(work)
        ground = Ground(bench.folder, tool.back, _room(tool.data)) if work == "restore" else None
        found = measure.run(
            tool.commands(work),
            folder=tool.work_folder(work),
            log=f"{tool.site}/output.log",
            env=tool.env,
            sample=_SLOW_SAMPLE if name == "million" else measure.SAMPLE_SECONDS,
        )
        if (name, label, work) == ("million", "us", "nothing"):
            first = measure.first_output([tool.program, "plan", "job.yaml"], folder=tool.site, env=tool.env)
            bench.results.fact("first-output", first)
        if ground is not None:
            compare(tool.data, tool.back, times=tool.keeps_times)
            bench.results.fact("new-file-systems", ground.new)
            ground.close()
        run = {
            "set": name, "scale": bench.scale, "tool": label, "work": work, "round": number, "when": int(time.time()),
            "seconds": found.seconds, "cpu": found.cpu, "peak": found.peak, "others": found.others,
            "stored": tool.stored() if work == "new" else None, "requests": tool.requests(),
        }  # fmt: skip
        bench.results.forget_run(name, label, work, number)
        bench.results.add(run)
        say(f"{name} {label} {work} #{number + 1}: {found.seconds:.2f} s, {found.cpu:.1f} s CPU, "
            f"{found.peak / 1e6:.0f} MB, others {found.others:.2f} cores")  # fmt: skip
    tool.end()


def _room(data: str) -> int:
    """Bytes of a file system that has room for a tree; holes cost nothing."""
    sizes = [os.lstat(path).st_size for path in files(data)]
    return sum(sizes) + len(sizes) * 8192 + (4 << 30)


def limits(bench: Bench, name: str, data: str) -> None:
    """What nothing can be faster than here: `find` for the scan, and the hash and compressor alone on these bytes."""
    if bench.results.facts.get(f"limit-find-{name}") and bench.results.facts.get(f"limit-scale-{name}") == bench.scale:
        return
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(["find", data, "-printf", r"%p %s %T@ %C@ %m\n"], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begun)
    bench.results.fact(f"limit-find-{name}", sorted(seconds)[1])
    bench.results.fact(f"limit-scale-{name}", bench.scale)
    if name != "million":
        for what in ("read", "md5", "zstd", "all"):
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.primitives", what, data],
                cwd=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            bench.results.fact(f"limit-{what}-{name}", float(done.stdout))


def say(text: str) -> None:
    print(text, flush=True)
