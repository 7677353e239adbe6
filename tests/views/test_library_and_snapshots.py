"""The library and the snapshot table as widgets: the selection is the session's, both ways; empty pages say why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu

from tests.control.test_locks import exported
from tests.image.tools import MIB, create, take
from tests.samples import sample
from tests.views.world import World, world
from vmsnap_gui.models.snapshots import Column
from vmsnap_gui.views.delegates import elided_path
from vmsnap_gui.views.library_view import LibraryView
from vmsnap_gui.views.snapshot_table import SnapshotTable
from vmsnap_gui.views.state_message import why_no_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path / "config") as made:
        yield made


@pytest.fixture
def library(qtbot: QtBot, here: World) -> LibraryView:
    view = LibraryView(here.session)
    qtbot.addWidget(view)
    view.show()
    return view


@pytest.fixture
def snapshots(qtbot: QtBot, here: World) -> SnapshotTable:
    view = SnapshotTable(here.session)
    qtbot.addWidget(view)
    view.resize(900, 300)
    view.show()
    return view


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [create(tmp_path / f"{name}.qcow2", MIB) for name in "ab"]
    take(paths[0], "one", "two")
    return paths


def test_the_library_leads_and_follows(qtbot: QtBot, here: World, library: LibraryView, images: list[Path]) -> None:
    here.session.open_paths(images)
    here.settle()
    assert library.current() == images[0]
    assert library.tree.selectionModel().hasSelection()
    library.tree.setFocus()
    qtbot.keyClick(library.tree, Qt.Key.Key_Down)
    assert here.session.image == images[1]
    here.session.select_image(images[0])
    assert library.current() == images[0]
    here.session.close_all()
    assert library.current() is None


def test_a_view_that_gets_the_focus_still_shows_the_selection(
    here: World, library: LibraryView, images: list[Path]
) -> None:
    library.tree.setFocus()
    here.session.open_paths(images)
    here.settle()
    index = library.model.index_of(images[0])
    assert library.tree.selectionModel().isSelected(index)


def test_a_folder_opens_by_itself(here: World, library: LibraryView, images: list[Path]) -> None:
    folder = images[0].parent
    here.session.open_paths([folder])
    here.settle()
    assert library.tree.isExpanded(library.model.index_of(folder))


def test_folders_give_way_before_the_name(here: World, library: LibraryView, tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "bookworm"
    folder.mkdir(parents=True)
    path = create(folder / "web.qcow2", MIB)
    here.session.open_paths([folder.parent])
    here.settle()
    index = library.model.index_of(path)
    text, metrics = str(index.data()), library.tree.fontMetrics()
    assert text == "bookworm/web.qcow2"
    assert str(path) in index.data(Qt.ItemDataRole.ToolTipRole)
    whole = metrics.horizontalAdvance(text)
    assert elided_path(text, metrics, whole) == text
    for width in range(metrics.horizontalAdvance("…/web.qcow2"), whole):
        shown = elided_path(text, metrics, width)
        assert shown.startswith("…")
        assert shown.endswith("/web.qcow2")
    narrow = elided_path(text, metrics, metrics.horizontalAdvance("web.qcow2") - 1)
    assert (narrow[0], narrow[-1], "/" in narrow) == ("w", "2", False)


def test_the_context_menu_asks_what_to_offer(here: World, library: LibraryView, images: list[Path]) -> None:
    here.session.open_paths(images)
    here.settle()
    asked: list[object] = []
    library.menu_wanted.connect(lambda menu, path: (asked.append(path), menu.addAction("Something")))
    place = library.tree.visualRect(library.model.index_of(images[1])).center()
    _ask_for_menu(library.tree.viewport(), place)
    assert asked == [images[1]]
    _close_menu()
    _ask_for_menu(library.tree.viewport(), QPoint(5, library.height() - 5))
    assert asked == [images[1], None]
    _close_menu()


def test_the_table_leads_and_follows(qtbot: QtBot, here: World, snapshots: SnapshotTable, images: list[Path]) -> None:
    here.session.open_paths(images)
    here.settle()
    table = snapshots.table
    assert table.isVisible()
    assert table.currentIndex().data() == "two"
    qtbot.keyClick(table, Qt.Key.Key_Up)
    assert here.session.snapshot == 0
    snapshots.table.sortByColumn(Column.TAG, Qt.SortOrder.DescendingOrder)
    assert table.currentIndex().data() == "one"
    assert here.session.snapshot == 0
    here.session.select_snapshot(images[0], 1)
    assert table.currentIndex().data() == "two"
    assert table.selectionModel().isSelected(table.currentIndex())


def test_the_focus_alone_chooses_nothing(
    qtbot: QtBot, here: World, library: LibraryView, snapshots: SnapshotTable, images: list[Path]
) -> None:
    """A view that gets the focus makes its first row current; that must not undo what is to be restored."""
    here.session.open_paths([images[0]])
    here.session.select_snapshot(images[0], 1)
    snapshots.activateWindow()
    qtbot.waitUntil(snapshots.isActiveWindow)
    snapshots.table.setFocus()
    here.settle()
    assert here.session.snapshot == 1
    here.session.select_snapshot(images[0], None)
    snapshots.table.clearFocus()
    snapshots.table.setFocus()
    assert here.session.snapshot is None


def test_rows_are_of_one_height(here: World, snapshots: SnapshotTable, images: list[Path]) -> None:
    here.session.open_paths(images)
    here.settle()
    height = snapshots.table.rowHeight(snapshots.model.index(0, 0))
    assert 1.2 < height / snapshots.table.fontMetrics().height() < 1.6


def test_copying(qtbot: QtBot, here: World, snapshots: SnapshotTable, images: list[Path]) -> None:
    here.session.open_paths(images)
    here.settle()
    clipboard = QGuiApplication.clipboard()
    snapshots.table.setFocus()
    snapshots.copy_value.trigger()
    assert clipboard.text() == "two"
    snapshots.copy_row.trigger()
    assert clipboard.text().split("\t")[:2] == ["two", "2"]
    snapshots.copy_json.trigger()
    assert json.loads(clipboard.text())["tag"] == "two"
    _ask_for_menu(snapshots.table.viewport(), snapshots.table.visualRect(snapshots.table.currentIndex()).center())
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert [action.text() for action in menu.actions()] == [
        "Edit &note…",
        "",
        "&Copy value",
        "Copy &row",
        "Copy as &JSON",
    ]
    _close_menu()


def test_pages_say_why_there_is_no_table(qtbot: QtBot, here: World, snapshots: SnapshotTable, tmp_path: Path) -> None:
    assert snapshots.page.message()[0] == "No image is selected"
    lab = tmp_path / "lab"
    lab.mkdir()
    empty = create(lab / "empty.qcow2", MIB)
    here.session.open_paths([empty])
    here.settle()
    assert snapshots.page.message()[0] == "empty.qcow2 holds no snapshots"
    here.session.open_paths([lab])
    here.settle()
    assert snapshots.page.message()[0] == "lab"
    only = snapshots.page.message()[1]  # the only one in it was opened itself
    assert only == "No images were found in this folder that are not in the library already."
    bare = tmp_path / "bare"
    bare.mkdir()
    here.session.open_paths([bare])
    here.settle()
    assert snapshots.page.message() == ("bare", "No images were found in this folder.")
    text = tmp_path / "notes.txt"
    text.write_text("nothing to see here")
    here.session.open_paths([text])
    here.settle()
    heading, words = snapshots.page.message()
    assert heading == "notes.txt cannot be opened"
    assert words.startswith("This is neither")
    assert "not changed" in words
    assert snapshots.page.accessibleName() == heading
    here.session.open_paths([tmp_path / "gone"])
    here.settle()
    told = "There is no such file.\nIt is read again when it is back. If it was renamed, open it under its new name."
    assert snapshots.page.message()[1] == told


def test_a_folder_counts_what_can_be_read(here: World, snapshots: SnapshotTable, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "bad.qcow2").write_bytes(b"QFI\xfb" + bytes(100))
    here.session.open_paths([lab])
    here.settle()
    assert snapshots.page.message() == ("lab", "No images were found in this folder; 1 file cannot be read.")
    for name in ("a", "b"):
        create(lab / f"{name}.qcow2", MIB)
    here.session.reload(lab)
    here.settle()
    told = "2 images in this folder, 1 file cannot be read. Select one in the library."
    assert snapshots.page.message()[1] == told
    (lab / "bad.qcow2").unlink()
    here.session.reload(lab)
    here.settle()
    assert snapshots.page.message()[1] == "2 images in this folder. Select one in the library."


def test_a_damaged_table_of_snapshots_is_not_called_empty(
    here: World, snapshots: SnapshotTable, tmp_path: Path
) -> None:
    short = tmp_path / "short.qcow2"
    short.write_bytes(sample("q35-default@10.0/disk0.qcow2").read_bytes()[:100_000])
    here.session.open_paths([short])
    here.settle()
    assert "0 of 3 snapshots can be read" in snapshots.notice.text()
    assert snapshots.page.message()[0] == "No snapshots of short.qcow2 can be read"
    assert "savevm" not in snapshots.page.message()[1]
    assert why_no_state(here.session)[1] == "No saved state can be read"


def test_use_by_a_machine_is_said_above_the_table(here: World, snapshots: SnapshotTable, images: list[Path]) -> None:
    with exported(images[0]):
        here.session.open_paths(images)
        here.settle()
        assert "may be changing" in snapshots.notice.text()
        assert snapshots.notice.isVisible()
    here.session.reload(images[0])
    here.settle()
    assert not snapshots.notice.isVisible()


def _ask_for_menu(widget: object, place: QPoint) -> None:
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, widget.mapToGlobal(place))
    QApplication.sendEvent(widget, event)


def _close_menu() -> None:
    menu = QApplication.activePopupWidget()
    assert menu is not None
    menu.close()
