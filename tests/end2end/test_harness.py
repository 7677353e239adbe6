"""The tests' own machines: what must be right for the other tests to mean anything."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from qemu.qmp import ExecuteError

from tests.machines import Machine, MachineError
from tests.machines.guests import create_disk, disk_options, worker
from tests.machines.monitor import JobError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def tags(image: Path) -> list[str]:
    command = ["qemu-img", "info", "-f", "qcow2", "--output=json", str(image)]
    info = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [snapshot["name"] for snapshot in info.get("snapshots", [])]


def test_snapshots_are_taken_loaded_and_deleted_and_failures_told(tmp_path: Path) -> None:
    image = create_disk(tmp_path / "disk.qcow2", worker(), 1 << 20)
    disk = [*disk_options(image, "disk0"), "-device", "ide-hd,bus=ide.0,drive=disk0"]
    with Machine(["-M", "pc", "-m", "16", "-nodefaults", *disk]) as machine:
        machine.wait_marks(b"R")
        machine.stop()
        machine.snapshot_save("one", vmstate="disk0", devices=["disk0"])
        before = machine.registers()
        machine.resume()
        machine.stop()
        machine.snapshot_save("two", vmstate="disk0", devices=["disk0"])
        machine.snapshot_load("one", vmstate="disk0", devices=["disk0"])
        assert machine.registers() == before
        with pytest.raises(JobError, match="no such tag"):
            machine.snapshot_load("no such tag", vmstate="disk0", devices=["disk0"])
        with pytest.raises(JobError, match="already"):
            machine.snapshot_save("one", vmstate="disk0", devices=["disk0"])
        with pytest.raises(ExecuteError):
            machine.qmp("no-such-command")
        machine.snapshot_delete("one", devices=["disk0"])
        assert machine.qmp("query-jobs") == []
        process = machine._process
    assert process.returncode == 0
    assert tags(image) == ["two"]


def test_a_machine_that_cannot_start_says_why() -> None:
    with pytest.raises(MachineError, match="nonsense"):
        Machine(["-M", "pc", "-device", "nonsense"])


def test_a_machine_is_killed_when_a_test_fails_in_it() -> None:
    machine = Machine(["-M", "none"], marks=False)

    def fail() -> None:
        with machine:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert machine._process.returncode == -9


def test_qemus_end_is_seen_while_waiting_for_the_guest() -> None:
    with Machine(["-M", "pc", "-S"]) as machine:
        machine._process.kill()
        with pytest.raises(MachineError, match="ended before the guest sent"):
            machine.wait_marks(b"R")
        machine.kill()
