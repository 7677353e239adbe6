"""Machines that the tests start in QEMU, saved while they stand still, against what QEMU says about them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.end2end.matrix import MATRIX, MEMORY, SMALL, Model, running
from tests.end2end.registers import assert_registers
from tests.end2end.states import (
    assert_all_bytes_covered,
    assert_same,
    assert_stream_covered,
    by_key,
    ram_of,
    show,
    stream_of,
    vmsnap,
)
from tests.vmstate.checks import check_saved_again
from vmsnap_gui.vmstate.devices import open_state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.machines import Machine

TAG = "stopped"


def check(model: Model, directory: Path) -> None:
    """Save a machine as a snapshot and as a stream, and compare everything with QEMU's own word."""
    stream = directory / "stream.vmstate"
    with running(model, directory) as machine:
        registers = machine.registers()
        memory = guest_memory(machine)
        nodes = [node for node in ("disk0", "disk1", "stick") if (directory / f"{node}.qcow2").exists()]
        machine.snapshot_save(TAG, vmstate="disk0", devices=nodes)
        machine.migrate_to(stream)
        assert machine.registers() == registers
    image = directory / "disk0.qcow2"
    for path, tag in ((image, TAG), (stream, None)):
        tail, forward = show(path, tag, "--spans"), show(path, tag, "--spans", "--forward")
        assert tail["problems"] == []
        assert_same(tail, forward)
        assert_all_bytes_covered(tail)
        assert_all_bytes_covered(forward)
        assert_stream_covered(path, tag)
        assert check_saved_again(open_state(stream_of(path, tag))) > 10
        names = [section["name"] for section in tail["sections"]]
        assert [part for part in model.sections if not any(part in name for name in names)] == []
        assert assert_registers(tail, registers) > 90 * model.processors
        assert_memory(model, path, tag, memory)
    assert_same_fields(show(image, TAG), show(stream, None))
    for path in (image, *(directory / f"{node}.qcow2" for node in nodes[1:])):
        assert_listed_as_by_qemu(path)


def guest_memory(machine: Machine) -> list[tuple[int, bytes]]:
    """Return (address, bytes) of main memory around the hole for video memory and firmware."""
    return [(start, machine.memory(start, end - start)) for start, end in ((0, 640 << 10), (1 << 20, MEMORY))]


def assert_memory(model: Model, path: Path, tag: str | None, memory: list[tuple[int, bytes]]) -> None:
    index = ram_of(path, tag)
    block = index.block(model.ram_block)
    assert block.length == MEMORY
    for address, data in memory:
        assert any(data)
        assert index.read(block, address, len(data)) == data, f"memory from {address:#x} on differs"


def assert_same_fields(snapshot: dict[str, object], stream: dict[str, object]) -> None:
    """Compare the two states of one stopped machine: the same sections with the same fields."""
    ours, theirs = by_key(snapshot), by_key(stream)
    assert list(ours) == list(theirs)
    for key, section in ours.items():
        assert section["fields"] == theirs[key]["fields"], key
        assert section["size"] == theirs[key]["size"], key


def assert_listed_as_by_qemu(path: Path) -> None:
    command = ["qemu-img", "info", "--output=json", "-f", "qcow2", str(path)]
    info = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    (ours,) = vmsnap("list", path)
    assert (ours["format"], ours["virtual_size"]) == (info["format"], info["virtual-size"])
    assert (ours["cluster_size"], ours["in_use"]) == (info["cluster-size"], False)
    for found, told in zip(ours["snapshots"], info["snapshots"], strict=True):
        assert (found["id"], found["tag"]) == (told["id"], told["name"])
        assert (found["date_sec"], found["date_nsec"]) == (told["date-sec"], told["date-nsec"])
        assert found["vm_clock_ns"] == told["vm-clock-sec"] * 10**9 + told["vm-clock-nsec"]
        assert (found["vm_state_size"], found["icount"]) == (told["vm-state-size"], told.get("icount"))


@pytest.mark.qemu
def test_a_stopped_machine_is_read_as_qemu_shows_it(tmp_path: Path) -> None:
    check(SMALL, tmp_path)


@pytest.mark.qemu
@pytest.mark.verify
@pytest.mark.parametrize("model", MATRIX, ids=lambda model: model.name)
def test_every_device_is_read_as_qemu_shows_it(model: Model, tmp_path: Path) -> None:
    check(model, tmp_path)
