"""Draws the lanes of a tree of snapshots before their tags: dots, and lines that are dashed where inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionViewItem

from vmsnap_gui.image.ancestry import Source
from vmsnap_gui.models.snapshot_tree import HERE_ROLE, QUIET_ROLE, ROW_ROLE
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import Index, RowDelegate

if TYPE_CHECKING:
    from vmsnap_gui.branches import Row

_DASHES = [2.4, 2.0]
"""Lengths of dashes and gaps, in widths of the line."""


def line_pen(colour: QColor, *, solid: bool, width: float = 1.5) -> QPen:
    """Return the pen for the line to a parent: dashed where that is inferred."""
    pen = QPen(colour, width)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    if not solid:
        pen.setDashPattern(_DASHES)
    return pen


class GraphDelegate(RowDelegate):
    """Rows of the tree: the first cell begins with its lanes; "you are here" stands out, reasons are quiet."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::initStyleOption."""
        super().initStyleOption(option, index)
        if index.data(HERE_ROLE):
            option.font.setWeight(option.font.Weight.DemiBold)
        if index.data(QUIET_ROLE):
            option.font.setWeight(option.font.Weight.Normal)
            option.palette.setColor(QPalette.ColorRole.Text, theme.muted(option.palette))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        row: Row | None = index.data(ROW_ROLE)
        if row is None:
            super().paint(painter, option, index)
            return
        self.initStyleOption(option, index)
        text, option.text = option.text, ""
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        palette = option.palette
        strong = palette.color(QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_lanes(painter, option.rect, row, strong if selected else theme.muted(palette))
        here = bool(index.data(HERE_ROLE))
        accent = strong if selected else theme.accent(palette)
        self._paint_dot(painter, option.rect, row, accent, here=here)
        painter.setFont(option.font)
        painter.setPen(accent if here else strong)
        room = QRect(option.rect)
        room.setLeft(room.left() + (row.lane + 1) * self.lane_width(option.rect) + 4)
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width() - 4)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)
        painter.restore()
        option.text = text

    @staticmethod
    def lane_width(rect: QRect) -> int:
        """Return how wide a lane is in rows of this height."""
        return round(rect.height() * 0.78)

    def _x(self, rect: QRect, lane: int) -> float:
        return rect.left() + (lane + 0.5) * self.lane_width(rect) + 2

    def _paint_lanes(self, painter: QPainter, rect: QRect, row: Row, colour: QColor) -> None:
        top, bottom, middle = float(rect.top()), rect.bottom() + 1.0, rect.top() + rect.height() / 2
        x = self._x(rect, row.lane)
        lines = [(self._x(rect, lane), top, bottom, solid) for lane, solid in row.through]
        if row.above:
            lines.append((x, top, middle, row.solid))
        if row.below is not None:
            lines.append((x, middle, bottom, row.below))
        for at, start, end, solid in lines:
            painter.setPen(line_pen(colour, solid=solid))
            painter.drawLine(QPointF(at, start), QPointF(at, end))
        if row.comes_from is not None:
            start = self._x(rect, row.comes_from)
            path = QPainterPath(QPointF(start, top))
            path.quadTo(QPointF(start, middle), QPointF(x, middle))
            painter.setPen(line_pen(colour, solid=row.solid))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(path)

    def _paint_dot(self, painter: QPainter, rect: QRect, row: Row, colour: QColor, *, here: bool) -> None:
        """Draw the node: a ring around a dot for where the disk is, hollow where the parent is open."""
        middle = QPointF(self._x(rect, row.lane), rect.top() + rect.height() / 2)
        radius = rect.height() * 0.17
        painter.setPen(QPen(colour, 1.6))
        if here:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(middle, radius * 1.5, radius * 1.5)
            painter.setBrush(colour)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(middle, radius * 0.75, radius * 0.75)
            return
        ground = QApplication.palette().color(QPalette.ColorRole.Base)
        painter.setBrush(ground if row.source is Source.OPEN else colour)
        painter.drawEllipse(middle, radius, radius)
