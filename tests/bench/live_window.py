"""A snapshot of a running machine, taken in the window: whether the window stays live, and shows that it goes on."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.core import GIB, MIB
from tests.bench.registry import Result, case
from tests.machines import Machine
from tests.machines.guests import changer, create_disk, disk_options
from vmsnap_gui.image.containers import open_image

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = 5
_RAM = 1100 * MIB
_FILLED = 32 * MIB
"""Where the filled memory begins: above what the guest program uses."""
_OFTEN = 10
"""So many different values a person must have seen during the save, at least."""
_FIGURES = ("times", "bytes", "seconds", "state")


@case("live save in the window")
def live_save(scratch: Path) -> list[Result]:
    """Measure the longest time in which the Qt thread handled no event, phase by phase, and what moved meanwhile."""
    memory = scratch / "memory"
    memory.write_bytes(np.random.default_rng(13).bytes(GIB))  # no two pages alike, and none that could be left out
    runs = [_run(scratch, memory, f"run {number}") for number in range(_RUNS)]
    memory.unlink()
    results = []
    for phase in (one for one in runs[0] if one not in _FIGURES):
        values = [run[phase] for run in runs]
        figures = "runs: " + ", ".join(f"{value:.0f}" for value in values) + " ms"
        what = f"longest stall in ms (median of {_RUNS}): a live take of 1 GiB, {phase}"
        results.append(Result(what, figures, statistics.median(values), 50))
    seconds = ", ".join(f"{run['seconds']:.1f}" for run in runs)
    for figure, what in (("times", "elapsed times"), ("bytes", "numbers of bytes")):
        values = [run[figure] for run in runs]
        figures = f"runs: {', '.join(map(str, values))}, in {seconds} s"
        results.append(Result(f"different {what} shown during the save", figures, min(values), _OFTEN, at_least=True))
    size = min(run["state"] for run in runs)
    results.append(Result("GiB of VM state that was saved", f"{size:,} bytes", size / GIB, 1, at_least=True))
    return results


def _run(scratch: Path, memory: Path, tag: str) -> dict[str, float]:
    """Start a machine whose memory is filled, take a snapshot of it in a window.

    Returns what live_child prints, and under "state" the bytes of VM state that are in the image then.
    """
    path = create_disk(scratch / "machine.qcow2", changer(), 16 * MIB)
    arguments = [
        *("-M", "pc", "-m", str(_RAM // MIB), "-nodefaults", "-vga", "none", *disk_options(path, "disk0")),
        *("-device", "ide-hd,bus=ide.0,drive=disk0"),
        *("-device", f"loader,file={memory},addr={_FILLED:#x},force-raw=on"),
    ]
    folders = {f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("CONFIG", "STATE")}
    (scratch / "config" / "vmsnap" / "vmsnap.ini").unlink(missing_ok=True)
    with Machine(arguments, qmp=scratch / "qmp") as machine:
        machine.wait_marks(b"1")
        command = [sys.executable, "-m", "tests.bench.live_child", str(machine.pid), tag]
        environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"} | folders
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    (snapshot,) = open_image(path).snapshots
    path.unlink()
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "state": snapshot.vm_state_size or 0}
