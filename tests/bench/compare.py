"""Comparing two states: memory against `cmp`, disks against `qemu-img compare`, fields by the clock."""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.core import state_of, streams
from tests.bench.registry import Result, alternate, case
from vmsnap_gui.compare.ram import compare_ram

if TYPE_CHECKING:
    from pathlib import Path

_CHANGED = 0.05


@functools.cache
def changed_stream(scratch: Path) -> tuple[Path, Path, Path]:
    """Return the 4 GiB stream, a copy of it, and one with 5 % of the pages changed."""
    big = streams(scratch)[1]
    copy, changed = scratch / "4G-copy.vmstate", scratch / "4G-changed.vmstate"
    for target in (copy, changed):
        shutil.copyfile(big, target)
    index = state_of(big).index_ram()
    block = max(index.blocks, key=lambda one: one.length)
    pages = np.random.default_rng(7).choice(block.pages, int(block.pages * _CHANGED), replace=False)
    with changed.open("r+b") as file:
        for place in block.locations[pages].tolist():
            file.seek(place + 100)
            file.write(bytes(64))
    return big, copy, changed


@case("compare RAM")
def ram(scratch: Path) -> list[Result]:
    """Compare 4 GiB with 5 % of the pages changed, against cmp on two equal files of that size."""
    big, copy, changed = changed_stream(scratch)
    ours, theirs = state_of(big).index_ram(), state_of(changed).index_ram()
    found = compare_ram(ours, theirs).pages_changed
    expected = int(max(block.pages for block in ours.blocks) * _CHANGED)
    if found != expected:
        raise RuntimeError(f"{found} pages differ, {expected} should")
    mine, cmp = alternate(
        lambda: compare_ram(ours, theirs), lambda: subprocess.run(["cmp", str(big), str(copy)], check=True), 5
    )
    figures = f"compare_ram {mine:.2f} s ({4 / mine:.1f} GiB/s a side), cmp {cmp:.2f} s ({4 / cmp:.1f} GiB/s a side)"
    return [Result("time against cmp: two states of 4 GiB, 5 % of the pages changed", figures, mine / cmp, 1.0)]
