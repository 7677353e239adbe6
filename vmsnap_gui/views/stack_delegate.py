"""Draws a cell with a bar of several pieces, each in the colour of a use of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionViewItem

from vmsnap_gui.views.delegates import Index, RowDelegate
from vmsnap_gui.views.page_colours import usage_colours

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter


class StackDelegate(RowDelegate):
    """A bar of the (Use, share) pairs that the model's `pieces_role` gives."""

    def __init__(self, pieces_role: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pieces_role = pieces_role

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        self.initStyleOption(option, index)
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        pieces = index.data(self._pieces_role)
        if not pieces:
            return
        colours = usage_colours(option.palette)
        thick = max(4, option.rect.height() // 2)
        left, room = option.rect.left() + 4.0, option.rect.width() - 8
        top = option.rect.center().y() - thick // 2
        for use, share in pieces:
            end = left + room * share
            painter.fillRect(QRect(round(left), top, max(1, round(end) - round(left)), thick), colours[use])
            left = end
