"""What a running QEMU refuses, or fails at: its own reason is told, and the state that things are in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.control.live_machines import DISK, Live, failing, live
from tests.machines.monitor import JobError
from vmsnap_gui.control.plan import Plan, Step, Target
from vmsnap_gui.control.quarantine import quarantine_of
from vmsnap_gui.control.terms import Choice, Ending, Hindrance, StepKind

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def nothing_held(machine: Live) -> bool:
    return all(quarantine_of(path) is None for path in machine.paths.values())


def unblocked(plan: Plan, like: Plan) -> Plan:
    """Return a plan that is carried out although something is in its way; `like` has the steps."""
    return replace(plan, steps=like.steps, blockers=(), seen=like.seen)


def test_a_failed_save_and_a_failed_load_are_taken_back(tmp_path: Path) -> None:
    options = failing(tmp_path / "disk0.qcow2", "disk0", "vmstate_save", "vmstate_load")
    with live(tmp_path, 2, options=[options]) as machine:
        first = machine.seen()
        outcome = machine.carry_out(machine.plan_take("first"))
        assert (outcome.ending, outcome.status) == (Ending.FAILED, "running")
        assert outcome.error == "QEMU did not save: Error while writing VM state: Input/output error"
        assert machine.snapshots() == {"disk0": [], "disk1": []}
        assert nothing_held(machine)
        assert machine.seen() == first

        machine.done(machine.plan_take("first"))
        machine.change()
        second = machine.seen()
        outcome = machine.carry_out(machine.plan_restore("first", safety=True))
        assert (outcome.ending, outcome.status) == (Ending.ROLLED_BACK, "running")
        assert outcome.error is not None
        assert outcome.error.startswith("QEMU did not restore: Error -22 while loading VM state; disk0.qcow2, disk1.q")
        assert machine.snapshots() == {"disk0": [("1", "first")], "disk1": [("1", "first")]}
        assert nothing_held(machine)
        assert machine.seen() == second
        machine.done(machine.plan_restore("first"))
        assert machine.seen() == first


@pytest.mark.verify
def test_a_failed_load_without_a_safety_snapshot_stands_still(tmp_path: Path) -> None:
    options = [
        failing(tmp_path / "disk0.qcow2", "disk0", "vmstate_load"),
        failing(tmp_path / "disk1.qcow2", "disk1", "cluster_alloc"),
    ]
    with live(tmp_path, 2, options=options) as machine:
        first = machine.seen()
        outcome = machine.carry_out(machine.plan_take("first"))
        assert outcome.error == "QEMU did not save: Could not create snapshot 'first' on 'disk1'"
        assert machine.snapshots() == {"disk0": [], "disk1": []}
        machine.done(machine.plan_take("first"))
        machine.change()
        outcome = machine.carry_out(machine.plan_restore("first"))
        assert (outcome.ending, outcome.status) == (Ending.STUCK, "paused")
        assert outcome.error == (
            "QEMU did not restore: Error -22 while loading VM state; disk0.qcow2, disk1.qcow2 went back before that, "
            "its memory is lost, and the machine stands still: do not let it run on"
        )
        for disk in outcome.disks:
            assert disk.text == "the disk has gone back to 'first' (id 1); no snapshot was changed"
            assert len(disk.finish) == 1
            assert "snapshot-load" in disk.finish[0][0]
        assert machine.done(machine.plan_restore("first")).status == "paused"
        machine.vm.resume()
        assert machine.seen() == first
        with pytest.raises(JobError, match="does not exist"):  # by another hand: QEMU leaves the machine so
            machine.vm.snapshot_load("none", vmstate="disk0", devices=["disk0"])
        assert [one.kind for one in machine.plan_take("broken").blockers] == [Hindrance.MONITOR]
        machine.vm.resume()
        assert machine.seen() == first


def test_a_snapshot_that_is_missing_on_one_disk(tmp_path: Path) -> None:
    with live(tmp_path, 2) as machine:
        machine.vm.snapshot_save("part", vmstate="disk0", devices=["disk0"])
        first = machine.seen()
        machine.change()
        second = machine.seen()
        plan = machine.plan_restore("part")
        assert [(one.kind, one.path, one.choice) for one in plan.blockers] == [
            (Hindrance.MISSING, machine.paths["disk1"], Choice.LEAVE_OUT)
        ]
        machine.done(machine.plan_take("all"))
        like = machine.plan_restore("all")
        (step,) = like.steps
        step = replace(step, targets=tuple(replace(target, tag="part") for target in step.targets))
        outcome = machine.carry_out(unblocked(plan, replace(like, steps=(step,))))
        assert (outcome.ending, outcome.status) == (Ending.FAILED, "running")
        assert outcome.error == (
            "QEMU did not restore: Snapshot 'part' does not exist in one or more devices; nothing was changed"
        )
        assert nothing_held(machine)
        assert machine.seen() == second

        plan = machine.plan_restore("part", Choice.LEAVE_OUT)
        assert plan.warnings[0].startswith("disk1.qcow2 stays as it is now: it lacks this snapshot")
        machine.done(plan)
        now = machine.seen()
        assert (now.memory, now.registers) == (first.memory, first.registers)
        assert now.disks == {"disk0": first.disks["disk0"], "disk1": second.disks["disk1"]}


@pytest.mark.verify
def test_a_dirty_bitmap_stops_a_load_half_way(tmp_path: Path) -> None:
    with live(tmp_path, 2) as machine:
        machine.done(machine.plan_take("first"))
        machine.change()
        second = machine.seen()
        like = machine.plan_restore("first", safety=True)
        machine.vm.qmp("block-dirty-bitmap-add", node="disk1", name="backup")
        (blocker,) = machine.plan_restore("first").blockers
        assert (blocker.kind, blocker.path) == (Hindrance.BITMAPS, machine.paths["disk1"])
        outcome = machine.carry_out(like)
        assert outcome.ending is Ending.STUCK
        assert outcome.status == "paused"
        assert outcome.error == (
            "QEMU did not restore: Could not load snapshot 'first' on 'disk1': Device has active dirty bitmaps; "
            "disk0.qcow2 went back before that, its memory is as it was, and the machine stands still: "
            "do not let it run on"
        )
        assert [disk.text.partition(";")[0] for disk in outcome.disks] == [
            "the disk has gone back to 'first' (id 1)",
            "the disk is as it was",
        ]
        restore = ("vmsnap", "restore", machine.address, f"tag:{like.safety}", "--no-safety")
        commands = (restore, ("vmsnap", "delete", machine.address, f"tag:{like.safety}"))
        assert [disk.finish for disk in outcome.disks] == [commands, commands]
        machine.vm.qmp("block-dirty-bitmap-remove", node="disk1", name="backup")
        machine.done(machine.plan_restore(f"tag:{like.safety}"))
        machine.vm.resume()
        assert machine.seen() == second
        machine.vm.qmp("block_resize", node_name="disk1", size=2 * DISK)
        (blocker,) = machine.plan_restore("first").blockers
        assert (blocker.kind, blocker.path) == (Hindrance.RESIZED, machine.paths["disk1"])


def test_a_device_that_cannot_be_saved(tmp_path: Path) -> None:
    nvme = ["-drive", "if=none,id=n,driver=null-co,size=1M", "-device", "nvme,serial=1,drive=n"]
    with live(tmp_path, 1, *nvme) as machine:
        found = machine.survey()
        assert {disk.unfit for disk in found.disks} == {None, "it is null-co, and null-co disks hold no snapshots"}
        plan = machine.plan_take("first", Choice.LEAVE_OUT)
        (blocker,) = plan.blockers
        assert blocker.kind is Hindrance.UNMIGRATABLE
        assert blocker.text == "QEMU cannot save this machine: non-migratable device: 0000:00:02.0/nvme."
        target = Target(path=machine.paths["disk0"], tag="first", node="disk0")
        step = Step(kind=StepKind.LIVE_TAKE, targets=(target,), text="Take it all the same", command=())
        outcome = machine.carry_out(replace(plan, steps=(step,), blockers=()))
        assert (outcome.ending, outcome.status) == (Ending.FAILED, "running")
        assert outcome.error == "QEMU did not save: State blocked by non-migratable device '0000:00:02.0/nvme'"
        assert nothing_held(machine)
