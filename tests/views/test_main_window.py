"""The window's menus, shortcuts and reports, driven as a person does."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
import shiboken6
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QMessageBox

from tests.end2end.test_gui_walk import loaded, running
from tests.image.tools import MIB, create
from tests.models.states import Q35
from tests.samples import sample
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.telling import Report
from vmsnap_gui.views import theme
from vmsnap_gui.views.actions import Actions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.views.main_window import MainWindow

pytestmark = pytest.mark.gui

Ctrl = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


@pytest.fixture
def window(qtbot: QtBot, parts: Parts) -> MainWindow:
    parts.window.activateWindow()
    qtbot.waitUntil(parts.window.isActiveWindow)
    return parts.window


def test_tabs_and_places_by_keyboard(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    parts.session.open_paths([sample(Q35)])
    loaded(qtbot, parts)
    qtbot.keyClick(window, Qt.Key.Key_2, Ctrl)
    assert window.inspector.current_tab() == "devices"
    assert window.devices.tree.hasFocus()
    qtbot.keyClick(window, Qt.Key.Key_1, Ctrl)
    assert window.inspector.current_tab() == "overview"
    qtbot.keyClick(window, Qt.Key.Key_F, Ctrl)
    assert window.inspector.current_tab() == "devices"
    assert window.filter_box.hasFocus()
    for key, view in ((Qt.Key.Key_1, window.library.tree), (Qt.Key.Key_2, window.snapshots.table)):
        qtbot.keyClick(window, key, Qt.KeyboardModifier.AltModifier)
        assert view.hasFocus()
    qtbot.keyClick(window, Qt.Key.Key_J, Ctrl)
    assert window.jobs_panel.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_J, Ctrl)
    assert not window.jobs_panel.isVisible()


def test_reload_copy_and_close(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    path = sample(Q35)
    assert not window.verbs.reload.isEnabled()
    parts.session.open_paths([path])
    loaded(qtbot, parts)
    first = parts.session.loaded
    qtbot.keyClick(window, Qt.Key.Key_F5)
    qtbot.waitUntil(lambda: parts.session.loaded not in (None, first), timeout=20_000)
    window.verbs.copy_file.trigger()
    assert QGuiApplication.clipboard().text() == str(path)
    assert window.windowTitle() == f"snap2 – {path.name}"
    qtbot.keyClick(window, Qt.Key.Key_W, Ctrl)
    assert window.welcome.isVisible()
    assert window.windowTitle() == "vmsnap"
    assert not window.filter_box.isEnabled()


def test_the_edit_menu_acts_on_the_selected_field(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    parts.session.open_paths([sample(Q35)])
    loaded(qtbot, parts)
    window.inspector.complete()
    qtbot.waitUntil(lambda: window.inspector.has("devices") and window.inspector.has("memory"), timeout=20_000)
    edit = window.menuBar().findChild(QMenu, "menu_edit")
    assert edit is not None
    field = window.devices.actions_of_field
    undo = [window.exporting.undo, window.exporting.redo]
    assert edit.actions()[:4] == [*undo, field.edit, field.copy_value]


def test_the_edit_menu_is_in_one_order_whichever_tab_is_made_first(qtbot: QtBot) -> None:
    window = QMainWindow()
    qtbot.addWidget(window)
    verbs = Actions(window)
    verbs.fill_menus(QMenu(window), [], [], [], [])
    undo, screen = QAction(window), QAction(window)
    verbs.add_copies("screen", [screen])
    verbs.add_copies("devices", [undo])
    edit = window.menuBar().findChild(QMenu, "menu_edit")
    assert edit is not None
    shown = [action for action in edit.actions() if not action.isSeparator()]
    assert shown == [undo, screen, verbs.copy_file, verbs.find]


def test_keys_are_shown_where_they_work(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    parts.session.open_paths([sample(Q35)])
    loaded(qtbot, parts)
    window.inspector.complete()
    qtbot.waitUntil(lambda: window.inspector.has("devices"), timeout=20_000)
    edit, acts = (window.menuBar().findChild(QMenu, f"menu_{name}") for name in ("edit", "snapshot"))
    assert edit is not None
    assert acts is not None
    field, note = window.devices.actions_of_field, window.snapshots.edit_note
    both = [field.copy_value, field.edit, note]
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.inspector.setCurrentWidget(window.devices)

    def without_keys() -> list[bool]:
        shown = []
        for menu in (edit, acts):
            menu.popup(window.pos())
            shown += [one.text().endswith("\t") for one in both if one in menu.actions()]
            menu.close()
        assert not [one for one in both if "\t" in one.text()]
        return shown

    window.snapshots.table.setFocus()
    qtbot.waitUntil(window.snapshots.table.hasFocus)
    assert without_keys() == [True, True, False]
    window.devices.tree.setFocus()
    qtbot.waitUntil(window.devices.tree.hasFocus)
    assert without_keys() == [False, False, True]
    window.menuBar().setFocus()  # as Alt does
    assert without_keys() == [False, False, True]


def test_a_device_of_the_overview_is_shown_in_the_devices_tab(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    parts.session.open_paths([sample(Q35)])
    loaded(qtbot, parts)
    assert parts.session.loaded is not None
    names = [section.name for section in parts.session.loaded.vmstate.sections]
    parts.session.show_field(names.index("cpu"), "env.eip")
    assert window.inspector.current_tab() == "devices"
    qtbot.waitUntil(lambda: window.devices.tree.currentIndex().data() == "env.eip", timeout=20_000)


def test_recent_files(qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path) -> None:
    menu = window.findChild(QMenu, "menu_recent")
    assert menu is not None
    assert not menu.menuAction().isVisible()
    paths = [create(tmp_path / f"{name}.qcow2", MIB) for name in ("one & two", "three")]
    parts.session.open_paths(paths)
    parts.session.close_all()
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()[:2]] == [
        f"&1  {paths[1]}",
        f"&2  {paths[0]}".replace("one & two", "one && two"),
    ]
    menu.actions()[1].trigger()
    assert parts.session.image == paths[0]
    menu.aboutToShow.emit()
    window.verbs.forget_recent.trigger()
    menu.aboutToShow.emit()
    assert not menu.menuAction().isVisible()


def test_missing_recent_files_are_dropped_quietly(qtbot: QtBot, tmp_path: Path) -> None:
    there, gone = create(tmp_path / "there.qcow2", MIB), create(tmp_path / "gone.qcow2", MIB)
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_paths([there, gone])
        parts.session.close_all()
    gone.unlink()
    with running(qtbot, tmp_path / "config") as parts:
        parts.window.complete()
        qtbot.waitUntil(lambda: parts.settings.recent == [there], timeout=20_000)


def test_colour_schemes_are_chosen_and_remembered(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    try:
        light, dark = (window.findChild(object, f"scheme_{name}") for name in ("light", "dark"))
        dark.trigger()
        assert theme.is_dark(QApplication.palette())
        assert parts.settings.scheme == Qt.ColorScheme.Dark
        assert dark.isChecked()
        light.trigger()
        assert not theme.is_dark(QApplication.palette())
    finally:
        theme.set_scheme(Qt.ColorScheme.Unknown)


def test_an_unexpected_failure_is_reported_once(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    def work(_progress: Progress) -> None:
        raise ImageError("something odd")

    for _ in range(3):
        parts.jobs.run("Thing", work, lane="a", success=lambda _: None)
    qtbot.waitUntil(lambda: not parts.jobs.unfinished())
    boxes = window.findChildren(QMessageBox)
    assert len(boxes) == 1
    assert "something odd" in boxes[0].informativeText()
    assert "Traceback" in boxes[0].detailedText()
    boxes[0].close()
    qtbot.waitUntil(lambda: not window.findChildren(QMessageBox))
    window.show_report(Report("Again", "It happened again."))
    assert len(window.findChildren(QMessageBox)) == 1
    window.findChildren(QMessageBox)[0].close()


def test_there_is_nothing_that_does_not_work_yet(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    """Every action of the menus does something: it has a receiver, or is a choice."""
    menus = [menu for menu in window.findChildren(QMenu) if menu.objectName().startswith("menu_")]
    assert {menu.objectName() for menu in menus} >= {"menu_file", "menu_edit", "menu_view", "menu_help"}
    for action in (action for menu in menus for action in menu.actions()):
        if action.isSeparator() or action.menu() is not None or action.actionGroup() is not None:
            continue
        receivers = action.receivers("2triggered(bool)") + action.receivers("2toggled(bool)")
        assert receivers > 0, action.text()


def test_the_inspector_gives_way_where_there_is_nothing_to_inspect(
    qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no image at all")
    parts.session.open_paths([tmp_path / "text"])
    qtbot.waitUntil(lambda: "cannot" in window.snapshots.page.message()[0], timeout=20_000)
    assert not window.inspector.isVisible()
    parts.session.open_paths([create(tmp_path / "a.qcow2", MIB)])
    qtbot.waitUntil(window.inspector.isVisible, timeout=20_000)


def test_no_qt_object_is_left_to_the_garbage_collector(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    """It may run in a worker thread, and a QObject that is destroyed there can crash the program."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        parts.session.open_paths([sample(Q35)])
        loaded(qtbot, parts)
        for tab in ("devices", "memory", "disk", "overview"):
            window.inspector.show_tab(tab)
            qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=20_000)
        for action in window.views.actions:
            action.trigger()
        qtbot.waitUntil(lambda: window.views.timeline.plot is not None, timeout=20_000)
        window.filter_box.set_filter("device ~ cpu")
        qtbot.waitUntil(lambda: bool(window.devices.filter_result()), timeout=20_000)
        window.verbs.about.trigger()
        window.findChildren(QMessageBox)[0].close()
        window.show_report(Report("Title", "Text", "Details"))
        window.findChildren(QMessageBox)[0].close()
        window.verbs.show_jobs.trigger()
        parts.session.open_paths([sample(Q35).parent])
        qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=20_000)
        parts.session.close_all()
        QApplication.processEvents()
        gc.collect()
        left = [thing for thing in gc.garbage if isinstance(thing, QObject) and shiboken6.isValid(thing)]
        assert not left
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
