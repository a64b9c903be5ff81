"""What was measured, in one JSON file, so that sets can be run one at a time and page and chart made from all."""

from __future__ import annotations

import json
import os
import statistics
from typing import Any

QUIET = 0.25
"""Cores that others may keep busy during a run before its seconds tell nothing (the sampler takes its share, too)."""

Run = dict[str, Any]
"""set, scale, tool, work, round, and figures: seconds, cpu, peak, others, perhaps stored and requests."""


class Results:
    """The file's content; `save` after each run, so that a stopped benchmark goes on where it was."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.runs: list[Run] = []
        self.facts: dict[str, Any] = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            self.runs, self.facts = found["runs"], found["facts"]

    def save(self) -> None:
        temporary = f"{self._path}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"facts": self.facts, "runs": self.runs}, file, indent=1)
        os.replace(temporary, self._path)

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self.save()

    def fact(self, name: str, value: Any) -> None:
        self.facts[name] = value
        self.save()

    def forget(self, set_name: str, tool: str | None = None) -> None:
        """Drop the runs of a set (of one tool), to measure them again."""
        self.runs = [run for run in self.runs if run["set"] != set_name or (tool and run["tool"] != tool)]
        self.save()

    def forget_run(self, set_name: str, tool: str, work: str, number: int) -> None:
        """Drop one run, because it is measured again."""
        gone = (set_name, tool, work, number)
        self.runs = [run for run in self.runs if (run["set"], run["tool"], run["work"], run["round"]) != gone]

    def has(self, set_name: str, tool: str, work: str, number: int) -> bool:
        wanted = (set_name, tool, work, number)
        return any((run["set"], run["tool"], run["work"], run["round"]) == wanted for run in self.runs)

    def of(self, set_name: str, tool: str, work: str) -> list[Run]:
        return [run for run in self.runs if (run["set"], run["tool"], run["work"]) == (set_name, tool, work)]

    def median(self, set_name: str, tool: str, work: str, figure: str = "seconds") -> float | None:
        """The median of a figure over all rounds; None where there is none."""
        found = [run[figure] for run in self.of(set_name, tool, work) if run.get(figure) is not None]
        return statistics.median(found) if found else None

    def quiet(self, set_name: str, work: str) -> bool:
        """Whether all runs of this work had the machine to themselves; earlier figures without a note had not."""
        found = [run for run in self.runs if (run["set"], run["work"]) == (set_name, work)]
        return all(run.get("others", QUIET + 1) <= QUIET for run in found)

    def tools(self, set_name: str) -> list[str]:
        """In the order in which they were first measured."""
        return list(dict.fromkeys(run["tool"] for run in self.runs if run["set"] == set_name))
