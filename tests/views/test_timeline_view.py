"""The Timeline in the window: one selection with the table, by pointer and by keyboard, on both clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QMenu, QToolButton, QToolTip

from tests.end2end.test_gui_walk import running
from tests.image.tools import MIB, create, take, write
from tests.samples import sample
from tests.test_branches import branched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.main_window import MainWindow
    from vmsnap_gui.views.timeline_plot import TimelinePlot

pytestmark = pytest.mark.gui

WAIT = 20_000
Q35 = "q35-default@10.0/disk0.qcow2"
Left = Qt.MouseButton.LeftButton


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.window.activateWindow()
        yield parts


@pytest.fixture
def window(parts: Parts) -> MainWindow:
    return parts.window


@pytest.fixture
def plot(qtbot: QtBot, parts: Parts, tmp_path: Path) -> TimelinePlot:
    parts.session.open_paths([branched(tmp_path / "web.qcow2")])
    return shown(qtbot, parts, 6)


def shown(qtbot: QtBot, parts: Parts, marks: int) -> TimelinePlot:
    """Show the timeline, and wait for its marks."""
    parts.window.views.actions[1].trigger()
    view = parts.window.views.timeline
    qtbot.waitUntil(lambda: view.plot is not None and len(view.plot.marks.all) == marks, timeout=WAIT)
    assert view.plot is not None
    return view.plot


def chosen(window: MainWindow) -> list[str]:
    return sorted(str(index.data()) for index in window.snapshots.table.selectionModel().selectedRows())


def test_all_marks_are_in_sight(plot: TimelinePlot, window: MainWindow) -> None:
    for mark in plot.marks.all:
        place = plot.place_of(mark.node)
        assert 0 <= place.x() <= plot.width()
        assert 0 <= place.y() <= plot.height()
        assert plot.node_at(place) is not None
    assert len(plot.layout_now().labels) >= 3
    assert "dashed: inferred" in window.views.timeline.about.text()
    assert "hollow" not in window.views.timeline.about.text()
    assert window.views.timeline.range.text().startswith("20")


def test_the_pointer_chooses(qtbot: QtBot, plot: TimelinePlot, window: MainWindow, parts: Parts) -> None:
    assert chosen(window) == ["five"]
    for _ in range(3):
        qtbot.keyClick(plot, Qt.Key.Key_Left)
    assert chosen(window) == ["two"]
    assert parts.session.snapshot == 1
    place = plot.place_of(0).toPoint()
    qtbot.mouseClick(plot.viewport(), Left, pos=place)
    assert chosen(window) == ["one"]
    qtbot.mouseClick(plot.viewport(), Left, Qt.KeyboardModifier.ControlModifier, plot.place_of(4).toPoint())
    assert chosen(window) == ["five", "one"]
    assert sorted(plot.selected) == [0, 4]
    qtbot.mouseClick(plot.viewport(), Left, Qt.KeyboardModifier.ControlModifier, plot.place_of(0).toPoint())
    assert chosen(window) == ["five"]
    window.snapshots.select([2])
    assert plot.selected == [2]


def test_the_keyboard_chooses(qtbot: QtBot, plot: TimelinePlot, window: MainWindow) -> None:
    keys = (
        (Qt.Key.Key_Home, "one"),
        (Qt.Key.Key_Right, "two"),
        (Qt.Key.Key_End, "five"),
        (Qt.Key.Key_Right, "five"),
        (Qt.Key.Key_Home, "one"),
    )
    for key, tag in keys:
        qtbot.keyClick(plot, key)
        assert chosen(window) == [tag]
    qtbot.keyClick(plot, Qt.Key.Key_Down)
    (current,) = plot.selected
    assert next(mark for mark in plot.marks.all if mark.node == current).lane == 1
    qtbot.keyClick(plot, Qt.Key.Key_Up)
    (current,) = plot.selected
    assert next(mark for mark in plot.marks.all if mark.node == current).lane == 0


def test_tips_menus_and_deleting(qtbot: QtBot, plot: TimelinePlot, window: MainWindow) -> None:
    here = plot.marks.all[-1]
    place = plot.place_of(here.node).toPoint()
    event = QHelpEvent(QEvent.Type.ToolTip, place, plot.viewport().mapToGlobal(place))
    QApplication.sendEvent(plot.viewport(), event)
    assert "You are here" in QToolTip.text()
    assert "four" in QToolTip.text()
    QToolTip.hideText()
    place = plot.place_of(0).toPoint()
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.RightButton, pos=place)
    assert chosen(window) == ["one"]
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert window.desk.actions.restore in menu.actions()
    menu.close()
    asked: list[object] = []
    window.desk.actions.wanted.disconnect(window.desk.ask)
    window.desk.actions.wanted.connect(asked.append)
    plot.setFocus()
    qtbot.waitUntil(window.desk.actions.delete.isEnabled)
    qtbot.keyClick(plot, Qt.Key.Key_Delete)
    assert len(asked) == 1


def test_what_hollow_marks_mean(qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path) -> None:
    path = create(tmp_path / "plain.qcow2", MIB)
    for value, name in enumerate(("one", "two"), 1):
        write(path, f"write -q -P {value} 0 {MIB}")
        take(path, name)
    parts.session.open_paths([path])
    assert [mark.open for mark in shown(qtbot, parts, 3).marks.all][:2] == [False, True]
    about = window.views.timeline.about
    assert "hollow: not known what it goes back to" in about.text()
    assert "hollow: not known what it goes back to" in about.toolTip()


def test_zoom_and_drag(qtbot: QtBot, plot: TimelinePlot) -> None:
    whole = plot.place_of(4).x() - plot.place_of(0).x()
    middle = QPointF(plot.width() / 2, 40)
    wheel = QWheelEvent(
        middle, QPointF(plot.mapToGlobal(middle.toPoint())), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(plot.viewport(), wheel)
    nearer = plot.place_of(4).x() - plot.place_of(0).x()
    assert nearer == pytest.approx(whole * 1.25, rel=1e-4)  # places are rounded to a fraction of a pixel
    before = plot.place_of(0)
    free = QPoint(plot.width() // 2, plot.height() // 2)
    assert plot.node_at(QPointF(free)) is None
    qtbot.mousePress(plot.viewport(), Left, pos=free)
    there = QPointF(free + QPoint(50, 0))
    move = QMouseEvent(
        QEvent.Type.MouseMove, there, QPointF(plot.mapToGlobal(there.toPoint())), Qt.MouseButton.NoButton, Left,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(plot.viewport(), move)
    qtbot.mouseRelease(plot.viewport(), Left, pos=free + QPoint(50, 0))
    assert plot.place_of(0).x() - before.x() == pytest.approx(50, abs=1.5)
    qtbot.keyClick(plot, Qt.Key.Key_0)
    assert plot.place_of(4).x() - plot.place_of(0).x() == pytest.approx(whole)


def test_the_vm_clock(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    parts.session.open_paths([sample(Q35)])
    plot = shown(qtbot, parts, 4)
    view = window.views.timeline
    by_date = [mark.at for mark in plot.marks.all]
    button = view.findChild(QToolButton, "timeline_by_clock")
    assert isinstance(button, QToolButton)
    button.click()
    by_clock = [mark.at for mark in plot.marks.all]
    assert by_clock != by_date
    assert max(by_clock) < 1e6
    assert view.range.text().startswith("00:")
    assert parts.settings.vm_clock


def test_what_has_no_clock_is_said(qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path) -> None:
    path = create(tmp_path / "plain.qcow2", MIB)
    take(path, "one", "two")
    parts.session.open_paths([path])
    plot = shown(qtbot, parts, 3)
    button = window.views.timeline.findChild(QToolButton, "timeline_by_clock")
    assert isinstance(button, QToolButton)
    button.click()
    assert plot.marks.all == ()
    assert "2 snapshots without a VM clock" in window.views.timeline.about.text()
    qtbot.keyClick(plot, Qt.Key.Key_Right)  # nothing to go to
    assert not plot.grab().isNull()
