"""Taking, restoring and deleting on a running QEMU: by the guest's memory, registers and disks, not by names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.control.live_machines import live
from tests.image.tools import MIB, create
from vmsnap_gui.control.terms import Choice, Ending, Hindrance, Reach

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def test_one_disk_there_and_back(tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        found = machine.survey()
        assert (found.reach, found.status, found.pid) == (Reach.QMP, "running", machine.vm.pid)
        assert [(disk.path, disk.node, disk.unfit) for disk in found.disks] == [(machine.paths["disk0"], "disk0", None)]
        first = machine.seen()
        taken = machine.done(machine.plan_take("first"))
        assert (taken.ending, taken.status) == (Ending.DONE, "running")
        assert [disk.text for disk in taken.disks] == ["'first' (id 1) was taken"]
        assert machine.log.steps == ["1/1 live take"]
        assert machine.log.written_bytes
        assert machine.seen() == first

        machine.change()
        second = machine.seen()
        assert second.memory != first.memory
        assert second.registers != first.registers
        assert second.disks != first.disks
        plan = machine.plan_restore("first", safety=True)
        assert plan.losses == ()
        back = machine.done(plan)
        assert (back.ending, back.status, machine.status()) == (Ending.DONE, "running", "running")
        assert back.disks[0].text == (
            f"the disk has gone back to 'first' (id 1), as the memory has; {plan.safety!r} (id 2) was taken"
        )
        assert machine.seen() == first

        undone = machine.done(machine.plan_restore(f"tag:{plan.safety}"))
        assert undone.status == "running"
        assert machine.seen() == second


def test_a_machine_that_stands_still_stays_so(tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        machine.vm.stop()
        first = machine.seen()
        plan = machine.plan_take("first")
        assert plan.cost.pause is None  # it stands still anyway
        assert machine.done(plan).status == "paused"
        machine.vm.resume()
        machine.change()
        machine.vm.stop()
        plan = machine.plan_restore("first")
        assert "The machine stands still (paused), and does so afterwards." in plan.warnings
        assert plan.losses == ("The machine as it is now: its memory, and what is on its disks.",)
        assert machine.done(plan).status == "paused"
        assert machine.seen() == first
        machine.vm.resume()
        machine.change()
        second = machine.seen()

        machine.vm.qmp("set-action", reboot="shutdown", shutdown="pause")
        machine.vm.qmp("system_reset")
        machine.vm.monitor.wait_named("SHUTDOWN")
        plan = machine.plan_restore("first")
        assert plan.warnings == (
            "The guest has come to an end (shutdown): it is reset first, and stands still afterwards.",
        )
        outcome = machine.carry_out(plan)  # a reset is not what this machine does
        assert outcome.error == "the guest has come to an end, and QEMU does not reset it"
        assert (outcome.ending, machine.status()) == (Ending.FAILED, "shutdown")
        machine.vm.qmp("set-action", reboot="reset")
        assert machine.done(plan).status == "prelaunch"
        assert machine.seen() == first
        machine.vm.resume()
        machine.change()
        assert machine.seen() == second


def test_three_disks_one_of_them_read_only(tmp_path: Path) -> None:
    read_only = create(tmp_path / "cd.qcow2", MIB)
    drive = f"file={read_only},format=qcow2,if=none,id=cd,readonly=on"
    with live(tmp_path, 2, "-drive", drive, "-device", "virtio-blk,drive=cd") as machine:
        assert {disk.node: disk.unfit for disk in machine.survey().disks if disk.path == read_only}.popitem()[1] == (
            "it is read-only"
        )
        first = machine.seen()
        plan = machine.plan_take("first")
        assert plan.warnings == ()  # nothing is lost by leaving it out
        assert plan.cost.pause is not None
        assert {seen.path for seen in plan.seen} == set(machine.paths.values())
        machine.done(plan)
        machine.change()
        second = machine.seen()
        machine.done(machine.plan_take("second"))
        machine.write("disk1", 9)
        machine.done(machine.plan_restore("first"))
        assert machine.seen() == first
        machine.done(machine.plan_restore("second"))
        assert machine.seen() == second

        machine.done(machine.plan_take("third"))
        before = {node: machine.everything(node) for node in machine.paths}
        plan = machine.plan_delete("second")
        assert plan.cost.frees is not None
        assert plan.cost.frees > 0
        gone = machine.done(plan)
        assert gone.status == "running"
        for node, snapshots in before.items():
            del snapshots["2", "second"]
            assert machine.everything(node) == snapshots
        machine.done(machine.plan_restore("first"))
        assert machine.seen() == first


def test_three_disks_one_of_them_raw(tmp_path: Path) -> None:
    raw = tmp_path / "data.raw"
    raw.write_bytes(b"raw" * 1024)
    drive = f"file={raw},format=raw,if=none,id=data"
    with live(tmp_path, 2, "-drive", drive, "-device", "virtio-blk,drive=data") as machine:
        plan = machine.plan_take("first")
        (blocker,) = plan.blockers
        assert (blocker.kind, blocker.choice, blocker.path) == (Hindrance.UNFIT, Choice.LEAVE_OUT, raw)
        assert plan.steps == ()
        assert "Error: Device 'data' is writable but does not support snapshots" in machine.vm.hmp("savevm first")

        first = machine.seen()
        plan = machine.plan_take("first", Choice.LEAVE_OUT)
        left_out = "data.raw is left out: after a restore it will be of another time than the rest"
        assert plan.warnings[0].startswith(left_out)
        machine.done(plan)
        machine.change()
        assert [one.path for one in machine.plan_restore("first").blockers] == [raw]
        plan = machine.plan_restore("first", Choice.LEAVE_OUT)
        assert plan.warnings == ("data.raw stays as it is now: it lacks this snapshot, and may not fit the memory.",)
        machine.done(plan)
        assert machine.seen() == first


def test_replacing_deletes_the_old_one_first(tmp_path: Path) -> None:
    drive = ["-drive", f"file={tmp_path / 'disk1.qcow2'},if=none,id=disk1,format=qcow2"]  # node names of QEMU's own
    with live(tmp_path, 2, options=[None, drive]) as machine:
        assert {disk.node for disk in machine.survey().disks} > {"disk0"}
        machine.done(machine.plan_take("same"))
        machine.done(machine.plan_take("other"))
        machine.change()
        second = machine.seen()
        plan = machine.plan_take("same")
        assert {(one.kind, one.choice) for one in plan.blockers} == {(Hindrance.EXISTS, Choice.REPLACE)}
        plan = machine.plan_take("same", Choice.REPLACE)
        assert plan.losses[-1] == "The old 'same' is deleted first: if the new one cannot be taken then, there is none."
        machine.done(plan)
        assert machine.log.steps == ["1/3 live delete", "2/3 live delete", "3/3 live take"]
        machine.write("disk1", 9)
        machine.done(machine.plan_restore("same"))
        assert machine.seen() == second


@pytest.mark.verify
def test_memory_that_lies_on_another_disk(tmp_path: Path) -> None:
    with live(tmp_path, 2) as machine:
        first = machine.seen()
        machine.vm.snapshot_save("first", vmstate="disk1", devices=["disk0", "disk1"])
        machine.change()
        plan = machine.plan_restore("first")
        assert [target.node for target in plan.steps[0].targets] == ["disk1", "disk0"]
        machine.done(plan)
        assert machine.seen() == first
