"""What becomes of an operation that fails, is refused, or is killed half-way: all of it with the real tools."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.control.doing import (
    bytes_per_file,
    carry_out,
    contents,
    first_byte,
    hindrances,
    layered,
    plan_delete,
    plan_repair,
    plan_restore,
    plan_take,
    run_python,
    succeed,
    table,
    wait_for,
)
from tests.control.test_locks import exported
from tests.image.tools import MIB, opened, run, take, write
from tests.machines.machine import Machine
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.journal import interrupted, operations, settle
from vmsnap_gui.control.journal_entry import Mark
from vmsnap_gui.control.journal_place import folder
from vmsnap_gui.control.locks import holders
from vmsnap_gui.control.quarantine import judge, quarantine_of
from vmsnap_gui.control.reviewing import review
from vmsnap_gui.control.terms import Choice, Ending, Hindrance, StepKind, Verb
from vmsnap_gui.control.tools import read_with
from vmsnap_gui.image.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.control.plan import Step

pytestmark = pytest.mark.slow


@pytest.fixture
def disks(tmp_path: Path) -> tuple[Path, Path]:
    """Two disks with the same two snapshots; the second's file is by far the larger one."""
    first, second = layered(tmp_path / "first", "one", "two"), layered(tmp_path / "second", "one", "two", size=32 * MIB)
    write(second, "write -q -P 77 8M 16M")
    return first, second


class At:
    """Does something when a step begins."""

    def __init__(self, kind: StepKind, path: Path, action: Callable[[], object]) -> None:
        self.kind, self.path, self.action = kind, path, action

    def step(self, step: Step, number: int, count: int) -> None:
        if step.kind is self.kind and step.targets[0].path == self.path:
            self.action()

    def written(self, done: int, expected: int | None) -> None:
        """See Observer."""


def add_bitmap(path: Path) -> None:
    """Add what makes qemu-img refuse to return to a snapshot."""
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", path, "late")


def leave_one_hole(path: Path) -> None:
    """Leave one free cluster inside the file, so that a new snapshot's L1 table fits and its table's entry does not."""
    take(path, "hole")
    run("qemu-img", "snapshot", "-d", "hole", path)
    write(path, "write -q -P 5 24M 64k")


def test_a_take_without_room_on_the_second_disk_is_rolled_back(disks: tuple[Path, Path]) -> None:
    before = [contents(path) for path in disks]
    with bytes_per_file(disks[1].stat().st_size):
        outcome = carry_out(plan_take(*disks, tag="three"))
    assert outcome.ending is Ending.ROLLED_BACK
    assert "Could not create snapshot 'three': -27 (File too large)" in (outcome.error or "")
    assert [(disk.text, disk.quarantined, disk.finish) for disk in outcome.disks] == [("as before", False, ())] * 2
    assert [contents(path) for path in disks] == before
    assert operations() == ()
    succeed(plan_take(*disks, tag="three"))


def test_a_take_that_leaves_leaks_behind_is_rolled_back_and_repaired(disks: tuple[Path, Path]) -> None:
    leave_one_hole(disks[1])
    before = [contents(path) for path in disks]
    plan = plan_take(*disks, tag="three")
    with bytes_per_file(disks[1].stat().st_size):
        outcome = carry_out(plan)
    assert outcome.ending is Ending.ROLLED_BACK
    assert "File too large" in (outcome.error or "")
    assert [contents(path) for path in disks] == before
    assert [disk.quarantined for disk in outcome.disks] == [False, True]
    assert outcome.disks[0].text == "as before"
    assert "leaked clusters" in outcome.disks[1].text
    assert outcome.disks[1].finish == (("vmsnap", "check", str(disks[1]), "--repair"),)
    assert hindrances(plan_take(*disks, tag="three")) == [Hindrance.QUARANTINED]
    succeed(plan_take(disks[0], tag="alone"))

    repaired = succeed(plan_repair(disks[1]))
    assert "leaked clusters repaired; as before" in repaired.disks[0].text
    assert contents(disks[1]) == before[1]
    assert operations() == ()
    succeed(plan_take(*disks, tag="three"))
    assert plan_repair(*disks).steps == ()


def test_a_refused_restore_is_rolled_back_with_its_safety_snapshots(disks: tuple[Path, Path]) -> None:
    before = [contents(path) for path in disks]
    plan = plan_restore(*disks, which="one")
    outcome = carry_out(plan, At(StepKind.RESTORE, disks[1], lambda: add_bitmap(disks[1])))
    assert outcome.ending is Ending.ROLLED_BACK, outcome.as_json()
    assert "active dirty bitmaps" in (outcome.error or "")
    assert [disk.text for disk in outcome.disks] == ["as before", "as before"]
    assert [contents(path) for path in disks] == before
    assert operations() == ()


def test_a_restore_without_safety_gets_stuck_and_says_where(disks: tuple[Path, Path]) -> None:
    plan = plan_restore(*disks, which="one", safety=False)
    outcome = carry_out(plan, At(StepKind.RESTORE, disks[1], lambda: add_bitmap(disks[1])))
    assert outcome.ending is Ending.STUCK
    assert [disk.text for disk in outcome.disks] == ["the disk is as in 'one' (id 1)", "as before"]
    assert [first_byte(path) for path in disks] == [1, 3]
    assert outcome.disks[0].finish == ()
    run("qemu-img", "bitmap", "--remove", "-f", "qcow2", disks[1], "late")
    assert outcome.disks[1].finish == (plan.steps[-3].command,)
    run(*outcome.disks[1].finish[0])
    assert [first_byte(path) for path in disks] == [1, 1]


def test_a_delete_gets_stuck_on_a_disk_that_somebody_takes(disks: tuple[Path, Path]) -> None:
    plan = plan_delete(*disks, which=["one"])
    with ExitStack() as stack:
        taken = At(StepKind.DELETE, disks[1], lambda: stack.enter_context(exported(disks[1])))
        outcome = carry_out(plan, taken)
        assert outcome.ending is Ending.STUCK
        assert "it is in use by qemu-nbd (process" in (outcome.error or "")
        assert [disk.text for disk in outcome.disks] == ["'one' (id 1) was deleted", "as before"]
        assert not any(disk.quarantined for disk in outcome.disks)
    assert [len(disk.finish) for disk in outcome.disks] == [0, 1]
    run(*outcome.disks[1].finish[0])
    assert [row[1] for row in table(disks[1])] == ["two"]
    assert operations() == ()


def test_every_delete_that_is_left_is_named_in_order(disks: tuple[Path, Path]) -> None:
    plan = plan_delete(*disks, which=["one", "two"])
    with ExitStack() as stack:
        taken = At(StepKind.DELETE, disks[1], lambda: stack.enter_context(exported(disks[1])))
        outcome = carry_out(plan, taken)
    assert outcome.ending is Ending.STUCK
    deletes = [step for step in plan.steps if step.kind is StepKind.DELETE]
    left = {disk.path: disk.finish for disk in outcome.disks}
    for path in disks:
        rest = [step.command for step in deletes[1:] if step.targets[0].path == path]
        assert left[path] == tuple(rest)
        for command in rest:
            run(*command)
    assert [table(path) for path in disks] == [[], []]


def test_a_stuck_restore_of_a_damaged_image_names_the_repair_and_the_restore(disks: tuple[Path, Path]) -> None:
    take(disks[1], "late")
    plan = plan_restore(*disks, which="one", safety=False)
    restoring = At(StepKind.RESTORE, disks[1], lambda: (add_bitmap(disks[1]), damage(disks[1])))
    outcome = carry_out(plan, restoring)
    assert outcome.ending is Ending.STUCK
    assert outcome.disks[1].finish == (("vmsnap", "check", str(disks[1]), "--repair"), plan.steps[-3].command)
    assert outcome.as_json()["disks"][1]["finish"] == [list(command) for command in outcome.disks[1].finish]


def test_a_rollback_that_cannot_be_done_everywhere_says_what_is_left(disks: tuple[Path, Path]) -> None:
    before = contents(disks[0])
    plan = plan_restore(*disks, which="one")
    with ExitStack() as stack:
        taken = At(StepKind.RESTORE, disks[1], lambda: stack.enter_context(exported(disks[1])))
        outcome = carry_out(plan, taken)
    assert outcome.ending is Ending.STUCK
    assert [disk.text for disk in outcome.disks] == ["as before", f"{plan.safety!r} (id 3) was taken"]
    assert contents(disks[0]) == before
    assert outcome.disks[1].finish == (("vmsnap", "delete", str(disks[1]), f"tag:{plan.safety}"),)
    assert first_byte(disks[1]) == 3
    assert wait_for(judge(disks[1])) is None


def test_a_rollback_leaves_an_image_alone_that_another_process_holds_by_then(disks: tuple[Path, Path]) -> None:
    plan = plan_restore(*disks, which="one")
    seen: list[bytes] = []
    with ExitStack() as stack:

        def hold() -> None:
            add_bitmap(disks[1])  # so that this restore is refused
            file = stack.enter_context(disks[0].open("r+b"))  # without a lock, so that only a look at /proc tells
            writer = stack.enter_context(subprocess.Popen(["sleep", "60"], stdin=file))
            stack.callback(writer.kill)
            seen.append(disks[0].read_bytes())

        outcome = carry_out(plan, At(StepKind.RESTORE, disks[1], hold))
    assert outcome.ending is Ending.STUCK
    assert "it is in use by sleep (process" in outcome.details
    assert disks[0].read_bytes() == seen[0]
    assert [disk.quarantined for disk in outcome.disks] == [False, False]
    back = ("vmsnap", "restore", str(disks[0]), f"tag:{plan.safety}", "--no-safety")
    assert outcome.disks[0].finish == (back, ("vmsnap", "delete", str(disks[0]), f"tag:{plan.safety}"))
    assert (outcome.disks[1].text, outcome.disks[1].finish) == ("as before", ())
    succeed(plan_restore(disks[0], which=f"tag:{plan.safety}", safety=False))
    succeed(plan_delete(disks[0], which=[f"tag:{plan.safety}"]))
    assert [first_byte(path) for path in disks] == [3, 3]


def dying(place: Path, monkeypatch: pytest.MonkeyPatch, program: str, *, with_: str = "", after: bool = True) -> Path:
    """Have a program killed the first time that it is run with certain words, before or after its work.

    Returns what exists when it was killed.
    """
    place.mkdir()
    real, killed, script = shutil.which(program), place / "killed", place / program
    work = f'{real} "$@"\n' if after else ""
    spared = f"""[ -e {killed} ] || case "$*" in *'{with_}'*) false ;; esac"""
    script.write_text(f'#!/bin/sh\n{{ {spared}; }} && exec {real} "$@"\n{work}touch {killed}\nkill -9 $$\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return killed


@pytest.mark.parametrize("after", [False, True])
def test_replacing_never_ends_with_neither_snapshot(
    disks: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    plan = plan_take(*disks, tag="one", choices={Choice.REPLACE})
    before = [contents(path) for path in disks]
    killed = dying(tmp_path / "bin", monkeypatch, "qemu-storage-daemon", after=after)
    outcome = carry_out(plan)
    assert killed.exists()
    assert outcome.error == f"{disks[0]}: qemu-storage-daemon failed: it was ended by SIGKILL"
    assert not any(disk.quarantined for disk in outcome.disks)
    if not after:  # the old one is there, so the new one may go again
        assert outcome.ending is Ending.ROLLED_BACK
        assert [contents(path) for path in disks] == before
        return
    assert outcome.ending is Ending.STUCK
    assert table(disks[0]) == [("2", "two", 2), ("3", "one", 3)]
    assert table(disks[1]) == [("1", "one", 1), ("2", "two", 2), ("3", "one", 3)]
    assert [len(disk.finish) for disk in outcome.disks] == [0, 1]
    run(*outcome.disks[1].finish[0])
    assert table(disks[1]) == table(disks[0])


def again(path: Path, tag: str) -> None:
    """Have somebody else delete the last snapshot and take another one, which gets the same id."""
    (last,) = [one.id for one in opened(path).snapshots[-1:]]
    run("qemu-img", "snapshot", "-d", "two", path)
    write(path, "write -q -P 99 0 1M")
    take(path, tag)
    assert [(one.id, one.tag) for one in opened(path).snapshots[-1:]] == [(last, tag)]


@pytest.mark.parametrize("tag", ["another", "two"])
@pytest.mark.parametrize("verb", [Verb.RESTORE, Verb.DELETE])
def test_an_id_that_belongs_to_another_snapshot_by_now(disks: tuple[Path, Path], verb: Verb, tag: str) -> None:
    path, after = disks[0], list[bytes]()
    plan = plan_restore(path, which="two", safety=False) if verb is Verb.RESTORE else plan_delete(path, which=["two"])

    def replace() -> None:
        again(path, tag)
        after.append(path.read_bytes())

    outcome = carry_out(plan, At(plan.steps[1].kind, path, replace))
    assert outcome.error == f"{path}: 'two' (id 2) is not there any more"
    assert path.read_bytes() == after[0]
    assert [(disk.quarantined, disk.finish) for disk in outcome.disks] == [(False, ())]


def test_a_plan_that_is_no_longer_true(disks: tuple[Path, Path]) -> None:
    first, second = disks
    plans = [plan_take(*disks, tag="late"), plan_restore(*disks, which="one"), plan_delete(*disks, which=["two"])]
    take(second, "somebody else's")
    changed = second.read_bytes()
    for plan in plans:
        outcome = carry_out(plan)
        assert outcome.ending is Ending.FAILED
        assert f"{second}: it was changed since this was planned" in (outcome.error or "")
    assert second.read_bytes() == changed
    assert [row[1] for row in table(first)] == ["one", "two"]
    assert not list(folder().glob("*"))


def test_a_blocked_plan_is_never_carried_out(disks: tuple[Path, Path]) -> None:
    with pytest.raises(ControlError, match="something is in its way"):
        wait_for(execute(plan_take(*disks, tag="one")))


class Stop:
    """Wants an operation to end when a step of one kind begins."""

    def __init__(self, kind: StepKind) -> None:
        self.kind = kind

    def step(self, step: Step, number: int, count: int) -> None:
        if step.kind is self.kind:
            raise Cancelled

    def written(self, done: int, expected: int | None) -> None:
        """See Observer."""


def test_cancelling_works_before_the_first_write_only(disks: tuple[Path, Path]) -> None:
    before = [path.read_bytes() for path in disks]
    for kind in (StepKind.CHECK, StepKind.TAKE):
        with pytest.raises(Cancelled):
            carry_out(plan_restore(*disks, which="one"), Stop(kind))
    assert [path.read_bytes() for path in disks] == before
    assert operations() == ()
    succeed(plan_restore(*disks, which="one"), Stop(StepKind.RESTORE))


def require_refused(path: Path, who: str) -> None:
    """See that nothing is planned while somebody holds an image, and that it can be read all the same."""
    before = path.read_bytes()
    plans = [plan_take(path, tag="new"), plan_restore(path, which="one"), plan_delete(path, which=["one"])]
    for plan in [*plans, plan_repair(path)]:
        assert hindrances(plan) == [Hindrance.IN_USE]
        assert plan.blockers[0].path == path
        assert f"It is in use by {who} (process " in plan.blockers[0].text
    assert [one.tag for one in opened(path).snapshots] == ["one", "two"]
    assert opened(path).disk(opened(path).snapshots[0]).read(0, 2) == b"\1\1"
    assert path.read_bytes() == before


def test_an_image_that_qemu_nbd_holds(disks: tuple[Path, Path]) -> None:
    for options in ((), ("--read-only",)):
        plan = plan_take(disks[0], tag="new")
        with exported(disks[0], *options):
            require_refused(disks[0], "qemu-nbd")
            outcome = carry_out(plan)
            assert outcome.ending is Ending.FAILED
            assert "in use by qemu-nbd" in (outcome.error or "")
    succeed(plan_take(disks[0], tag="new"))


def test_an_image_that_another_qemu_img_holds(disks: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", "-r", "1k", disks[1], tmp_path / "copy"]
    with subprocess.Popen([str(word) for word in words]) as slow:
        while not any(one.locking for one in holders(disks[1])):
            assert slow.poll() is None
        require_refused(disks[1], "qemu-img")
        slow.kill()


def test_an_image_that_is_open_for_writing_without_a_lock(disks: tuple[Path, Path]) -> None:
    with disks[0].open("r+b") as file, subprocess.Popen(["sleep", "60"], stdin=file) as writer:
        require_refused(disks[0], "sleep")
        writer.kill()
    with disks[0].open("rb") as file, subprocess.Popen(["sleep", "60"], stdin=file) as reader:
        succeed(plan_take(disks[0], tag="new"))
        reader.kill()


@pytest.mark.qemu
def test_an_image_that_a_virtual_machine_holds(disks: tuple[Path, Path]) -> None:
    for more in ("", ",file.locking=off"):
        drive = f"file={disks[0]},format=qcow2,if=virtio{more}"
        with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive], marks=False):
            require_refused(disks[0], "qemu-system-x86")


_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from vmsnap_gui.control import planning
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.journal_entry import Operation
from vmsnap_gui.control.survey import survey_files

word, paths = sys.argv[1], [Path(one) for one in sys.argv[2:]]
if word == "before its entry goes":
    Operation.tidy = lambda operation: os.kill(os.getpid(), signal.SIGKILL)

class Dying:
    def step(self, step, number, count):
        self.now = step.text
        if word == "before " + step.kind.value:
            os.kill(os.getpid(), signal.SIGKILL)
    def written(self, done, expected):
        if self.now.startswith(word):
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    await execute(await planning.plan_take(survey_files(paths), "three"), Dying())

asyncio.run(main())
"""


def wait_for_the_tools() -> None:
    """Wait until no tool of an interrupted operation runs any more."""
    for operation in interrupted():
        for tool in operation.tools():
            try:
                watch = os.pidfd_open(tool.pid)
            except ProcessLookupError:
                continue
            ended = select.poll()
            ended.register(watch)
            assert ended.poll(60_000)
            os.close(watch)


def test_vmsnap_killed_before_it_wrote_anything(disks: tuple[Path, Path]) -> None:
    before = [path.read_bytes() for path in disks]
    assert run_python(_DIE, "before take", *disks).returncode == -signal.SIGKILL
    (one,) = wait_for(review())
    assert one.what == "take 'three'"
    assert [(disk.text, disk.quarantined) for disk in one.disks] == [("not touched", False)] * 2
    assert [path.read_bytes() for path in disks] == before
    settle(one.operation)
    assert operations() == ()
    assert not list(folder().iterdir())


def test_vmsnap_killed_when_all_was_done(disks: tuple[Path, Path]) -> None:
    assert run_python(_DIE, "before its entry goes", *disks).returncode == -signal.SIGKILL
    assert [operation.ended for operation in operations()] == ["done"]
    assert wait_for(review()) == ()
    assert not list(folder().iterdir())
    assert [table(path)[2][1:] for path in disks] == [("three", 3), ("three", 3)]


def test_vmsnap_killed_while_a_tool_writes(disks: tuple[Path, Path]) -> None:
    before = [contents(path) for path in disks]
    assert run_python(_DIE, f"Take 'three' of {disks[1].name}", *disks).returncode == -signal.SIGKILL
    (operation,) = interrupted()
    assert [image.mark for image in operation.images] == [Mark.DONE, Mark.WRITING]
    assert operation.tool is not None
    assert quarantine_of(disks[0]) is None
    held = quarantine_of(disks[1])
    assert held is not None
    assert held.what == "take 'three'"
    wait_for_the_tools()  # it was not ours to die: it ends its work
    (one,) = wait_for(review())
    assert one.step == f"Take 'three' of {disks[1].name}"
    assert [disk.quarantined for disk in one.disks] == [False, False]
    assert [table(path)[2][1:] for path in disks] == [("three", 3), ("three", 3)]
    assert [contents(path) | {"3": b""} for path in disks] == [one | {"3": b""} for one in before]
    assert interrupted() != ()  # until a person has heard of it
    settle(operation)  # as it was read when it was interrupted: what was released since stays released
    assert operations() == ()
    settle(operation)  # somebody else may have closed it
    assert operations() == ()


def damage(path: Path) -> None:
    """Set the COPIED flag on the mapping of a cluster that a snapshot shares, as a killed qemu-img leaves it."""
    table_at = int(opened(path).cluster_map(None).l1[0]) & ~(1 << 63)
    with path.open("r+b") as file:
        file.seek(table_at)
        first = file.read(1)[0]
        file.seek(table_at)
        file.write(bytes((first | 0x80,)))


def interrupt(*paths: Path) -> None:
    """Have vmsnap killed while qemu-img works on the last disk, and wait until that is done."""
    assert run_python(_DIE, f"Take 'three' of {paths[-1].name}", *paths).returncode == -signal.SIGKILL
    wait_for_the_tools()


def test_a_damaged_image_stays_in_quarantine_until_it_is_repaired(disks: tuple[Path, Path]) -> None:
    interrupt(*disks)
    before = contents(disks[1])
    damage(disks[1])
    moved = disks[1].rename(disks[1].with_name("moved"))
    assert quarantine_of(moved) is not None
    moved.rename(disks[1])
    held = wait_for(judge(disks[1]))
    assert held is not None
    assert held.why == "qemu-img check finds 1 error"
    damaged = disks[1].read_bytes()
    plans = [plan_take(*disks, tag="x"), plan_restore(*disks, which="one"), plan_delete(*disks, which=["one"])]
    assert [hindrances(plan) for plan in plans] == [[Hindrance.QUARANTINED]] * 3
    assert disks[1].read_bytes() == damaged

    plan = plan_repair(*disks)
    assert [step.targets[0].path for step in plan.steps] == [disks[1]]
    assert "take 'three' did not come to its end" in plan.warnings[0]
    outcome = succeed(plan)
    assert outcome.disks[0].text == "1 error repaired; as before"
    assert contents(disks[1]) == before
    run("qemu-img", "check", "-q", disks[1])
    write(disks[1], "write -q -P 99 0 4M")
    assert {**contents(disks[1]), None: b""} == {**before, None: b""}
    succeed(plan_delete(*disks, which=["one"]))


def test_a_step_of_a_qemu_that_was_killed_later_stays_in_quarantine(disks: tuple[Path, Path]) -> None:
    interrupt(*disks)
    (operation,) = interrupted()
    operation.plan["address"] = "qmp:/of/a/qemu/that/is/gone"  # what was cut off was the work of a running one
    operation.save()
    damage(disks[0])
    (one,) = wait_for(review())
    assert [(image.mark, disk.quarantined) for image, disk in zip(operation.images, one.disks, strict=True)] == [
        (Mark.DONE, True),
        (Mark.WRITING, False),
    ]
    one.settle()  # a person has heard of it: that changes nothing about the damage
    held = quarantine_of(disks[0])
    assert held is not None
    assert held.what == "take 'three'"
    assert quarantine_of(disks[1]) is None
    assert hindrances(plan_take(*disks, tag="x")) == [Hindrance.QUARANTINED]
    succeed(plan_repair(*disks))
    assert quarantine_of(disks[0]) is None
    assert operations() == ()


def test_what_changed_while_in_quarantine_is_released_by_choice_only(disks: tuple[Path, Path]) -> None:
    interrupt(*disks)
    run("qemu-img", "snapshot", "-d", "one", disks[1])
    held = wait_for(judge(disks[1]))
    assert held is not None
    assert held.changed == ("'one' (id 1)",)
    plan = plan_repair(*disks)
    assert hindrances(plan) == [Hindrance.QUARANTINED]
    (choice,) = [blocker.choice for blocker in plan.blockers]
    assert choice is not None
    plan = plan_repair(*disks, choices={choice})
    assert plan.losses == ("second: 'one' (id 1) as they were.",)
    outcome = succeed(plan)
    assert outcome.disks[0].text == "released as it is; as before"
    succeed(plan_take(*disks, tag="four"))


def test_an_image_in_quarantine_that_is_in_use(disks: tuple[Path, Path]) -> None:
    interrupt(*disks)
    with exported(disks[1]):
        held = wait_for(judge(disks[1]))
        assert held is not None
        assert "it is in use by qemu-nbd" in held.why
    assert wait_for(judge(disks[1])) is None


def test_a_tool_that_may_still_write_keeps_the_quarantine(disks: tuple[Path, Path]) -> None:
    interrupt(*disks)
    (operation,) = interrupted()
    with next(folder().glob("*.out")).open("ab") as out, subprocess.Popen(["sleep", "60"], stdout=out) as tool:
        assert [one.pid for one in operation.tools()] == [tool.pid]
        held = wait_for(judge(disks[1]))
        assert held is not None
        assert held.why == f"sleep (process {tool.pid}) may still be writing to it"
        assert quarantine_of(disks[1]) == held
        assert hindrances(plan_repair(disks[1])) == [Hindrance.IN_USE]
        tool.kill()
    assert wait_for(judge(disks[1])) is None


def test_a_repair_clears_the_marks_of_damage(disks: tuple[Path, Path]) -> None:
    for bit, word in ((1, "dirty"), (2, "corrupt")):
        with disks[0].open("r+b") as file:
            file.seek(79)
            file.write(bytes((bit,)))
        (blocker,) = plan_take(disks[0], tag="x").blockers
        assert blocker.kind is Hindrance.IMAGE
        assert f"marked {word}" in blocker.text
        succeed(plan_repair(disks[0]))
        assert opened(disks[0]).header.incompatible == 0
    succeed(plan_take(disks[0], tag="x"))


def test_without_a_journal_nothing_is_written(
    disks: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_take(*disks, tag="three")
    before = [path.read_bytes() for path in disks]
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ControlError, match=r"the journal .* cannot be written"):
        carry_out(plan)
    assert [path.read_bytes() for path in disks] == before


def test_a_journal_that_fails_half_way_stops_everything(disks: tuple[Path, Path]) -> None:
    plan = plan_take(*disks, tag="three")
    before = disks[1].read_bytes()

    def lose() -> None:
        folder().rename(folder().with_name("lost"))
        folder().write_bytes(b"")

    outcome = carry_out(plan, At(StepKind.TAKE, disks[1], lose))
    assert outcome.ending is Ending.STUCK
    assert "the journal" in (outcome.error or "")
    assert [disk.text for disk in outcome.disks] == ["'three' (id 3) was taken", "as before"]
    assert outcome.disks[0].finish == (("vmsnap", "delete", str(disks[0]), "tag:three"),)
    assert disks[1].read_bytes() == before


class Meanwhile:
    """Does something once, while a step of a kind is at work on an image."""

    def __init__(self, kind: StepKind, path: Path, action: Callable[[], object]) -> None:
        self.kind, self.path, self.action = kind, path, action
        self._now: Step | None = None
        self._done = False

    def step(self, step: Step, number: int, count: int) -> None:
        self._now = step

    def written(self, done: int, expected: int | None) -> None:
        step = self._now
        if step is not None and step.kind is self.kind and step.targets[0].path == self.path and not self._done:
            self._done = True
            self.action()


def close_the_journal() -> Path:
    """Have nothing more written to the journal; it can be read. Returns what is to be removed to open it again."""
    (file,) = folder().glob("*.json")
    file.with_suffix(".new").mkdir()
    return file.with_suffix(".new")


def test_a_journal_that_fails_after_a_step_is_a_failure_like_another(disks: tuple[Path, Path]) -> None:
    closed: list[Path] = []
    before = [contents(path) for path in disks]
    plan = plan_take(*disks, tag="three")
    outcome = carry_out(plan, Meanwhile(StepKind.TAKE, disks[1], lambda: closed.append(close_the_journal())))
    assert outcome.ending is Ending.STUCK
    assert (outcome.error or "").endswith(": Is a directory")
    assert [disk.quarantined for disk in outcome.disks] == [False, True]
    undo = [("vmsnap", "delete", str(path), "tag:three") for path in disks]
    assert outcome.disks[0].finish == (undo[0],)
    assert outcome.disks[1].finish == (("vmsnap", "check", str(disks[1]), "--repair"), undo[1])
    assert outcome.disks[0].text == "'three' (id 3) was taken"
    assert outcome.disks[1].text.startswith(
        "'three' (id 3) was taken; in quarantine: nothing is wrong with it, but the j"
    )
    assert quarantine_of(disks[0]) is None
    assert quarantine_of(disks[1]) is not None  # as it is known here: the journal on the disk tells another thing
    assert hindrances(plan_take(*disks, tag="four")) == [Hindrance.QUARANTINED]
    closed[0].rmdir()
    assert wait_for(judge(disks[1])) is None
    assert operations() == ()
    assert [contents(path) | {"3": b""} for path in disks] == [one | {"3": b""} for one in before]
    succeed(plan_delete(*disks, which=["three"]))


def test_without_its_tools_nothing_is_planned(disks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert hindrances(plan_take(*disks, tag="three")) == [Hindrance.TOOL] * 2
    with pytest.raises(ControlError, match="qemu-img cannot be started: No such file"):
        wait_for(read_with(("qemu-img", "--version")))
