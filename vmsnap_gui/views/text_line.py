"""A line of text that gives way where there is no room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QSizePolicy

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent


class TextLine(QLabel):
    """A line of plain text that ends in "…" where there is no room for all of it."""

    def __init__(self, horizontal: QSizePolicy.Policy = QSizePolicy.Policy.Ignored) -> None:
        """Make an empty line; `horizontal` says how it takes room: Ignored takes what there is."""
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(horizontal, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Override QWidget::minimumSizeHint: it can do with nearly nothing."""
        return QSize(1, super().minimumSizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Override QLabel::paintEvent."""
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        with QPainter(self) as painter:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)
