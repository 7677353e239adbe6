"""The gallery and the table's column of screens, in the window with the demo: pictures, selection, keys."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QMenu, QToolTip

from tests.end2end.test_gui_walk import loaded, running
from vmsnap_gui.demo import demo_image
from vmsnap_gui.models.snapshots import Column

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.gallery_view import GalleryView

pytestmark = pytest.mark.gui


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_demo()
        loaded(qtbot, parts)
        yield parts


def _ready(qtbot: QtBot, parts: Parts) -> None:
    """Wait until all pictures are there that something in sight has asked for."""
    thumbnails = parts.window.thumbnails
    qtbot.waitUntil(lambda: thumbnails.get(0) is not None and not thumbnails.is_working(), timeout=20_000)


def _gallery(qtbot: QtBot, parts: Parts) -> GalleryView:
    parts.window.views.actions[3].trigger()
    gallery = parts.window.views.gallery
    qtbot.waitUntil(gallery.isVisible)
    _ready(qtbot, parts)
    return gallery


def _colours(image: QImage) -> set[tuple[int, ...]]:
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    array = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return {tuple(one) for one in array[:, : 3 * rgb.width()].reshape(-1, 3).tolist()}


def test_the_table_shows_the_screens_in_front(qtbot: QtBot, parts: Parts) -> None:
    table = parts.window.snapshots.table
    assert table.header().visualIndex(Column.SCREEN) == 0
    _ready(qtbot, parts)
    cells = [parts.window.snapshots.model.index(row, Column.SCREEN) for row in range(4)]
    for cell in cells:
        thumbnail = parts.window.thumbnails.get(cell.row())
        assert thumbnail is not None
        assert thumbnail.row is not None
        assert cell.data() == thumbnail.text
    shown = [table.viewport().grab(table.visualRect(cell)).toImage() for cell in cells]
    assert len(_colours(shown[2])) > 30  # the guest draws in many colours, and a cell without a picture has few


def test_the_gallery_has_the_selection_of_the_table(qtbot: QtBot, parts: Parts) -> None:
    gallery = _gallery(qtbot, parts)
    table = parts.window.snapshots
    assert gallery.currentIndex().row() == 3  # the newest is selected at first
    gallery.setFocus()
    qtbot.mouseClick(
        gallery.viewport(), Qt.MouseButton.LeftButton, pos=gallery.visualRect(table.model.index(1, 0)).center()
    )
    assert (table.selected(), parts.session.snapshot) == ([1], 1)
    qtbot.keyClick(gallery, Qt.Key.Key_Right)
    assert (table.selected(), parts.session.snapshot) == ([2], 2)
    qtbot.keyClick(gallery, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert table.selected() == [1, 2]
    assert parts.window.compare_tab.actions.compare.isEnabled()
    parts.window.views.actions[0].trigger()
    table.select([0])
    parts.window.views.actions[3].trigger()
    assert gallery.currentIndex() == table.model.index(0, Column.TAG)
    qtbot.keyClick(gallery, Qt.Key.Key_Right)
    assert table.selected() == [1]


def test_return_shows_the_screen_from_close_by(qtbot: QtBot, parts: Parts) -> None:
    gallery = _gallery(qtbot, parts)
    qtbot.keyClick(gallery, Qt.Key.Key_Return)
    assert parts.window.inspector.current_tab() == "screen"


def test_each_place_has_the_picture_the_tag_and_says_more(qtbot: QtBot, parts: Parts) -> None:
    gallery = _gallery(qtbot, parts)
    rects = [gallery.visualRect(gallery.model().index(row, 0)) for row in range(4)]
    assert len({(one.left(), one.top()) for one in rects}) == 4
    pictures = [gallery.viewport().grab(one).toImage() for one in rects]
    assert len(_colours(pictures[2])) > 30
    place = rects[0].center()
    event = QHelpEvent(QEvent.Type.ToolTip, place, gallery.viewport().mapToGlobal(place))
    QApplication.sendEvent(gallery.viewport(), event)
    thumbnail = parts.window.thumbnails.get(0)
    assert thumbnail is not None
    qtbot.waitUntil(lambda: thumbnail.text in QToolTip.text())
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


def test_the_menu_of_a_picture_is_that_of_the_snapshot(qtbot: QtBot, parts: Parts) -> None:
    gallery = _gallery(qtbot, parts)
    gallery.customContextMenuRequested.emit(gallery.visualRect(gallery.model().index(0, 0)).center())
    (menu,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMenu) and one.isVisible()]
    names = [action.objectName() for action in menu.actions()]
    assert {"restore", "delete", "copy_row"} <= set(names)
    menu.close()
    gallery.customContextMenuRequested.emit(QPoint(1, 1))  # beside all pictures
    assert not [one for one in QApplication.topLevelWidgets() if isinstance(one, QMenu) and one.isVisible()]


def test_an_image_without_states_has_no_column_of_screens(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "disk", image], check=True)
    parts.session.open_paths([image])
    qtbot.waitUntil(lambda: parts.session.image == image and parts.session.snapshot == 0, timeout=20_000)
    assert parts.window.snapshots.table.isColumnHidden(Column.SCREEN)
    gallery = _gallery(qtbot, parts)
    assert gallery.model().rowCount() == 1
    parts.session.select_image(demo_image())
    qtbot.waitUntil(lambda: parts.session.snapshot is not None, timeout=20_000)
    assert not parts.window.snapshots.table.isColumnHidden(Column.SCREEN)


def test_the_next_start_shows_the_gallery_again_with_its_pictures_at_once(qtbot: QtBot, tmp_path: Path) -> None:
    with running(qtbot, tmp_path / "config") as first:
        first.session.open_demo()
        loaded(qtbot, first)
        _gallery(qtbot, first)
    with running(qtbot, tmp_path / "config") as again:
        again.session.open_demo()
        thumbnails = again.window.thumbnails
        qtbot.waitUntil(lambda: thumbnails.get(0) is not None, timeout=20_000)
        assert again.window.views.gallery.isVisible()
        loaded(qtbot, again)
