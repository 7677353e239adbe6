"""One bar that shows what something consists of, with a legend or without; small parts stay visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from vmsnap_gui.models import numbers
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QColor

    from vmsnap_gui.models.facts import Part

_SMALLEST = 3  # pixels
_GAP = 2


class ShareBar(QWidget):
    """A stacked bar over the legend of its parts."""

    def __init__(self, name: str, parent: QWidget | None = None, *, legend: bool = True) -> None:
        """Make an empty bar; without `legend` its parts are named elsewhere."""
        super().__init__(parent)
        self._legend = legend
        self._colours: Sequence[QColor] = ()
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._parts: Sequence[Part] = ()

    def show_parts(self, parts: Sequence[Part], colours: Sequence[QColor] = ()) -> None:
        """Show these parts, in this order, in shades of the accent unless a colour is given for each."""
        self._parts, self._colours = parts, colours
        self.setAccessibleDescription(", ".join(f"{part.name} {numbers.size(part.size)}" for part in parts))
        self.update()

    def sizeHint(self) -> QSize:
        """Override QWidget::sizeHint."""
        below = 6 + self.fontMetrics().lineSpacing() + 4 if self._legend else 0
        return QSize(200, self._thickness() + below)

    def minimumSizeHint(self) -> QSize:
        """Override QWidget::minimumSizeHint."""
        return QSize(80, self.sizeHint().height())

    def segments(self) -> list[QRect]:
        """Return where each part's piece of the bar is."""
        total = sum(part.size for part in self._parts)
        if not total:
            return []
        room = self.width() - _GAP * (len(self._parts) - 1)
        widths = [max(_SMALLEST, round(room * part.size / total)) for part in self._parts]
        widths[widths.index(max(widths))] += room - sum(widths)
        pieces, x = [], 0
        for width in widths:
            pieces.append(QRect(x, 0, max(_SMALLEST, width), self._thickness()))
            x += width + _GAP
        return pieces

    def event(self, event: QEvent) -> bool:
        """Override QWidget::event: tell the exact size of the part under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            for part, piece in zip(self._parts, self.segments(), strict=False):
                if piece.adjusted(-1, 0, 1, 0).contains(event.pos()):
                    QToolTip.showText(event.globalPos(), part.tip, self)
                    return True
            QToolTip.showText(event.globalPos(), "\n".join(part.tip for part in self._parts), self)
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Override QWidget::paintEvent."""
        painter = QPainter(self)
        metrics = self.fontMetrics()
        below = self._thickness() + 6
        x = 0
        for number, (part, piece) in enumerate(zip(self._parts, self.segments(), strict=False)):
            painter.fillRect(piece, self._colour(number))
            if not self._legend:
                continue
            text = f"{part.name} {numbers.size(part.size)}"
            swatch = metrics.height() // 2
            painter.fillRect(x, below + (metrics.lineSpacing() - swatch) // 2, swatch, swatch, self._colour(number))
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            room = QRect(x + swatch + 6, below, metrics.horizontalAdvance(text) + 4, metrics.lineSpacing())
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)
            x = room.right() + metrics.averageCharWidth() * 3
        painter.end()

    def _colour(self, number: int) -> QColor:
        """Return the colour of a part: the given one, else shades of the accent, then grey."""
        if self._colours:
            return self._colours[number]
        palette = self.palette()
        ground, accent = palette.color(QPalette.ColorRole.Base), theme.accent(palette)
        if number < 2:
            return theme.blend(ground, accent, (0.4, 1.0)[number])
        return theme.blend(ground, palette.color(QPalette.ColorRole.Text), 0.4)

    def _thickness(self) -> int:
        return round(self.fontMetrics().height() * 0.9)
