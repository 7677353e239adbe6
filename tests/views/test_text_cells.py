"""Cells that are painted in one go look as Qt paints them, to the pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from tests.models.states import NO_DESCRIPTION, Q35, loaded
from vmsnap_gui.models.field_nodes import DeviceTree
from vmsnap_gui.models.fields import Column
from vmsnap_gui.views import theme
from vmsnap_gui.views.device_tree import DeviceTreeView, FieldDelegate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QImage, QPainter
    from pytestqt.qtbot import QtBot

Index = QModelIndex | QPersistentModelIndex

pytestmark = pytest.mark.gui


class _Both(FieldDelegate):
    """Paints in one go, or every cell as Qt does."""

    slowly = False

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if self.slowly:
            QStyledItemDelegate.paint(self, painter, option, index)
        else:
            super().paint(painter, option, index)


@pytest.fixture(params=[Qt.ColorScheme.Light, Qt.ColorScheme.Dark])
def scheme(qapp: object, request: pytest.FixtureRequest) -> Iterator[Qt.ColorScheme]:
    theme.set_scheme(request.param)
    yield request.param
    theme.set_scheme(Qt.ColorScheme.Unknown)


@pytest.mark.parametrize("name", [Q35, NO_DESCRIPTION])
def test_the_quick_way_looks_as_qt_s_own(qtbot: QtBot, scheme: Qt.ColorScheme, name: str) -> None:
    view = DeviceTreeView()
    qtbot.addWidget(view)
    view.resize(900, 700)
    view.show_tree(DeviceTree(loaded(name)), None, expand=False)
    view.expandToDepth(1)
    view.header().resizeSection(Column.LABEL, 40)  # so narrow that texts give way
    view.show()
    qtbot.waitExposed(view)
    delegate = _Both(view)
    view.setItemDelegate(delegate)
    quick, slow = (_pictures(view, delegate, slowly=slowly) for slowly in (False, True))
    assert quick == slow
    assert quick[0] != quick[1]


def test_a_larger_font_of_the_tree_is_a_larger_font_of_its_cells(qtbot: QtBot) -> None:
    view = DeviceTreeView()
    qtbot.addWidget(view)
    view.show_tree(DeviceTree(loaded(Q35)), None, expand=False)
    view.show()
    qtbot.waitExposed(view)
    delegate = _Both(view)
    view.setItemDelegate(delegate)
    small = _pictures(view, delegate, slowly=False)
    font = view.font()
    font.setPointSizeF(font.pointSizeF() * 2)
    view.setFont(font)
    quick, slow = (_pictures(view, delegate, slowly=slowly) for slowly in (False, True))
    assert quick == slow
    assert quick != small


def _pictures(view: DeviceTreeView, delegate: _Both, *, slowly: bool) -> list[QImage]:
    delegate.slowly = slowly
    view.doItemsLayout()
    pictures = []
    for place in (0, 400, 2000):
        view.verticalScrollBar().setValue(place)
        pictures.append(view.viewport().grab().toImage())
    return pictures
