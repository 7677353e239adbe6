"""Taking, restoring, deleting and repairing in the window, with real images, real tools and a real QEMU."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QWidget,
)

from tests.control.test_beyond_repair import spoil
from tests.end2end.test_gui_walk import running
from tests.image.tools import MIB, converted, create, info, run, take, write
from tests.machines.machine import Machine
from tests.views.interrupting import interrupt
from tests.views.world import turns
from vmsnap_gui.models import words
from vmsnap_gui.models.library import DETAIL_ROLE, LOOK_ROLE, Look
from vmsnap_gui.models.plan_rows import Tone
from vmsnap_gui.views.outcome_dialog import OutcomeDialog
from vmsnap_gui.views.plan_dialog import PlanDialog, RestoreDialog, TakeDialog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtGui import QAction
    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.main_window import MainWindow

pytestmark = pytest.mark.gui

WAIT = 60_000
D = TypeVar("D", bound=QDialog)


@pytest.fixture(autouse=True)
def _own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


@pytest.fixture
def window(qtbot: QtBot, parts: Parts) -> MainWindow:
    parts.window.activateWindow()
    qtbot.waitUntil(parts.window.isActiveWindow)
    return parts.window


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Two snapshots with other content each, and other content now."""
    path = create(tmp_path / "web.qcow2", 4 * MIB)
    for number, tag in enumerate(("clean", "infected"), 1):
        write(path, f"write -P {number} 0 64k")
        take(path, tag)
    write(path, "write -P 9 0 64k")
    return path


def tags(path: Path) -> list[str]:
    return [one["name"] for one in info(path).get("snapshots", [])]


def choose(qtbot: QtBot, parts: Parts, path: Path, *rows: int) -> None:
    """Open an image and select rows of its snapshots."""
    parts.session.open_paths([path])
    qtbot.waitUntil(lambda: parts.session.snapshot is not None, timeout=WAIT)
    table = parts.window.snapshots.table
    flags = table.selectionModel().SelectionFlag
    for number, row in enumerate(rows):
        flag = flags.Select if number else flags.ClearAndSelect
        table.selectionModel().select(table.model().index(row, 0), flag | flags.Rows)
    qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=WAIT)
    turns()


def act(qtbot: QtBot, action: QAction) -> None:
    """Choose an action, once it can be: after a selection that is a turn of the event loop later."""
    qtbot.waitUntil(action.isEnabled, timeout=WAIT)
    action.trigger()


def dialog(qtbot: QtBot, parts: Parts, kind: type[D]) -> D:
    """Return the dialog that is open, once its plan is there."""
    (found,) = [one for one in parts.window.findChildren(kind) if one.isVisible()]
    return planned(qtbot, found)


def planned(qtbot: QtBot, shown: D) -> D:
    """Wait until a dialog shows the plan for what is chosen in it."""
    if isinstance(shown, PlanDialog):
        qtbot.waitUntil(lambda: not shown.is_waiting(), timeout=WAIT)
    return shown


def confirm(qtbot: QtBot, parts: Parts, shown: PlanDialog) -> None:
    qtbot.mouseClick(planned(qtbot, shown).confirm, Qt.MouseButton.LeftButton)
    over(qtbot, parts)


def over(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: not parts.jobs.unfinished() and not parts.window.desk.session.under_way(), timeout=WAIT)
    turns()


def result(parts: Parts) -> str:
    return parts.window.snapshots.result.text()


def blockers(shown: PlanDialog) -> str:
    return "\n".join(f"{one.text} {one.more}" for one in shown.plan.notes.notes() if one.tone is Tone.BLOCKER)


def selected_tag(parts: Parts) -> str | None:
    snapshot = parts.session.selected_snapshot()
    return snapshot.tag if snapshot is not None else None


def test_take(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    choose(qtbot, parts, image, 0)
    qtbot.waitUntil(window.desk.actions.take.isEnabled, timeout=WAIT)
    qtbot.keyClick(window, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    shown = dialog(qtbot, parts, TakeDialog)
    assert shown.tag.text()[:2] == "20"  # a date
    assert shown.tag.selectedText() == shown.tag.text()
    qtbot.keyClicks(shown.tag, "before update")
    assert shown.shown_plan() is None  # the plan that is there is for another tag
    qtbot.waitUntil(lambda: shown.shown_plan() is not None, timeout=WAIT)
    qtbot.keyClick(shown.tag, Qt.Key.Key_Return)
    over(qtbot, parts)
    assert tags(image) == ["clean", "infected", "before update"]
    assert selected_tag(parts) == "before update"
    assert "before update" in result(parts)


def test_a_tag_is_checked_as_it_is_typed(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    choose(qtbot, parts, image, 0)
    act(qtbot, window.desk.actions.take)
    shown = dialog(qtbot, parts, TakeDialog)
    for tag, reason in (("", "empty"), ("-x", "option"), ("12", "number"), ("clean", "already")):
        shown.tag.setText(tag)
        planned(qtbot, shown)
        assert reason in blockers(shown)
        assert not shown.confirm.isEnabled()
        assert reason in shown.confirm.toolTip()
    replace = shown.findChild(QCheckBox, "plan_replace")
    assert replace.isVisible()
    assert tags(image) == ["clean", "infected"]
    replace.click()
    planned(qtbot, shown)
    assert any(one.tone is Tone.LOSS for one in shown.plan.notes.notes())
    shown.tag.setText("infected")  # another snapshot is not replaced without being asked about
    planned(qtbot, shown)
    assert "already" in blockers(shown)
    assert not replace.isChecked()
    replace.click()
    confirm(qtbot, parts, shown)
    assert tags(image) == ["clean", "infected"]
    assert converted(image, "3")[:1] == b"\x09"


def test_restore_and_undo(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    choose(qtbot, parts, image, 0)
    assert not window.desk.actions.undo.isEnabled()
    act(qtbot, window.desk.actions.restore)
    shown = dialog(qtbot, parts, RestoreDialog)
    assert shown.safety.isChecked()
    assert shown.cancel.isDefault()
    confirm(qtbot, parts, shown)
    assert converted(image)[:1] == b"\x01"
    assert selected_tag(parts) == "clean"
    assert "is back at 'clean'" in result(parts)
    assert "kept as 'before-restore-of-clean-" in result(parts)
    assert len(tags(image)) == 3
    undo = window.snapshots.result.findChild(QPushButton, "snapshots_result_undo_restore")
    qtbot.waitUntil(undo.isEnabled, timeout=WAIT)
    undo.click()
    shown = dialog(qtbot, parts, RestoreDialog)
    assert "Undo the restore of 'clean'" in shown.windowTitle()
    shown.safety.click()
    confirm(qtbot, parts, shown)
    assert converted(image)[:1] == b"\x09"
    assert (selected_tag(parts) or "").startswith("before-restore-of-clean-")  # what is on the disk now
    assert not window.desk.actions.undo.isEnabled()


def test_an_undo_has_the_choices_of_its_restore(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    run("qemu-img", "resize", "-q", image, "8M")
    before = converted(image)
    choose(qtbot, parts, image, 0)
    act(qtbot, window.desk.actions.restore)
    shown = dialog(qtbot, parts, RestoreDialog)
    shown.findChild(QCheckBox, "plan_resize").click()
    confirm(qtbot, parts, shown)
    assert info(image)["virtual-size"] == 4 * MIB
    undo = window.snapshots.result.findChild(QPushButton, "snapshots_result_undo_restore")
    qtbot.waitUntil(undo.isEnabled, timeout=WAIT)
    undo.click()
    shown = dialog(qtbot, parts, RestoreDialog)
    assert shown.findChild(QCheckBox, "plan_resize").isChecked()
    confirm(qtbot, parts, shown)
    assert converted(image) == before


def test_delete_several(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    take(image, "third")
    choose(qtbot, parts, image, 0, 2)
    window.snapshots.table.setFocus()
    qtbot.waitUntil(window.desk.actions.delete.isEnabled, timeout=WAIT)
    qtbot.keyClick(window.snapshots.table, Qt.Key.Key_Delete)
    shown = dialog(qtbot, parts, PlanDialog)
    assert shown.confirm.text() == "Delete 2 snapshots"
    assert shown.cancel.isDefault()
    losses = [one.text for one in shown.plan.notes.notes() if one.tone is Tone.LOSS]
    assert len(losses) == 2
    assert any("Frees" in one.text for one in shown.plan.notes.notes())
    confirm(qtbot, parts, shown)
    assert tags(image) == ["infected"]
    assert selected_tag(parts) == "infected"
    assert converted(image, "2")[:1] == b"\x02"


def test_cancel_changes_nothing(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    before = image.read_bytes()
    choose(qtbot, parts, image, 0)
    for action in (window.desk.actions.take, window.desk.actions.restore, window.desk.actions.delete):
        act(qtbot, action)
        shown = dialog(qtbot, parts, PlanDialog)
        qtbot.keyClick(shown, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda: not window.findChildren(PlanDialog))
    over(qtbot, parts)
    assert image.read_bytes() == before


def test_commands_can_be_copied(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    choose(qtbot, parts, image, 0)
    act(qtbot, window.desk.actions.delete)
    shown = dialog(qtbot, parts, PlanDialog)
    qtbot.mouseClick(shown.copy, Qt.MouseButton.LeftButton)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert any("snapshot -d clean" in line for line in lines)
    shown.reject()


@pytest.mark.qemu
def test_an_image_in_use(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    drive = f"file={image},format=qcow2,if=virtio"
    with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive], marks=False):
        choose(qtbot, parts, image, 0)
        act(qtbot, window.desk.actions.restore)
        shown = dialog(qtbot, parts, RestoreDialog)
        assert "web.qcow2: It is in use by qemu-system" in blockers(shown)
        assert not shown.confirm.isEnabled()
        shown.reject()
        act(qtbot, window.desk.actions.take)
        shown = dialog(qtbot, parts, TakeDialog)
        assert "in use" in blockers(shown)
        shown.reject()
    over(qtbot, parts)
    assert converted(image)[:1] == b"\x09"


def test_a_plan_that_is_no_longer_true_is_not_carried_out(
    qtbot: QtBot, parts: Parts, window: MainWindow, image: Path
) -> None:
    choose(qtbot, parts, image, 0)
    act(qtbot, window.desk.actions.restore)
    shown = dialog(qtbot, parts, RestoreDialog)
    take(image, "meanwhile")
    confirm(qtbot, parts, shown)
    told = dialog(qtbot, parts, OutcomeDialog)
    assert "was not restored" in told.windowTitle()
    assert "since this was planned" in told.notes.notes()[0].text
    assert "Nothing was changed" in told.notes.notes()[0].more
    told.findChild(QPushButton, "outcome_copy").click()
    assert "since this was planned" in QGuiApplication.clipboard().text()
    told.reject()
    assert [job.state.value for job in parts.jobs.jobs if job.writes] == ["failed"]


def test_what_cannot_be_done_says_why(qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path) -> None:
    actions = window.desk.actions
    for action in (actions.take, actions.restore, actions.delete, actions.repair):
        assert not action.isEnabled()
        assert "image first" in action.toolTip()
    parts.session.open_paths([create(tmp_path / "empty.qcow2", MIB)])
    qtbot.waitUntil(actions.take.isEnabled, timeout=WAIT)
    for action in (actions.restore, actions.delete):
        assert not action.isEnabled()
        assert "snapshot" in action.toolTip()


def test_the_context_menu_has_the_verbs_first(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    choose(qtbot, parts, image, 0)
    menu = QMenu(window)
    menu.addAction("Copy")
    window.snapshots.menu_wanted.emit(menu)
    actions = window.desk.actions
    assert menu.actions()[:3] == [actions.restore, actions.start, actions.delete]
    menu.deleteLater()


def test_quarantine_and_repair(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    interrupt(image, damage=True)
    choose(qtbot, parts, image, 0)
    banner, actions = window.snapshots.quarantine, window.desk.actions
    qtbot.waitUntil(lambda: banner.isVisible() and not actions.take.isEnabled(), timeout=WAIT)
    assert banner.text().startswith("Take 'third' did not come to its end")
    line = window.library.model.index_of(image)
    assert line.data(DETAIL_ROLE).startswith("in quarantine")
    assert line.data(LOOK_ROLE) is Look.PROBLEM
    for action in (actions.take, actions.restore, actions.delete):
        assert not action.isEnabled()
        assert "repair it first" in action.toolTip()
    banner.findChild(QPushButton, "snapshots_quarantine_repair").click()
    shown = dialog(qtbot, parts, PlanDialog)
    assert any("qemu-img check finds" in one.text for one in shown.plan.notes.notes())
    confirm(qtbot, parts, shown)
    told = dialog(qtbot, parts, OutcomeDialog)
    assert told.windowTitle() == "web.qcow2 was checked"
    told.reject()
    qtbot.waitUntil(actions.take.isEnabled, timeout=WAIT)
    assert not banner.isVisible()
    assert window.library.model.index_of(image).data(LOOK_ROLE) is Look.IMAGE
    assert [converted(image, one)[:1] for one in ("1", "2")] == [b"\x01", b"\x02"]
    assert converted(image)[:1] == b"\x09"


def test_a_repair_that_fails_says_how_to_save_what_can_be_read(
    qtbot: QtBot, parts: Parts, window: MainWindow, image: Path
) -> None:
    spoil(image)
    choose(qtbot, parts, image, 0)
    act(qtbot, window.desk.actions.repair)
    confirm(qtbot, parts, dialog(qtbot, parts, PlanDialog))
    told = dialog(qtbot, parts, OutcomeDialog)
    notes = [(note.text, note.more) for note in told.notes.notes()]
    assert "could not be repaired: qemu-img check finds 1 error" in notes[0][0]
    assert "Nothing was changed" not in notes[0][1]
    assert [text for text, _ in notes[1:]] == [
        "web.qcow2: what can be read of its disk is copied by:",
        "web.qcow2: the disk of a snapshot by:",
        "web.qcow2: a copy that was put in its place is released by:",
    ]
    assert all(command.startswith(("qemu-img convert", "vmsnap check")) for _, command in notes[1:])
    told.findChild(QPushButton, "outcome_copy").click()
    assert notes[1][1] in QGuiApplication.clipboard().text()
    told.reject()
    qtbot.waitUntil(window.snapshots.quarantine.isVisible, timeout=WAIT)


def test_a_repair_with_nothing_to_repair_frees_the_image(
    qtbot: QtBot, parts: Parts, window: MainWindow, image: Path
) -> None:
    interrupt(image, damage=False)
    choose(qtbot, parts, image, 0)
    qtbot.waitUntil(window.snapshots.quarantine.isVisible, timeout=WAIT)
    act(qtbot, window.desk.actions.repair)
    shown = dialog(qtbot, parts, PlanDialog)
    assert shown.plan.page.message()[0] == "There is nothing to do"
    assert not shown.confirm.isEnabled()
    shown.reject()
    qtbot.waitUntil(window.desk.actions.take.isEnabled, timeout=WAIT)
    assert not window.snapshots.quarantine.isVisible()


@pytest.mark.parametrize("damage", [True, False])
def test_a_former_run_is_told_of_once(
    qtbot: QtBot, parts: Parts, window: MainWindow, image: Path, damage: bool
) -> None:
    interrupt(image, damage=damage)
    window.desk.session.look_for_interrupted()
    qtbot.waitUntil(lambda: window.findChild(QMessageBox, "report") is not None, timeout=WAIT)
    box = window.findChild(QMessageBox, "report")
    assert "take 'third' of web.qcow2 was interrupted at the step: Take 'third'" in box.informativeText()
    assert ("qemu-img check finds" if damage else "it is whole") in box.informativeText()
    box.close()
    qtbot.waitUntil(lambda: not window.findChildren(QMessageBox))
    choose(qtbot, parts, image, 0)
    qtbot.waitUntil(lambda: window.snapshots.quarantine.isVisible() == damage, timeout=WAIT)
    window.desk.session.look_for_interrupted()
    over(qtbot, parts)
    assert not window.findChildren(QMessageBox)


def begin(qtbot: QtBot, parts: Parts, path: Path) -> None:
    """Begin to take a snapshot."""
    choose(qtbot, parts, path, 0)
    act(qtbot, parts.window.desk.actions.take)
    shown = dialog(qtbot, parts, TakeDialog)
    shown.tag.setText("last")
    qtbot.waitUntil(lambda: shown.shown_plan() is not None, timeout=WAIT)
    qtbot.mouseClick(shown.confirm, Qt.MouseButton.LeftButton)
    assert parts.jobs.writing()


def test_a_window_that_writes_asks_before_it_closes(
    qtbot: QtBot, parts: Parts, window: MainWindow, image: Path
) -> None:
    begin(qtbot, parts, image)
    window.close()
    assert window.isVisible()
    box = window.findChild(QMessageBox, "leave")
    assert "Taking 'last' of web.qcow2" in box.text()
    assert box.defaultButton().text() == "Keep the window"
    closed: list[bool] = []
    window.closed.connect(lambda: closed.append(True))
    box.findChild(QPushButton, "leave_close").click()
    assert not window.isVisible()
    assert not closed
    qtbot.waitUntil(lambda: bool(closed), timeout=WAIT)
    assert tags(image) == ["clean", "infected", "last"]
    assert not list((image.parent / "state").rglob("*.json"))  # the journal knows that it ended well


def test_the_window_can_be_kept_while_it_writes(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    begin(qtbot, parts, image)
    window.close()
    window.findChild(QMessageBox, "leave").reject()
    over(qtbot, parts)
    assert window.isVisible()
    assert tags(image) == ["clean", "infected", "last"]


def test_a_write_is_no_job_to_cancel(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    window.verbs.show_jobs.setChecked(True)
    begin(qtbot, parts, image)
    (job,) = parts.jobs.writing()
    panel = window.jobs_panel
    panel.table.setCurrentIndex(panel.model.index(0, 0))
    assert panel.model.job(panel.table.currentIndex()) is job
    assert not panel.cancel.isEnabled()
    assert "damage" in panel.cancel.toolTip()
    job.cancel()
    over(qtbot, parts)
    assert job.state.value == "done"
    assert tags(image) == ["clean", "infected", "last"]


HOSTILE = ("<img src=x>", "a\nb", "%1 %2 %", "&amp & <b>", "x" * 200)


@pytest.mark.parametrize("tag", HOSTILE)
def test_hostile_tags(qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path, tag: str) -> None:
    path = create(tmp_path / "<b>&.qcow2", MIB)
    take(path, tag, "other")
    choose(qtbot, parts, path, 0)
    desk = window.desk
    for action in (desk.actions.take, desk.actions.restore, desk.actions.delete):
        act(qtbot, action)
        shown = dialog(qtbot, parts, PlanDialog)
        if isinstance(shown, TakeDialog):
            shown.tag.setText(tag)
            shown = planned(qtbot, shown)
        for label in shown.findChildren(QLabel):
            assert label.textFormat() == Qt.TextFormat.PlainText or not label.text(), label.text()
            assert label.text().isprintable() or not label.text()
        for widget in shown.findChildren(QWidget):
            assert "<img" not in widget.toolTip()
            assert "<b>" not in widget.toolTip()
        if not isinstance(shown, TakeDialog):
            assert words.visible(tag)[:50] in shown.windowTitle()
        shown.reject()
        qtbot.waitUntil(lambda: not window.findChildren(PlanDialog))
    act(qtbot, desk.actions.delete)
    confirm(qtbot, parts, dialog(qtbot, parts, PlanDialog))
    assert tags(path) == ["other"]
    assert result(parts).endswith("was deleted.")


def test_everything_has_a_name(qtbot: QtBot, parts: Parts, window: MainWindow, image: Path) -> None:
    # Made first: PySide can take a widget for the interface that was asked for at its address before.
    assert None not in (window.devices, window.memory)
    choose(qtbot, parts, image, 0)
    actions = window.desk.actions
    for action in (actions.take, actions.restore, actions.delete, actions.repair):
        act(qtbot, action)
        shown = dialog(qtbot, parts, PlanDialog)
        for kind in (QAbstractItemView, QLineEdit, QCheckBox, QPushButton):
            for widget in shown.findChildren(kind):
                if isinstance(widget, QHeaderView):
                    continue
                assert widget.objectName(), widget
                interface = QAccessible.queryAccessibleInterface(widget)
                assert interface is not None
                assert interface.text(QAccessible.Text.Name), widget.objectName()
        assert shown.focusWidget() is not None
        shown.reject()
        qtbot.waitUntil(lambda: not window.findChildren(PlanDialog))
