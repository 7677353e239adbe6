"""Running machines and launch profiles in the window, with a real QEMU."""

from __future__ import annotations

import os
import select
import shlex
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QMenu

from tests.control.live_machines import live
from tests.end2end.test_gui_walk import running
from tests.machines.guests import changer, create_disk
from tests.views.test_acting import act, blockers, choose, confirm, dialog, over, result, selected_tag, tags
from vmsnap_gui.control.profile import LaunchProfile
from vmsnap_gui.control.profile_store import ProfileStore
from vmsnap_gui.models.library import DETAIL_ROLE, LOOK_ROLE, Look
from vmsnap_gui.models.plan_rows import Tone
from vmsnap_gui.models.snapshots import INCOMPLETE_ROLE, Column
from vmsnap_gui.views.plan_dialog import PlanDialog, RestoreDialog, TakeDialog
from vmsnap_gui.views.profile_dialog import ProfileDialog
from vmsnap_gui.views.start_dialog import StartDialog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtCore import QModelIndex
    from pytestqt.modeltest import ModelTester
    from pytestqt.qtbot import QtBot

    from tests.control.live_machines import Live
    from vmsnap_gui.app import Parts
    from vmsnap_gui.vms import Vm

pytestmark = [pytest.mark.gui, pytest.mark.qemu]

WAIT = 60_000


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


def vm_of(parts: Parts, pid: int | None) -> Vm | None:
    """Return a running machine; other tests may have theirs on this computer."""
    return next((vm for vm in parts.session.machines.vms.running if vm.machine.pid == pid), None)


def line_of(parts: Parts, key: str, top: str = "Running") -> QModelIndex:
    """Return a machine's line in the library."""
    model = parts.window.library.model
    groups = {model.index(row, 0).data(): model.index(row, 0) for row in range(model.rowCount())}
    lines = [model.index(row, 0, groups[top]) for row in range(model.rowCount(groups[top]))]
    return next(line for line in lines if (found := model.vm_of(line)) is not None and found.key == key)


def find(qtbot: QtBot, parts: Parts, machine: Live) -> Vm:
    """Have the window look for machines, and select this one."""
    parts.window.verbs.find_machines.trigger()
    qtbot.waitUntil(lambda: vm_of(parts, machine.vm.pid) is not None, timeout=WAIT)
    vm = vm_of(parts, machine.vm.pid)
    assert vm is not None
    parts.window.library.tree.setCurrentIndex(line_of(parts, vm.key))
    over(qtbot, parts)
    return vm


def take(qtbot: QtBot, parts: Parts, tag: str) -> None:
    act(qtbot, parts.window.desk.actions.take)
    shown = dialog(qtbot, parts, TakeDialog)
    shown.tag.setText(tag)
    confirm(qtbot, parts, shown)


def test_a_running_machine_of_two_disks(qtbot: QtBot, parts: Parts, tmp_path: Path, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(parts.window.library.model, force_py=True)
    with live(tmp_path, 2) as machine:
        machine.vm.snapshot_save("half", vmstate="disk0", devices=["disk0"])
        vm = find(qtbot, parts, machine)
        line, model = line_of(parts, vm.key), parts.window.library.model
        assert line.data(DETAIL_ROLE) == "running · 2 disks"
        assert line.data(LOOK_ROLE) is Look.MACHINE
        assert [model.index(row, 0, line).data() for row in range(2)] == ["disk0.qcow2", "disk1.qcow2"]
        assert parts.window.snapshots.table.isVisible()

        first = machine.seen()
        take(qtbot, parts, "whole")
        assert result(parts).startswith(f"Snapshot 'whole' of {vm.machine.name} was taken")
        assert selected_tag(parts) == "whole"
        assert [tags(path) for path in machine.paths.values()] == [["half", "whole"], ["whole"]]
        table = parts.window.snapshots
        qtbot.waitUntil(lambda: table.model.index(1, Column.DISKS).data() == "2/2", timeout=WAIT)
        half = table.model.index(0, Column.DISKS)
        assert not table.table.isColumnHidden(Column.DISKS)
        assert (half.data(), half.data(INCOMPLETE_ROLE)) == ("1/2", True)
        assert "disk1.qcow2 lacks it" in half.data(Qt.ItemDataRole.ToolTipRole)

        machine.vm.qmp("inject-nmi")  # the guest changes its memory, registers and first disk
        machine.vm.wait_marks(b"2")
        assert machine.seen() != first
        act(qtbot, parts.window.desk.actions.restore)
        confirm(qtbot, parts, dialog(qtbot, parts, RestoreDialog))
        assert machine.seen() == first
        assert machine.status() == "running"
        assert "is back at 'whole'" in result(parts)

        flags = table.table.selectionModel().SelectionFlag
        table.table.selectionModel().select(table.model.index(0, 0), flags.ClearAndSelect | flags.Rows)
        act(qtbot, parts.window.desk.actions.restore)
        shown = dialog(qtbot, parts, RestoreDialog)
        assert "disk1.qcow2" in blockers(shown)
        shown.reject()
    parts.window.verbs.find_machines.trigger()
    qtbot.waitUntil(lambda: vm_of(parts, machine.vm.pid) is None, timeout=WAIT)
    assert parts.session.image == machine.paths["disk0"]  # it is looked at: now it is a file
    assert machine.paths["disk0"] in parts.session.library.entries.opened()
    assert machine.paths["disk1"] not in parts.session.library.entries


def test_an_opened_image_is_that_of_the_machine(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        link = tmp_path / "link.qcow2"
        link.symlink_to(machine.paths["disk0"])
        parts.session.open_paths([link])
        find(qtbot, parts, machine)
        parts.session.select_image(link)
        over(qtbot, parts)
        take(qtbot, parts, "through the link")
        assert tags(link) == ["through the link"]
        assert machine.status() == "running"


def test_machines_that_are_left_alone(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    with live(tmp_path) as machine, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "qmp"))
        client.recv(1)  # the greeting: from here on the monitor is ours
        vm = find(qtbot, parts, machine)
        line = line_of(parts, vm.key)
        assert line.data(DETAIL_ROLE).startswith("monitor busy")
        assert "busy" in line.data(Qt.ItemDataRole.ToolTipRole)
        act(qtbot, parts.window.desk.actions.take)
        shown = dialog(qtbot, parts, TakeDialog)
        assert "cannot be talked to (monitor busy)" in blockers(shown)
        shown.reject()


@contextmanager
def ended(pid: int) -> Iterator[None]:
    """End a QEMU that the window started, whatever happens."""
    watch = os.pidfd_open(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(watch)
        assert poll.poll(WAIT)
        os.close(watch)


def command(path: Path) -> list[str]:
    drive = f"file={path},format=qcow2,if=none,id=d"
    return [
        *("qemu-system-x86_64", "-accel", "tcg", "-M", "pc", "-m", "32", "-nodefaults", "-vga", "none"),
        *("-display", "none", "-drive", drive, "-device", "ide-hd,bus=ide.0,drive=d"),
    ]


def test_start_from_a_snapshot(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        path = machine.paths["disk0"]
        machine.vm.snapshot_save("moment", vmstate="disk0", devices=["disk0"])
    ProfileStore().put(LaunchProfile(name="web", arguments=tuple(command(path)), directory=tmp_path))
    parts.window.verbs.find_machines.trigger()
    qtbot.waitUntil(lambda: bool(parts.session.machines.vms.stopped), timeout=WAIT)
    line = line_of(parts, "profile web", "Launch profiles")
    assert (line.data(), line.data(DETAIL_ROLE), line.data(LOOK_ROLE)) == ("web", "not running · 1 disk", Look.OFF)
    parts.window.library.tree.setCurrentIndex(line)
    over(qtbot, parts)
    choose(qtbot, parts, path, 0)
    act(qtbot, parts.window.desk.actions.restore)
    restore = dialog(qtbot, parts, RestoreDialog)
    restore.findChild(object, "restore_start").click()
    shown = dialog(qtbot, parts, StartDialog)
    assert "qemu-system-x86_64" in shown.command.toPlainText()
    assert not shown.confirm.isEnabled()
    assert "Read the command line" in shown.confirm.toolTip()
    tones = {one.text.split(" goes into ")[0]: one.tone for one in shown.plan.notes.notes()}
    assert tones["What QEMU says"] is Tone.NOTE
    shown.findChild(QCheckBox, "start_keep_paused").click()
    assert shown.draft.wish.options.keep_paused
    shown.findChild(QCheckBox, "start_seen").click()
    outcomes: list[object] = []
    parts.window.desk.session.ended.connect(outcomes.append)
    confirm(qtbot, parts, shown)
    (outcome,) = outcomes
    with ended(outcome.pid):
        assert outcome.error is None
        assert (outcome.ending.value, outcome.status) == ("done", "running")
        qtbot.waitUntil(lambda: vm_of(parts, outcome.pid) is not None, timeout=WAIT)
        assert not parts.session.machines.vms.stopped
        assert ProfileStore().get("web").confirmed
        assert len(tags(path)) == 2  # the moment, and what was on the disk before


def test_a_profile_is_typed_and_kept(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    path = create_disk(tmp_path / "a b.qcow2", changer(), 16 << 20)
    parts.window.verbs.profiles.trigger()
    (shown,) = parts.window.findChildren(ProfileDialog)
    assert not shown.save.isEnabled()
    shown.name.setText("lab")
    shown.directory.setText(str(tmp_path))
    shown.command.setPlainText(f"{shlex.join(command(path))} | tee log")
    qtbot.waitUntil(lambda: bool(shown.notes.notes()), timeout=WAIT)
    assert "joins two programs" in shown.notes.notes()[0].text
    assert not shown.save.isEnabled()
    shown.command.setPlainText(shlex.join(command(path)))
    qtbot.waitUntil(lambda: shown.drafted() is not None, timeout=WAIT)
    assert shown.disks.model().index(0, 1).data() == "a b.qcow2"
    qtbot.mouseClick(shown.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.list.count() == 1, timeout=WAIT)
    kept = ProfileStore().get("lab")
    assert (kept.arguments, kept.directory, kept.confirmed) == (tuple(command(path)), tmp_path, False)
    shown.list.setCurrentRow(0)
    qtbot.waitUntil(lambda: shown.drafted() is not None, timeout=WAIT)
    assert shown.drafted().profile.arguments == kept.arguments  # as it is shown, it is read again
    qtbot.mouseClick(shown.remove, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.list.count() == 0, timeout=WAIT)
    assert ProfileStore().all() == ()
    shown.reject()


def test_a_profile_of_a_running_machine(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        vm = find(qtbot, parts, machine)
        menu = QMenu(parts.window)
        parts.window.desk.fill_machine_menu(menu, vm)
        menu.actions()[-1].trigger()
        (shown,) = parts.window.findChildren(ProfileDialog)
        qtbot.waitUntil(lambda: shown.drafted() is not None, timeout=WAIT)
        assert str(machine.paths["disk0"]) in shown.command.toPlainText()
        shown.reject()
        menu.deleteLater()


def test_deleting_on_a_running_machine(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    with live(tmp_path, 2) as machine:
        for tag in ("one", "two"):
            machine.vm.snapshot_save(tag, vmstate="disk0", devices=["disk0", "disk1"])
        find(qtbot, parts, machine)
        choose(qtbot, parts, machine.paths["disk0"], 0)
        act(qtbot, parts.window.desk.actions.delete)
        shown = dialog(qtbot, parts, PlanDialog)
        assert shown.confirm.text() == "Delete snapshot"
        confirm(qtbot, parts, shown)
        assert [tags(path) for path in machine.paths.values()] == [["two"], ["two"]]
        assert machine.status() == "running"
