"""What a real guest changed between two snapshots is found, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.compare.machines import (
    CLUSTER,
    DISK,
    PAGE,
    REGISTERS,
    SECTORS,
    known_pages,
    recorded,
)
from tests.end2end.matrix import SMALL, running
from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.disk import DiskSide, compare_disks
from vmsnap_gui.compare.fields import FieldComparison, compare_fields
from vmsnap_gui.compare.noise_file import BUILT_IN, load_noise
from vmsnap_gui.compare.ram import compare_ram, page_bytes
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.vmstate.devices import VMState, open_state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def state(tag: str, image: Path | None = None) -> VMState:
    opened = open_image(image or recorded().image)
    return open_state(opened.vm_state(select_snapshot(opened, f"tag:{tag}")))


def fields(a: VMState, b: VMState, *, noise: bool = True) -> FieldComparison:
    return compare_fields(a, b, load_noise(BUILT_IN) if noise else None)


def test_exactly_the_known_registers_differ() -> None:
    found = fields(state("before"), state("after"))
    assert {s.key: tuple(f.path for f in s.fields) for s in found.sections if s.status.differs} == {"cpu": REGISTERS}
    registers = next(s for s in found.sections if s.key == "cpu").fields
    assert [(f.a.value, f.b.value) for f in registers[1:3] if f.a and f.b] == [
        (0x11111111, 0x77777777), (0x44444444, 0x88888888),
    ]  # fmt: skip


def test_what_else_differs_is_named_by_a_rule() -> None:
    found = fields(state("before"), state("after"))
    others = [s for s in found.sections if s.fields and s.key != "cpu"]
    named = {s.key for s in others}
    assert "timer" in named
    assert named <= {"timer", "mc146818rtc"}  # a second of the host's time may have ended, or not
    assert all(s.status is Status.SAME_WHEN_FILTERED for s in others)
    assert all(f.rule is not None and f.rule.reason for s in others for f in s.fields)
    unfiltered = fields(state("before"), state("after"), noise=False)
    assert {s.key for s in unfiltered.sections if s.status.differs} == {*named, "cpu"}


def test_a_machine_that_stands_still_does_not_differ(tmp_path: Path) -> None:
    found = fields(state("before"), state("again"))
    assert not found.differs
    assert compare_ram(state("before").index_ram(), state("again").index_ram()).pages_changed == 0
    with running(SMALL, tmp_path) as machine:
        for tag in ("one", "two"):
            machine.snapshot_save(tag, vmstate="disk0", devices=["disk0", "disk1"])
    a, b = (state(tag, tmp_path / "disk0.qcow2") for tag in ("one", "two"))
    found = fields(a, b)
    assert not found.differs, [(s.key, [f.path for f in s.fields if f.rule is None]) for s in found.sections]
    assert compare_ram(a.index_ram(), b.index_ram()).pages_changed == 0


def test_exactly_the_known_pages_differ() -> None:
    result = compare_ram(state("before").index_ram(), state("after").index_ram())
    (block,) = (one for one in result.blocks if one.differing)
    assert block.name == "pc.ram"
    for name, pages in known_pages().items():
        change = Change[name.upper()]
        assert np.flatnonzero(block.changes == change).tolist() == sorted(pages), name
    assert result.pages_changed == sum(map(len, known_pages().values()))


@pytest.mark.parametrize(("first", "second"), [("before", "after"), ("after", "before")])
def test_memory_is_what_comparing_pmemsave_files_tells(first: str, second: str) -> None:
    memory = {"before": recorded().before, "after": recorded().after}
    ours, theirs = (np.frombuffer(memory[tag], np.uint8).reshape(-1, PAGE) for tag in (first, second))
    a, b = state(first).index_ram(), state(second).index_ram()
    result = compare_ram(a, b)
    (block,) = (one for one in result.blocks if one.name == "pc.ram")
    counts = (ours != theirs).sum(axis=1)
    assert np.array_equal(block.bytes_changed, counts)
    assert np.array_equal(block.changes != Change.SAME, counts > 0)
    for page in (*block.differing_pages()[:3].tolist(), 0):
        shown = page_bytes(a, b, block, page)
        assert (shown.a, shown.b) == (ours[page].tobytes(), theirs[page].tobytes())
        unlike = [at for start, count in shown.ranges for at in range(start, start + count)]
        assert unlike == np.flatnonzero(ours[page] != theirs[page]).tolist()


def disk_sides(first: str, second: str, path: Path | None = None) -> tuple[DiskSide, DiskSide]:
    image = open_image(path or recorded().image)
    a, b = (DiskSide(image, select_snapshot(image, f"tag:{tag}")) for tag in (first, second))
    return a, b


def test_exactly_the_known_clusters_differ() -> None:
    result = compare_disks(*disk_sides("before", "after"))
    clusters = sorted({sector * 512 // CLUSTER for sector in SECTORS})
    told = [
        at // CLUSTER for start, size in result.ranges.merged().tolist() for at in range(start, start + size, CLUSTER)
    ]
    assert told == clusters
    assert (result.read_data, result.units_changed(), result.bytes_changed) == (False, 4, 4 * CLUSTER)
    assert set(result.ranges.kinds.tolist()) == {Change.CHANGED}


def test_the_disk_is_what_comparing_converted_images_tells() -> None:
    ours, theirs = (np.frombuffer(recorded().disk(tag), np.uint8) for tag in ("before", "after"))
    unlike = ours != theirs
    result = compare_disks(*disk_sides("before", "after"), read_data=True)
    sectors = np.flatnonzero(unlike.reshape(-1, 512).any(axis=1)).tolist()
    assert sectors == list(SECTORS)
    told = [at // 512 for start, size in result.ranges.merged().tolist() for at in range(start, start + size, 512)]
    assert told == sectors
    assert result.bytes_changed == int(unlike.sum())


def test_another_image_is_compared_by_content(tmp_path: Path) -> None:
    copy = tmp_path / "copy.qcow2"
    options = ["-f", "qcow2", "-O", "qcow2", "-l", "snapshot.name=before", "-o", "cluster_size=4k"]
    subprocess.run(["qemu-img", "convert", *options, str(recorded().image), str(copy)], check=True)
    other = DiskSide(open_image(copy), None)
    before, after = disk_sides("before", "after")
    same, changed = compare_disks(before, other), compare_disks(after, other)
    assert (same.differs, same.read_data) == (False, True)
    assert changed.ranges.starts.tolist() == [200 * 512, 1000 * 512, 5000 * 512, 20000 * 512]
    assert changed.ranges.lengths.tolist() == [512, 512, 1024, 512]


def test_a_resized_disk(tmp_path: Path) -> None:
    path = tmp_path / "resized.qcow2"
    shutil.copy(recorded().image, path)
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", str(path), str(2 * DISK)], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 7 {DISK + CLUSTER} 64k", str(path)], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "larger", str(path)], check=True)
    result = compare_disks(*disk_sides("after", "larger", path), read_data=True)
    assert (result.size_a, result.size_b) == (DISK, 2 * DISK)
    assert result.ranges.merged().tolist() == [[DISK, DISK]]
    assert result.ranges.kinds.tolist() == [Change.ONLY_B]
    back = compare_disks(*disk_sides("larger", "before", path))
    assert back.bytes_of(Change.ONLY_A) == DISK
    assert back.bytes_of(Change.CHANGED) == 4 * CLUSTER
