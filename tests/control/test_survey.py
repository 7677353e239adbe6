"""What files are as disks of a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.control.doing import hindrances, layered, plan_delete, plan_restore, plan_take, succeed, table
from tests.control.test_locks import exported
from tests.image.tools import MIB, create, create_encrypted, run
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Choice, Hindrance, Reach


def test_a_machine_of_files(tmp_path: Path) -> None:
    first, second = layered(tmp_path / "a.qcow2", "one", "two"), create(tmp_path / "b.qcow2", MIB)
    machine = survey_files([first, second])
    assert (machine.name, machine.reach, machine.address, machine.holders) == ("a.qcow2", Reach.FILES, None, ())
    assert [disk.path for disk in machine.fit_disks] == [first, second]
    assert machine.vmstate_disk is machine.disks[0]
    assert [one.tag for one in machine.disks[0].snapshots] == ["one", "two"]
    assert machine.disks[1].virtual_size == MIB
    assert survey_files([first], "web").name == "web"
    with exported(second):
        assert [one.name for one in survey_files([first, second]).holders] == ["qemu-nbd"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path / "a.qcow2")
    monkeypatch.chdir(tmp_path)
    assert survey_files([Path("a.qcow2")]).disks[0].path == tmp_path / "a.qcow2"


@pytest.mark.slow
def test_disks_that_hold_no_snapshots(tmp_path: Path) -> None:
    raw, old, outside, locked = (tmp_path / name for name in ("raw", "old", "outside", "luks"))
    raw.write_bytes(bytes(MIB))
    run("qemu-img", "create", "-q", "-f", "qcow", old, "1M")
    create(outside, MIB, f"data_file={tmp_path / 'data'}")
    create_encrypted(locked)
    fit = layered(tmp_path / "fit", "one")
    machine = survey_files([raw, old, outside, locked, fit])
    words = ("it is raw", "version 1", "external file", "encrypted (LUKS)")
    assert all(word in (disk.unfit or "") for word, disk in zip(words, machine.disks, strict=False))
    assert [disk.path for disk in machine.fit_disks] == [fit]
    plan = plan_take(raw, fit, tag="new")
    assert hindrances(plan) == [Hindrance.UNFIT]
    assert plan.blockers[0].choice is Choice.LEAVE_OUT
    plan = plan_take(raw, fit, tag="new", choices={Choice.LEAVE_OUT})
    assert "raw is left out: after a restore it will be of another time than the rest" in plan.warnings[1]
    succeed(plan)
    assert [row[1] for row in table(fit)] == ["one", "new"]
    assert hindrances(plan_take(raw, tag="new")) == [Hindrance.NO_DISK]
    assert hindrances(plan_restore(raw, fit, which="one")) == [Hindrance.MISSING]
    for plan in (plan_restore(locked, which="one"), plan_delete(locked, which=["one"])):
        assert hindrances(plan) == [Hindrance.NO_DISK]
        assert "luks: it is encrypted (LUKS), and qemu-img does not open it without the key" in plan.blockers[0].text
    plan = plan_restore(raw, fit, which="one", choices={Choice.LEAVE_OUT})
    assert "raw stays as it is now: it lacks this snapshot." in plan.warnings
    succeed(plan)
    succeed(plan_delete(raw, fit, which=["one"]))
    assert raw.read_bytes() == bytes(MIB)


def test_what_is_no_disk_at_all(tmp_path: Path) -> None:
    path = create(tmp_path / "a")
    (tmp_path / "link").symlink_to(path)
    for paths, words in (
        ([], "no image was named"),
        ([tmp_path / "none"], "it cannot be found: No such file"),
        ([path, tmp_path / "link"], "this image is named twice"),
        ([tmp_path], "this is a folder"),
    ):
        with pytest.raises(ControlError, match=words):
            survey_files(paths)


def test_a_path_that_qemu_cannot_be_told(tmp_path: Path) -> None:
    path = create(tmp_path / "a").rename(Path(os.fsdecode(bytes(tmp_path) + b"/\xff")))
    assert hindrances(plan_take(path, tag="x")) == [Hindrance.PERMISSION]


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # for root, every file can be written but for those on a file system that is read-only
        assert hindrances(plan_take(Path("/proc/version"), tag="x")) == [Hindrance.NO_DISK]
        return
    path = create(tmp_path / "a")
    path.chmod(0o400)
    assert hindrances(plan_take(path, tag="x")) == [Hindrance.PERMISSION]
