"""Legends of the page map: swatches with words, or a scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QColor

_GAP = 14
_WORD = 5
_SPACE = 8


class Legend(QWidget):
    """Swatches and words, in as many lines as they need."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setFont(theme.tabular(self.font()))
        self._entries: Sequence[tuple[QColor, str]] = ()
        self._scale: tuple[Sequence[QColor], str, str] | None = None

    def show_entries(self, entries: Sequence[tuple[QColor, str]]) -> None:
        """Show swatches with words."""
        self._entries, self._scale = entries, None
        self.setAccessibleName(", ".join(text for _, text in entries))
        self._changed()

    def show_scale(self, colours: Sequence[QColor], least: str, most: str) -> None:
        """Show a scale between two words."""
        self._entries, self._scale = (), (colours, least, most)
        self.setAccessibleName(f"{least} – {most}")
        self._changed()

    def heightForWidth(self, width: int) -> int:
        """Override QWidget::heightForWidth."""
        line = self.fontMetrics().lineSpacing() + 2
        lines = self._places(width)[-1][1] // line + 1 if self._entries else 1
        return lines * line + 6

    def sizeHint(self) -> QSize:
        """Override QWidget::sizeHint."""
        return QSize(120, self.heightForWidth(max(self.width(), 120)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Override QWidget::resizeEvent: the lines may have become more or fewer."""
        super().resizeEvent(event)
        self.setFixedHeight(self.heightForWidth(self.width()))

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Override QWidget::paintEvent."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        if self._scale is not None:
            self._paint_scale(painter, *self._scale)
        line, swatch = self.fontMetrics().lineSpacing() + 2, self._swatch()
        for (x, y), (colour, text) in zip(self._places(self.width()), self._entries, strict=True):
            box = QRect(x, y + 3 + (line - swatch) // 2, swatch, swatch)
            painter.fillRect(box, colour)
            painter.save()
            painter.setPen(theme.blend(colour, self.palette().color(QPalette.ColorRole.WindowText), 0.35))
            painter.drawRect(box.adjusted(0, 0, -1, -1))
            painter.restore()
            room = QRect(x + swatch + _WORD, y + 3, self.width(), line)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()

    def _paint_scale(self, painter: QPainter, colours: Sequence[QColor], least: str, most: str) -> None:
        metrics = self.fontMetrics()
        left, right = metrics.horizontalAdvance(least) + 2 * _SPACE, metrics.horizontalAdvance(most) + 2 * _SPACE
        width, height = max(0, self.width() - left - right), self._swatch()
        top = (self.height() - height) // 2
        for number, colour in enumerate(colours):
            start, end = number * width // len(colours), (number + 1) * width // len(colours)
            painter.fillRect(left + start, top, end - start, height, colour)
        area = self.rect().adjusted(_SPACE, 0, -_SPACE, 0)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, least)
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, most)

    def _swatch(self) -> int:
        return round(self.fontMetrics().height() * 0.7)

    def _places(self, width: int) -> list[tuple[int, int]]:
        """Return where each entry starts, breaking lines where they are full."""
        metrics, places = self.fontMetrics(), []
        x, y = _SPACE, 0
        for _, text in self._entries:
            needed = self._swatch() + _WORD + metrics.horizontalAdvance(text)
            if x > _SPACE and x + needed > width - _SPACE:
                x, y = _SPACE, y + metrics.lineSpacing() + 2
            places.append((x, y))
            x += needed + _GAP
        return places

    def _changed(self) -> None:
        self.setFixedHeight(self.heightForWidth(self.width()))
        self.update()
