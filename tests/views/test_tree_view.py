"""The Tree: rows as the history has them, one selection with the table, the same verbs, and pages that say why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QLabel, QMenu

from tests.end2end.test_gui_walk import running
from tests.image.tools import MIB, create, run, take
from tests.samples import sample
from tests.test_branches import branched
from vmsnap_gui.branches import Row
from vmsnap_gui.models.snapshot_tree import FREES, HERE_ROLE, REASON, ROW_ROLE, SOURCE, TAG
from vmsnap_gui.models.snapshots import Column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.main_window import MainWindow
    from vmsnap_gui.views.tree_view import TreeView

pytestmark = pytest.mark.gui

WAIT = 20_000


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


@pytest.fixture
def window(parts: Parts) -> MainWindow:
    return parts.window


@pytest.fixture
def tree(qtbot: QtBot, parts: Parts, tmp_path: Path) -> TreeView:
    """The Tree of an image with branches, in the window."""
    parts.session.open_paths([branched(tmp_path / "web.qcow2")])
    parts.window.views.show("tree")
    view = parts.window.views.tree
    qtbot.waitUntil(lambda: view.model.rowCount() == 6, timeout=WAIT)
    return view


def tags(view: TreeView) -> list[str]:
    return [view.model.index(row, TAG).data() for row in range(view.model.rowCount())]


def chosen(window: MainWindow) -> list[str]:
    model = window.snapshots.table.selectionModel()
    return sorted(str(index.data()) for index in model.selectedRows())


def test_rows_with_their_reasons(tree: TreeView) -> None:
    assert tags(tree) == ["one", "two", "three", "five", "four", "You are here"]
    sources = [tree.model.index(row, SOURCE).data() for row in range(6)]
    assert sources == ["inferred"] * 6
    assert "all others hold changes that this one has not" in str(tree.model.index(4, REASON).data())
    tip = str(tree.model.index(1, TAG).data(Qt.ItemDataRole.ToolTipRole))
    assert "Goes back to 'one'" in tip
    assert "perhaps wrong" in tip
    here = tree.model.index(5, TAG)
    assert here.data(HERE_ROLE)
    assert not here.flags() & Qt.ItemFlag.ItemIsSelectable
    assert isinstance(here.data(ROW_ROLE), Row)
    label = tree.snapshots.findChild(QLabel, "snapshots_here")
    assert label.text() == "You are here: after four (inferred)"


def test_one_selection(qtbot: QtBot, window: MainWindow, parts: Parts, tree: TreeView) -> None:
    assert chosen(window) == ["five"]  # the newest
    assert [str(index.data()) for index in tree.tree.selectionModel().selectedRows()] == ["five"]
    tree.tree.setFocus()
    qtbot.keyClick(tree.tree, Qt.Key.Key_Up)
    assert chosen(window) == ["three"]
    assert parts.session.snapshot == 2
    qtbot.keyClick(tree.tree, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert chosen(window) == ["three", "two"]
    assert parts.session.snapshot == 2  # the one that was selected first
    window.snapshots.table.selectAll()
    assert len(tree.tree.selectionModel().selectedRows()) == 5
    tree.tree.setCurrentIndex(tree.model.index(5, TAG))  # where nothing can be selected, nothing changes
    assert len(chosen(window)) == 5


def test_the_verbs_of_the_table(qtbot: QtBot, window: MainWindow, tree: TreeView) -> None:
    place = tree.tree.visualRect(tree.model.index(1, TAG)).center()
    viewport = tree.tree.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, viewport.mapToGlobal(place))
    QApplication.sendEvent(viewport, event)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert menu.actions()[0] is window.desk.actions.restore
    assert window.desk.actions.delete in menu.actions()
    menu.close()
    assert chosen(window) == ["two"]
    window.activateWindow()
    tree.tree.setFocus()
    asked: list[object] = []
    window.desk.actions.wanted.disconnect(window.desk.ask)
    window.desk.actions.wanted.connect(asked.append)
    qtbot.waitUntil(window.desk.actions.delete.isEnabled)
    qtbot.keyClick(tree.tree, Qt.Key.Key_Delete)
    assert len(asked) == 1


def test_the_table_says_what_each_frees(qtbot: QtBot, window: MainWindow, parts: Parts, tree: TreeView) -> None:
    model = window.snapshots.model
    found = window.history.history()
    assert found is not None
    cells = [model.index(row, Column.FREES) for row in range(5)]
    assert [cell.data() for cell in cells] == [tree.model.index(tags(tree).index(tag), FREES).data() for tag in
                                               ("one", "two", "three", "four", "five")]  # fmt: skip
    assert "Deleting it frees" in str(cells[2].data(Qt.ItemDataRole.ToolTipRole))
    window.snapshots.table.sortByColumn(Column.FREES, Qt.SortOrder.DescendingOrder)
    sizes = [found.frees[position] for row in range(5) if (position := model.position(model.index(row, 0))) is not None]
    assert sizes == sorted(found.frees, reverse=True)


def test_a_delete_shows_in_the_tree(qtbot: QtBot, parts: Parts, tree: TreeView, tmp_path: Path) -> None:
    run("qemu-img", "snapshot", "-d", "two", tmp_path / "web.qcow2")
    parts.session.reload(tmp_path / "web.qcow2")
    qtbot.waitUntil(lambda: tags(tree) == ["one", "three", "five", "four", "You are here"], timeout=WAIT)


def test_pages_say_why_there_is_no_tree(qtbot: QtBot, window: MainWindow, parts: Parts, tree: TreeView) -> None:
    parts.session.open_paths([sample("q35-default@10.0/disk0.qcow2")])
    qtbot.waitUntil(lambda: tree.model.rowCount() == 4, timeout=WAIT)
    folder = parts.session.library.entries.opened()[0].parent
    empty = create(folder / "empty.qcow2", MIB)
    parts.session.open_paths([empty])
    page = window.snapshots.page
    qtbot.waitUntil(lambda: page.isVisible() and page.message()[0] == "empty.qcow2 holds no snapshots", timeout=WAIT)
    parts.session.open_paths([sample("q35-default@10.0/s-plain.vmstate")])
    qtbot.waitUntil(lambda: tree.page.message()[0] == "This file holds one saved state", timeout=WAIT)
    assert tree.page.isVisible()
    window.views.actions[0].trigger()
    assert window.snapshots.table.isVisible()


def test_the_view_is_remembered(qtbot: QtBot, tmp_path: Path) -> None:
    image = branched(tmp_path / "web.qcow2")
    for started in (False, True):
        with running(qtbot, tmp_path / "kept") as parts:
            if not started:
                parts.session.open_paths([image])
                parts.window.views.actions[2].trigger()
            view = parts.window.views.tree
            qtbot.waitUntil(view.isVisible, timeout=WAIT)
            qtbot.waitUntil(lambda view=view: view.model.rowCount() == 6, timeout=WAIT)
            assert parts.window.views.actions[2].isChecked()


def test_a_long_tag_makes_nothing_wider(qtbot: QtBot, window: MainWindow, parts: Parts, tmp_path: Path) -> None:
    path = create(tmp_path / "web.qcow2", MIB)
    take(path, "w" * 250)
    parts.session.open_paths([path])
    window.inspector.setCurrentWidget(window.disk)
    for name in ("timeline", "gallery", "tree"):
        window.views.show(name)
    view = window.views.timeline
    qtbot.waitUntil(lambda: view.plot is not None and window.views.tree.model.rowCount() == 2, timeout=WAIT)
    label = window.findChild(QLabel, "snapshots_here")
    assert isinstance(label, QLabel)
    assert label.text().startswith("You are here: after www")
    assert "w" * 250 in label.toolTip()
    assert window.minimumSizeHint().width() < 1100
