"""The gallery: how long scrolling through it ever keeps people waiting, while its pictures are made."""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.bench.core import streams
from tests.bench.registry import Result, case
from tests.machines import Machine
from tests.machines.guests import disk_options

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = 5
_SNAPSHOTS = 60


@functools.cache
def many_screens(scratch: Path) -> Path:
    """Return an image with many snapshots of a machine that stands in its firmware, in text mode."""
    path = scratch / "many.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    disk = [*disk_options(path, "disk0"), "-device", "ide-hd,bus=ide.0,drive=disk0"]
    with Machine(["-M", "q35", "-m", "64", "-vga", "std", *disk]) as machine:
        for number in range(_SNAPSHOTS):
            machine.stop()
            machine.snapshot_save(f"moment-{number:02}", vmstate="disk0", devices=["disk0"])
            machine.resume()
    return path


@case("gallery")
def gallery(scratch: Path) -> list[Result]:
    """Measure the longest time in which the Qt thread handled no event, with a cold cache, and with a warm one."""
    image, stream = many_screens(scratch), streams(scratch)[1]
    values: dict[str, list[float]] = {"cold": [], "warm": []}
    for run in range(_RUNS):
        home = {f"XDG_{name}_HOME": str(scratch / f"home-{run}" / name) for name in ("CONFIG", "CACHE")}
        environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"} | home
        for taken in values.values():
            command = [sys.executable, "-m", "tests.bench.gallery_child", str(image), str(stream)]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            taken.append(float(done.stdout.split()[-1]))
    results = []
    for name, what in (("cold", "while its pictures are made"), ("warm", "with its pictures from the cache")):
        figures = "runs: " + ", ".join(f"{value:.0f}" for value in values[name]) + " ms"
        worst = statistics.median(values[name])
        text = f"longest stall in ms (median of {_RUNS}): scrolling {_SNAPSHOTS} screens {what}, 4 GiB being indexed"
        results.append(Result(text, figures, worst, 50))
    return results
