"""Comparing two states: memory against `cmp`, disks against `qemu-img compare`, fields by the clock."""

from __future__ import annotations

import functools
import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.core import MIB, state_of, streams
from tests.bench.registry import Result, alternate, case
from tests.machines import Machine
from vmsnap_gui.compare.disk import DiskSide, compare_disks
from vmsnap_gui.compare.fields import compare_fields
from vmsnap_gui.compare.noise_file import default_noise
from vmsnap_gui.compare.ram import compare_ram
from vmsnap_gui.image.containers import open_image

if TYPE_CHECKING:
    from pathlib import Path

_CHANGED = 0.05
_MAPPED_GIB = 100


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


@case("compare fields")
def fields(scratch: Path) -> list[Result]:
    """Time opening, decoding and comparing all devices of two states of a machine that ran in between."""
    first, second = scratch / "first.vmstate", scratch / "second.vmstate"
    with Machine(["-M", "q35", "-m", "64", "-smp", "2", "-device", "e1000e"]) as machine:
        machine.stop()
        machine.migrate_to(first)
        machine.resume()
        machine.stop()
        machine.migrate_to(second)
    rules = default_noise()
    pair = state_of(first), state_of(second)
    whole, comparison = alternate(
        lambda: compare_fields(state_of(first), state_of(second), rules), lambda: compare_fields(*pair, rules), 15
    )
    figures = f"decode and compare {comparison * 1e3:.1f} ms, with opening {whole * 1e3:.1f} ms"
    sections = len(pair[0].sections)
    return [Result(f"milliseconds: all fields of two states of {sections} sections", figures, comparison * 1e3, 100)]


@functools.cache
def large_image(scratch: Path) -> Path:
    """Return a 1 TiB image with 100 GiB mapped and two snapshots; sparse: the clusters are allocated, not written."""
    path = scratch / "large.qcow2"
    _run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", path, f"{_MAPPED_GIB}G")
    _run("qemu-img", "resize", "-q", "-f", "qcow2", path, "1T")
    _run("qemu-img", "snapshot", "-c", "one", path)
    writes = [word for at in range(0, _MAPPED_GIB, 2) for word in ("-c", f"write -q -P 7 {at}G 1M")]
    _run("qemu-io", "-f", "qcow2", *writes, path)
    _run("qemu-img", "snapshot", "-c", "two", path)
    return path


@case("compare disks")
def disks(scratch: Path) -> list[Result]:
    """Compare two snapshots by mapping, against qemu-img compare on two equal images, for each mapped GiB."""
    path = large_image(scratch)
    equal = [scratch / "equal-a.qcow2", scratch / "equal-b.qcow2"]
    for one in equal:
        _run("qemu-img", "create", "-q", "-f", "qcow2", one, "1G")
        _run("qemu-io", "-f", "qcow2", "-c", "write -q -P 9 0 1G", one)

    def compare() -> int:
        with closing(open_image(path)) as image:
            a, b = (DiskSide(image, snapshot) for snapshot in image.snapshots)
            return compare_disks(a, b).bytes_changed

    changed = compare()
    if changed != _MAPPED_GIB // 2 * MIB:
        raise RuntimeError(f"{changed} bytes differ")
    by_qemu = ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", *equal]
    ours, theirs = alternate(compare, lambda: _run(*by_qemu), 5)
    figures = f"1 TiB with {_MAPPED_GIB} GiB mapped {ours:.3f} s, qemu-img compare {theirs:.3f} s for 1 GiB"
    return [
        Result("seconds: two snapshots of a 1 TiB image", figures, ours, 1.0),
        Result(
            "times faster for each mapped GiB than qemu-img compare", figures, theirs / (ours / _MAPPED_GIB), 100,
            at_least=True,
        ),
    ]  # fmt: skip


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
