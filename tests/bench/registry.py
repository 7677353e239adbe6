"""Cases, results and how they are measured."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
        what: What was measured, and against what.
        figures: The figures, with units, medians.
        value: What is held against the limit.
        limit: What it should be at most, or at least (`at_least`).
    """

    what: str
    figures: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def good(self) -> bool:
        """Whether the limit is kept."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


CASES: dict[str, Callable[[Path], list[Result]]] = {}


def case(name: str) -> Callable[[Callable[[Path], list[Result]]], Callable[[Path], list[Result]]]:
    """Register a case: a function from a scratch folder (with room for 20 GiB) to results."""

    def register(function: Callable[[Path], list[Result]]) -> Callable[[Path], list[Result]]:
        CASES[name] = function
        return function

    return register


def alternate(first: Callable[[], object], second: Callable[[], object], rounds: int = 7) -> tuple[float, float]:
    """Run two functions in turn, after one warm-up each; returns the median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_number in range(rounds + 1):
        for function, taken in zip((first, second), times, strict=True):
            start = time.perf_counter()
            function()
            if round_number:
                taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])
