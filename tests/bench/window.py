"""The window: how long until the list is painted, and how long the Qt thread ever keeps people waiting."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.core import streams
from tests.bench.registry import Result, case
from vmsnap_gui.demo import demo_image

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = 5


def _child(scratch: Path, mode: str, path: Path) -> float:
    """Run one measurement in a process of its own; returns milliseconds."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(scratch / "config")}
    (scratch / "config" / "vmsnap" / "vmsnap.ini").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.bench.window_child", mode, str(path), str(time.monotonic())]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


@case("start")
def start(scratch: Path) -> list[Result]:
    """Compare the time to a painted list of snapshots with that to an empty QMainWindow."""
    times: dict[str, list[float]] = {"bare": [], "list": []}
    for run in range(_RUNS + 1):
        for mode, taken in times.items():
            value = _child(scratch, mode, demo_image())
            if run:
                taken.append(value)
    ours, bare = (statistics.median(times[mode]) for mode in ("list", "bare"))
    figures = f"snapshots painted after {ours:.0f} ms, bare QMainWindow {bare:.0f} ms"
    return [Result("process start to a painted list, against an empty QMainWindow", figures, ours / bare, 2.5)]


@case("stalls")
def stalls(scratch: Path) -> list[Result]:
    """Measure the longest time in which the Qt thread handled no event."""
    results = []
    for mode, what in (
        ("open", "opening, with the devices of a 4 GiB state"),
        ("index", "indexing 4 GiB, then drawing its map"),
        ("scroll", "scrolling devices, bytes and memory"),
    ):
        values = [_child(scratch, mode, streams(scratch)[1]) for _ in range(_RUNS)]
        figures = "runs: " + ", ".join(f"{value:.0f}" for value in values) + " ms"
        results.append(
            Result(f"longest stall in ms (median of {_RUNS}): {what}", figures, statistics.median(values), 50)
        )
    return results
