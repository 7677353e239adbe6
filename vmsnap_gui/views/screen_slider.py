"""Two pictures, one upon the other, with a line that is dragged between before and after; what changed is outlined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPalette, QPen

from vmsnap_gui.views import theme
from vmsnap_gui.views.picture_area import PictureArea

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.compare.screens import Region
    from vmsnap_gui.pictures import Picture

_STEP = 0.02
_MARGIN = 6


class ScreenSlider(PictureArea):
    """Shows the first picture at the left of a line and the second at its right.

    The mouse, the arrow keys, Home and End move the line.

    Attributes:
        split: Where the line is, from 0 (all of it the second) to 1 (all of it the first).
        current: The region that was gone to, as a place among them; None while there is none.
    """

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(name, title, parent)
        self._pictures: tuple[Picture | None, Picture | None] = (None, None)
        self._names = ("", "")
        self._regions: Sequence[Region] = ()
        self.split = 0.5
        self.current: int | None = None
        self.viewport().setCursor(Qt.CursorShape.SplitHCursor)

    def show_pair(
        self, before: Picture | None, after: Picture | None, names: tuple[str, str], regions: Sequence[Region]
    ) -> None:
        """Show two pictures, perhaps only one of them.

        Args:
            before: What is at the left.
            after: What is at the right.
            names: What they are called, in a letter or a word.
            regions: What is outlined.
        """
        self._pictures, self._names, self._regions = (before, after), names, regions
        self.current = None
        there = [one for one in self._pictures if one is not None]
        size = (max(one.width for one in there), max(one.height for one in there)) if there else None
        self.show_size(size)

    def set_split(self, split: float) -> None:
        """Move the line."""
        self.split = min(1.0, max(0.0, split))
        self.viewport().update()

    def go_to(self, number: int) -> None:
        """Mark a region, and have it in sight."""
        self.current = number
        region, target = self._regions[number], self.target()
        middle = self._place(region, target).center() - target.topLeft()
        bars = (self.horizontalScrollBar(), middle.x()), (self.verticalScrollBar(), middle.y())
        for bar, where in bars:
            bar.setValue(round(where - bar.pageStep() / 2))
        self.viewport().update()

    def paint_content(self, painter: QPainter, target: QRectF) -> None:
        """See PictureArea."""
        line = target.left() + target.width() * self.split
        halves = (
            QRectF(target.topLeft(), QPointF(line, target.bottom())),
            QRectF(QPointF(line, target.top()), target.bottomRight()),
        )
        for picture, half in zip(self._pictures, halves, strict=True):
            if picture is not None:
                painter.save()
                painter.setClipRect(half)
                self.draw(painter, picture, self.place_of(picture, target))
                painter.restore()
        self._outline(painter, target)
        self._paint_line(painter, target, line)
        self._paint_names(painter, line, self._handle(target))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mousePressEvent: the line comes to the mouse."""
        self._follow_mouse(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseMoveEvent."""
        self._follow_mouse(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent."""
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.set_split(self.split + (_STEP if key == Qt.Key.Key_Right else -_STEP))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.set_split(0.0 if key == Qt.Key.Key_Home else 1.0)
        else:
            super().keyPressEvent(event)

    def _follow_mouse(self, event: QMouseEvent) -> None:
        target = self.target()
        if event.buttons() & Qt.MouseButton.LeftButton and target.width():
            self.set_split((event.position().x() - target.left()) / target.width())

    def _place(self, region: Region, target: QRectF) -> QRectF:
        each = self.zoom / self.devicePixelRatioF()
        place = QRectF(region.left * each, region.top * each, region.width * each, region.height * each)
        return place.translated(target.topLeft())

    def _outline(self, painter: QPainter, target: QRectF) -> None:
        """Outline what changed, in the accent between light and dark lines: it is seen upon any picture."""
        accent, light = theme.accent(self.palette()), Qt.GlobalColor.white
        for number, region in enumerate(self._regions):
            wide = 2 if number == self.current else 0
            around = 3 + wide / 2  # what changed stays free to be read
            place = self._place(region, target).adjusted(-around, -around, around, around)
            for colour, width in ((Qt.GlobalColor.black, 4 + wide), (light, 3 + wide), (accent, 1 + wide)):
                pen = QPen(colour, width)
                pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
                painter.setPen(pen)
                painter.drawRect(place)

    def _paint_line(self, painter: QPainter, target: QRectF, line: float) -> None:
        accent, light = theme.accent(self.palette()), self.palette().color(QPalette.ColorRole.HighlightedText)
        for colour, width in ((light, 4), (accent, 2)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(line, target.top()), QPointF(line, target.bottom()))
        middle = self._handle(target)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(light, 1.5))
        painter.setBrush(accent)
        painter.drawEllipse(QPointF(line, middle), 9, 9)
        for way in (-1, 1):
            tip = QPointF(line + 6 * way, middle)
            painter.drawLine(tip, tip + QPointF(-3 * way, -3))
            painter.drawLine(tip, tip + QPointF(-3 * way, 3))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _handle(self, target: QRectF) -> float:
        """Return how far down the middle of the line is, as far as it is in sight."""
        return target.intersected(QRectF(self.viewport().rect())).center().y()

    def _paint_names(self, painter: QPainter, line: float, middle: float) -> None:
        """Say which is which, at both sides of the handle."""
        metrics = self.fontMetrics()
        for name, way in zip(self._names, (-1, 1), strict=True):
            width = metrics.horizontalAdvance(name) + 2 * _MARGIN
            label = QRectF(line + 14 if way > 0 else line - 14 - width, 0, width, metrics.height() + 4)
            label.moveCenter(QPointF(label.center().x(), middle))
            painter.fillRect(label, self.palette().color(QPalette.ColorRole.ToolTipBase))
            painter.setPen(self.palette().color(QPalette.ColorRole.ToolTipText))
            painter.drawText(label, Qt.AlignmentFlag.AlignCenter, name)
