"""An image that qemu-img cannot repair: what is said of it, what can be saved, and how its quarantine ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.acting import run as vmsnap
from tests.control.doing import carry_out, contents, hindrances, layered, plan_repair, plan_take, succeed
from tests.image.tools import MIB, converted, create, opened, run, take, write
from vmsnap_gui.control.quarantine import quarantine_of
from vmsnap_gui.control.terms import Choice, Ending, Hindrance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu

CLUSTER = 65536
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with a snapshot, whose disk has lost a cluster: no repair of qemu-img 7.2 mends an unaligned mapping."""
    path = create(tmp_path / "a b.qcow2", 4 * MIB)
    write(path, "write -q -P 1 0 1M")
    take(path, "one")
    write(path, "write -q -P 2 0 1M")
    spoil(path)
    return path


def spoil(path: Path) -> None:
    """Have the disk's sixth cluster lie at no cluster, and count a reference to one that nothing refers to."""
    at = opened(path).cluster_map(None).l1[0]
    table_at = (int(at) & ~(1 << 63)) + 8 * 5
    data = path.read_bytes()
    blocks_at = int.from_bytes(data[48:56], "big")
    block_at = int.from_bytes(data[blocks_at : blocks_at + 8], "big")
    end = len(data) // CLUSTER
    with path.open("r+b") as file:
        file.seek(table_at + 6)
        file.write(bytes((data[table_at + 6] | 2,)))
        file.seek(block_at + 2 * end)
        file.write(b"\0\1")
        file.truncate((end + 1) * CLUSTER)


def test_what_can_be_read_is_copied_and_the_copy_released(image: Path, tmp_path: Path) -> None:
    plan = plan_repair(image)
    assert "how to copy what can be read" in plan.notes[0]
    outcome = carry_out(plan)
    assert outcome.ending is Ending.STUCK
    assert outcome.error == f"{image}: it could not be repaired: qemu-img check finds 1 error"
    (disk,) = outcome.disks
    assert "1 leaked cluster repaired" in disk.text
    assert disk.text.endswith("in quarantine: qemu-img check finds 1 error")
    assert disk.quarantined
    assert hindrances(plan_take(image, tag="two")) == [Hindrance.QUARANTINED]

    assert disk.finish == ()  # the same again would not finish it
    (_, of_disk), (_, of_snapshot), (_, release) = disk.rescue
    copy = tmp_path / "a b-rescued.qcow2"
    run(*of_disk)
    assert converted(copy)[:MIB] == b"\2" * 5 * CLUSTER + bytes(CLUSTER) + b"\2" * 10 * CLUSTER
    of_disk_now = copy.read_bytes()
    run(*(word.replace("=ID", "=1") for word in of_snapshot))
    assert converted(copy)[:MIB] == b"\1" * MIB

    copy.write_bytes(of_disk_now)
    copy.replace(image)
    assert quarantine_of(image) is not None
    plan = plan_repair(image)
    assert [blocker.choice for blocker in plan.blockers] == [Choice.ACCEPT]
    assert release == ("vmsnap", "check", str(image), "--repair", "--accept")
    succeed(plan_repair(image, choices={Choice.ACCEPT}))
    assert quarantine_of(image) is None
    succeed(plan_take(image, tag="two"))


def test_of_two_images_the_one_that_was_repaired_is_told_apart(image: Path, tmp_path: Path) -> None:
    other = layered(tmp_path / "b.qcow2", "one")
    with other.open("r+b") as file:
        file.seek(79)
        file.write(b"\1")  # dirty
    before = contents(other)
    outcome = carry_out(plan_repair(other, image))
    assert outcome.ending is Ending.STUCK
    assert [disk.quarantined for disk in outcome.disks] == [False, True]
    assert outcome.disks[0].finish == ()
    assert contents(other) == before


def test_the_command_line_says_it_and_lists_the_quarantine(capsys: Capture, image: Path) -> None:
    assert vmsnap(capsys, "list", image)[1].count("quarantine") == 0
    status, out, err = vmsnap(capsys, "check", image, "--repair", "--yes")
    assert status == 1
    assert err == f"vmsnap: {image}: it could not be repaired: qemu-img check finds 1 error\n"
    lines = out.splitlines()
    assert lines[0] == "Failed half-way; see each disk: repair a b.qcow2"
    assert lines[2].startswith("    what can be read of its disk is copied by: qemu-img convert --salvage ")
    assert lines[-1] == f"    a copy that was put in its place is released by: vmsnap check '{image}' --repair --accept"
    assert "finish" not in out
    status, out, err = vmsnap(capsys, "list", image)
    assert (status, err) == (0, "")
    assert (
        f"  ! in quarantine: repair a b.qcow2: a write to it was interrupted or failed; see vmsnap check '{image}'"
        in out
    )
    status, out, _ = vmsnap(capsys, "list", image, "--json")
    assert '"quarantine": "repair a b.qcow2: a write' in out
