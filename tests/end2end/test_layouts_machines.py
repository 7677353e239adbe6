"""States of real machines that do not describe themselves, by what describes others."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.end2end.registers import assert_registers
from tests.end2end.states import show
from tests.image.tools import run
from tests.machines.machine import Machine
from tests.vmstate.checks import check_saved_again, check_state
from tests.vmstate.test_siblings import trees
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.fields import to_json
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.snapshots import open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def save(path: Path, machine: str, tag: str, *more: str) -> str:
    """Save a snapshot of a machine that has run; return its registers then."""
    drive = f"if=ide,format=qcow2,node-name=disk,file={path}"
    with Machine(["-M", machine, "-m", "16", "-drive", drive, *more]) as vm:
        vm.stop()
        vm.snapshot_save(tag, vmstate="disk", devices=["disk"])
        return vm.registers()


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_a_snapshot_is_described_by_one_beside_it(machine: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", path, "16M")
    registers = save(path, f"{machine},suppress-vmdesc=on", "bare")
    with closing(open_image(path)) as image:
        alone = open_snapshot(image, image.snapshots[0])
        assert not any(alone.is_described(s) for s in alone.sections if s.type is SectionType.FULL)
    save(path, machine, "full")
    with closing(open_image(path)) as image:
        bare, full = (open_snapshot(image, snapshot) for snapshot in image.snapshots)
        check_state(bare)
        assert check_saved_again(bare) == len(trees(bare)) == len(trees(full))
        assert "snapshot 'full'" in bare.problems[0].message
    assert assert_registers(show(path, "bare"), registers) > 30


def test_memory_slots_that_the_stream_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with Machine(["-M", "pc-i440fx-2.2", "-m", "128,slots=4,maxmem=1G", "-S"]) as vm:
        vm.migrate_to(path)
    with closing(open_image(path)) as image:
        state = open_snapshot(image, image.snapshots[0])
        check_state(state)
        (power,) = (section for section in state.sections if section.name.endswith("piix4_pm"))
        found = to_json(state.decode(power))
        assert isinstance(found, dict)
        assert len(found["piix4_pm/memhp"]["acpi_memory_hotplug"]["devs"]) == 4
        assert len(found["acpi_pci_hotplug.acpi_pcihp_pci_status"]) == 256
        assert state.sections[-1].end == state.view.size - 1
