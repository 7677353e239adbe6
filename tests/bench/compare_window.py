"""Comparing in the window: how long it ever keeps people waiting, and how much memory a comparison takes."""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.core import GIB, MIB, command_of, state_of
from tests.bench.memory import peak_anonymous
from tests.bench.registry import Result, case
from tests.bench.streams import write_stream
from tests.machines import Machine

if TYPE_CHECKING:
    from pathlib import Path

_RUNS = 5
_CHANGED = 0.05
_CLUSTER = 64 << 10
_DISK_GIB = 100


@functools.cache
def two_moments(scratch: Path) -> tuple[Path, Path]:
    """Return two moments of a machine that ran in between, as streams of 4 GiB in which 5 % of the pages differ."""
    found = []
    with Machine(["-M", "q35", "-m", "64", "-smp", "2", "-device", "e1000e", "-device", "virtio-rng-pci"]) as machine:
        for name in ("before", "after"):
            machine.stop()
            machine.migrate_to(scratch / f"{name}-source.vmstate")
            machine.resume()
    for name in ("before", "after"):
        found.append(scratch / f"{name}.vmstate")
        write_stream(found[-1], scratch / f"{name}-source.vmstate", 4 * GIB, layout="data")
    block = max(state_of(found[1]).index_ram().blocks, key=lambda one: one.length)
    pages = np.random.default_rng(11).choice(block.pages, int(block.pages * _CHANGED), replace=False)
    with found[1].open("r+b") as file:
        for place in block.locations[np.sort(pages)].tolist():
            file.seek(place + 100)
            file.write(bytes(64))
    os.sync()
    return found[0], found[1]


@functools.cache
def scattered_disk(scratch: Path) -> Path:
    """Return an image with 100 GiB mapped, sparse, and two snapshots: between them 5 % of the clusters became zeros."""
    path = scratch / "scattered.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", path, f"{_DISK_GIB}G"]
    subprocess.run(create, check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "one", path], check=True)
    clusters = _DISK_GIB * GIB // _CLUSTER
    chosen = np.sort(np.random.default_rng(12).choice(clusters, int(clusters * _CHANGED), replace=False))
    words = "\n".join(f"write -z -q {cluster * _CLUSTER} {_CLUSTER}" for cluster in chosen.tolist())
    io = ["qemu-io", "-t", "unsafe", "-f", "qcow2", str(path)]
    subprocess.run(io, check=True, input=words + "\n", text=True, stdout=subprocess.DEVNULL)
    subprocess.run(["qemu-img", "snapshot", "-c", "two", path], check=True)
    return path


@case("comparison in the window")
def window(scratch: Path) -> list[Result]:
    """Measure the longest time in which the Qt thread handled no event, and the memory, phase by phase."""
    command = [sys.executable, "-m", "tests.bench.compare_child", *map(str, two_moments(scratch))]
    command.append(str(scattered_disk(scratch)))
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(scratch / "config")}
    runs, above = [], []
    for _ in range(_RUNS):
        (scratch / "config" / "vmsnap" / "vmsnap.ini").unlink(missing_ok=True)
        peak, printed = peak_anonymous(command, environment=environment)
        found = json.loads(printed.splitlines()[-1])
        above.append((peak - found.pop("anonymous")) / MIB)
        runs.append(found)
    results = []
    for phase in runs[0]:
        values = [run[phase] for run in runs]
        figures = "runs: " + ", ".join(f"{value:.0f}" for value in values) + " ms"
        what = f"longest stall in ms (median of {_RUNS}): comparing, {phase}"
        results.append(Result(what, figures, statistics.median(values), 50))
    figures = "runs: " + ", ".join(f"{value:.0f}" for value in above) + " MiB"
    results.append(Result("MiB of anonymous memory above what the window had before", figures, max(above), 300))
    return results


@case("comparison's memory")
def memory(scratch: Path) -> list[Result]:
    """Measure what `vmsnap diff` takes for two states of 4 GiB."""
    a, b = two_moments(scratch)
    peak, _ = peak_anonymous(command_of("diff", a, str(b), "--ram", "--json"), status=1)
    figures = f"{peak / MIB:.0f} MiB of anonymous memory in all"
    return [Result("MiB: vmsnap diff --ram of two states of 4 GiB", figures, peak / MIB, 300)]
