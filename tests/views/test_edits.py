"""Giving fields other values in the window, undoing that, and exporting the state with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLineEdit, QMessageBox, QPushButton

from tests.end2end.test_gui_walk import running
from tests.views.test_acting import choose, over
from tests.views.world import select_field
from vmsnap_gui.demo import demo_image
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.models.fields import EDITED_ROLE, Column
from vmsnap_gui.views.edit_dialog import EditDialog
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.editing import edit_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.devices_view import DevicesView

WAIT = 30_000
pytestmark = pytest.mark.gui


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.window.activateWindow()
        qtbot.waitUntil(parts.window.isActiveWindow)
        yield parts


@pytest.fixture
def devices(qtbot: QtBot, parts: Parts) -> DevicesView:
    choose(qtbot, parts, demo_image(), 3)
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=WAIT)
    parts.window.inspector.show_tab("devices")
    qtbot.waitUntil(lambda: parts.window.devices.tree.fields.rowCount() > 0, timeout=WAIT)
    return parts.window.devices


def value(view: DevicesView) -> tuple[str, bool]:
    cell = view.tree.currentIndex().siblingAtColumn(Column.VALUE)
    return cell.data(), cell.data(EDITED_ROLE)


def edit(qtbot: QtBot, parts: Parts, view: DevicesView, text: str) -> EditDialog:
    """Press F2 on the selected field and type a value."""
    parts.window.activateWindow()
    qtbot.waitUntil(parts.window.isActiveWindow)
    view.tree.setFocus()
    qtbot.keyClick(view.tree, Qt.Key.Key_F2)
    (dialog,) = [one for one in parts.window.findChildren(EditDialog) if one.isVisible()]
    dialog.value.setText(text)
    qtbot.keyClick(dialog.value, Qt.Key.Key_Return)
    over(qtbot, parts)
    return dialog


def test_edited_undone_and_exported(qtbot: QtBot, parts: Parts, devices: DevicesView, tmp_path: Path) -> None:
    before = demo_image().read_bytes()
    select_field(devices, "cpu", "env.eip")
    shown = value(devices)
    assert shown[1] is False
    assert not devices.edits.isVisible()
    edit(qtbot, parts, devices, "0x7c00")
    assert value(devices) == ("31744 (0x7c00)", True)
    assert devices.edits.isVisible()
    assert devices.edits.text.text() == "1 field edited"
    select_field(devices, "cpu", "env.regs[3]")
    edit(qtbot, parts, devices, "5")
    assert devices.edits.text.text() == "2 fields edited"

    parts.window.exporting.undo.trigger()
    assert devices.edits.text.text() == "1 field edited"
    parts.window.exporting.redo.trigger()
    out = tmp_path / "out.vmstate"
    parts.window.exporting.write(out)
    over(qtbot, parts)
    state = open_state(open_image(out).vm_state(open_image(out).snapshots[0]))
    assert edit_of(state, "cpu.env.eip=0").before == (0x7C00).to_bytes(8, "big")
    assert edit_of(state, "cpu.env.regs[3]=0").before == (5).to_bytes(8, "big")
    assert "2 fields edited" in parts.window.statusBar().currentMessage()
    assert demo_image().read_bytes() == before

    qtbot.mouseClick(devices.edits.discard, Qt.MouseButton.LeftButton)
    assert not devices.edits.isVisible()
    select_field(devices, "cpu", "env.eip")
    assert value(devices) == shown
    parts.window.exporting.undo.trigger()
    assert devices.edits.text.text() == "2 fields edited"


def test_what_does_not_fit_is_said_in_the_dialog(qtbot: QtBot, parts: Parts, devices: DevicesView) -> None:
    select_field(devices, "cpu", "env.eip")
    dialog = edit(qtbot, parts, devices, "seven")
    assert dialog.isVisible()
    assert "'seven' is no number" in dialog.notice.text()
    dialog.findChild(QLineEdit, "edit_value").setText("7")
    qtbot.keyClick(dialog.value, Qt.Key.Key_Return)
    over(qtbot, parts)
    assert value(devices) == ("7", True)


def choose_another(qtbot: QtBot, parts: Parts, devices: DevicesView) -> None:
    """Choose another snapshot, which has no edits."""
    parts.session.select_snapshot(demo_image(), 2)
    qtbot.waitUntil(lambda: parts.session.loaded is not None and parts.session.loaded.key.index == 2, timeout=WAIT)
    over(qtbot, parts)
    qtbot.waitUntil(lambda: not devices.edits.isVisible(), timeout=WAIT)


def test_edits_stay_with_their_state(qtbot: QtBot, parts: Parts, devices: DevicesView) -> None:
    select_field(devices, "cpu", "env.eip")
    edit(qtbot, parts, devices, "1")
    choose_another(qtbot, parts, devices)
    parts.session.reload(demo_image())
    over(qtbot, parts)
    parts.session.select_snapshot(demo_image(), 3)
    qtbot.waitUntil(devices.edits.isVisible, timeout=WAIT)
    devices.edits.menu.aboutToShow.emit()
    (listed,) = devices.edits.menu.actions()
    assert listed.text() == "cpu.env.eip = 1"
    listed.trigger()
    assert value(devices) == ("1", True)


@pytest.mark.parametrize(("key", "path"), [("cpu", "env.regs"), ("cpu", "env.segs[0]"), ("cpu", "(header)")])
def test_what_has_no_value_of_its_own(devices: DevicesView, key: str, path: str) -> None:
    select_field(devices, key, path)
    assert not devices.actions_of_field.edit.isEnabled()


def test_an_image_is_never_written(qtbot: QtBot, parts: Parts, devices: DevicesView) -> None:
    before = demo_image().read_bytes()
    with qtbot.waitSignal(parts.window.exporting.problem, timeout=WAIT) as told:
        parts.window.exporting.write(demo_image())
    assert "never overwrites" in told.args[0].text
    assert demo_image().read_bytes() == before
    parts.window.findChild(object, "report").reject()


def question(parts: Parts) -> QMessageBox | None:
    found: QMessageBox | None = parts.window.findChild(QMessageBox, "edits_left")
    return found


def test_edits_that_were_not_exported_are_asked_about(qtbot: QtBot, parts: Parts, devices: DevicesView) -> None:
    closed: list[bool] = []
    parts.window.closed.connect(lambda: closed.append(True))
    select_field(devices, "cpu", "env.eip")
    edit(qtbot, parts, devices, "1")
    parts.window.verbs.quit.trigger()
    box = question(parts)
    assert box is not None
    assert box.text() == "1 field of 'finished' of demo.qcow2 edited"
    assert parts.window.isVisible()
    parts.window.close()  # once is enough
    assert len(parts.window.findChildren(QMessageBox)) == 1
    box.reject()
    qtbot.waitUntil(lambda: question(parts) is None)
    assert value(devices) == ("1", True)
    assert not closed
    parts.window.close()
    box = question(parts)
    assert box is not None
    box.findChild(QPushButton, "edits_discard").click()
    assert closed
    assert not parts.window.isVisible()


def test_a_closing_window_exports_the_edits_of_each_state(
    qtbot: QtBot, parts: Parts, devices: DevicesView, tmp_path: Path
) -> None:
    closed: list[bool] = []
    parts.window.closed.connect(lambda: closed.append(True))
    select_field(devices, "cpu", "env.eip")
    edit(qtbot, parts, devices, "1")
    choose_another(qtbot, parts, devices)
    select_field(devices, "cpu", "env.eip")
    edit(qtbot, parts, devices, "2")
    parts.session.close_all()
    over(qtbot, parts)
    parts.window.close()
    for number, tag in enumerate(("finished", "half-way"), 1):
        qtbot.waitUntil(lambda: question(parts) is not None, timeout=WAIT)
        box = question(parts)
        assert box is not None
        assert tag in box.text()
        assert box.text().count("\n") == 2 - number
        box.findChild(QPushButton, "edits_export").click()
        qtbot.waitUntil(lambda: parts.window.findChild(QFileDialog, "stream_dialog") is not None, timeout=WAIT)
        dialog = parts.window.findChild(QFileDialog, "stream_dialog")
        assert dialog.selectedFiles()[0].endswith(f"demo-{tag}.vmstate")
        out = tmp_path / f"{number}.vmstate"
        dialog.filesSelected.emit([str(out)])
        dialog.close()
        qtbot.waitUntil(lambda: parts.window.findChild(QFileDialog, "stream_dialog") is None, timeout=WAIT)
        qtbot.waitUntil(out.exists, timeout=WAIT)
        state = open_state(open_image(out).vm_state(open_image(out).snapshots[0]))
        assert edit_of(state, "cpu.env.eip=0").before == number.to_bytes(8, "big")
        assert question(parts) is not box
    qtbot.waitUntil(lambda: bool(closed), timeout=WAIT)
