"""Faults by rule: which requests go wrong, how often, and in which way."""

from __future__ import annotations

import fnmatch
import random
import threading
from dataclasses import asdict, dataclass, field

KINDS = (
    "status",  # answer with `status`, `code` and Retry-After `retry_after`; nothing is done
    "page",  # answer with `status` and a page of HTML that says `message`, as a proxy on the way does
    "delay",  # `seconds` before the answer
    "reset_before",  # the connection is reset before the request's body was read
    "reset_amid",  # … with half of it read; without one, with half of the answer sent
    "reset_after",  # … with all of it read, nothing done
    "lost",  # all is done, and the connection reset instead of an answer
    "truncate",  # the answer's body ends early, connection closed in order
    "corrupt",  # one byte of the answer's body is wrong, or its checksum header if it has none
    "corrupt_request",  # one byte of the request's body was altered on its way
    "corrupt_stored",  # the same, but unnoticed: it is stored, and the answer states the wrong checksum
)


@dataclass
class Rule:
    """Matches operations and object names by shell patterns; acts on at most `count` requests (0: all)."""

    kind: str
    operation: str = "*"
    name: str = "*"
    count: int = 0
    skip: int = 0
    """So many matching requests pass first."""
    probability: float = 1.0
    seed: int = 0
    status: int = 503
    code: str = "ServiceUnavailable"
    message: str = "a fault by rule"
    retry_after: float | None = None
    seconds: float = 0.0
    at: float = 0.5
    """Where in a body the wrong byte is, from 0 to 1."""
    hits: int = 0
    seen: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")
        self._random.seed(self.seed)

    def strikes(self, operation: str, name: str) -> bool:
        if not (fnmatch.fnmatchcase(operation, self.operation) and fnmatch.fnmatchcase(name, self.name)):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.count and self.hits >= self.count):
            return False
        if self.probability < 1.0 and self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def as_json(self) -> dict[str, object]:
        return {key: value for key, value in asdict(self).items() if key != "_random"}


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, items: list[dict[str, object]]) -> None:
        rules = [Rule(**item) for item in items]  # type: ignore[arg-type]
        with self._lock:
            self._rules.extend(rules)

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def strike(self, operation: str, name: str) -> dict[str, Rule]:
        """The faults of this request, by kind."""
        if not self._rules:
            return {}
        with self._lock:
            return {rule.kind: rule for rule in self._rules if rule.strikes(operation, name)}

    def as_json(self) -> list[dict[str, object]]:
        with self._lock:
            return [rule.as_json() for rule in self._rules]
