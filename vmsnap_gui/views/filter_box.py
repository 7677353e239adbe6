"""The filter box: what is typed filters or searches; what cannot be understood turns it red, with the reason below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPalette
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE_MS = 200
"""Typing pauses for this long before the filter is applied."""


class FilterBox(QLineEdit):
    """A line for a filter, and below it the reason why it is wrong, if it is."""

    def __init__(self, apply: Callable[[str], str | None], window: QWidget, name: str = "filter") -> None:
        """Make the box.

        Args:
            apply: Applies a filter and returns None, or the sentence that says what is wrong with it.
            window: Where the reason is shown, below the box.
            name: Of its icon; its object's name begins with it.
        """
        super().__init__()
        self.setObjectName(f"{name}_box")
        self.setClearButtonEnabled(True)
        self._apply = apply
        self._window = window
        self._search = self.addAction(theme.icon(name), QLineEdit.ActionPosition.LeadingPosition)
        theme.set_icon(self._search, name)
        self._reason = QLabel(window)
        self._reason.setObjectName(f"{name}_reason")
        self._reason.setFrameShape(QFrame.Shape.StyledPanel)
        self._reason.setAutoFillBackground(True)
        self._reason.setMargin(6)
        self._reason.setWordWrap(True)
        self._reason.setTextFormat(Qt.TextFormat.PlainText)
        self._reason.hide()
        self._pause = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._pause.timeout.connect(self.apply_now)
        self.textChanged.connect(self._pause.start)
        self.returnPressed.connect(self.apply_now)
        window.installEventFilter(self)

    def apply_now(self) -> None:
        """Apply what is in the box."""
        self._pause.stop()
        self._show_reason(self._apply(self.text()))

    def set_filter(self, text: str) -> None:
        """Put a filter into the box and apply it."""
        self.setText(text)
        self.apply_now()

    def reason(self) -> str:
        """Return why the filter is wrong; empty if it is not."""
        return self._reason.text()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent: Escape empties the box."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.set_filter("")
            return
        super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Override QObject::eventFilter: keep the reason below the box when the window changes."""
        if event.type() == QEvent.Type.Resize and self._reason.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_reason"):
            self._colour()

    def _show_reason(self, reason: str | None) -> None:
        self._reason.setText(reason or "")
        self._reason.setVisible(bool(reason))
        self.setAccessibleDescription(reason or "")
        self.setToolTip(words.plain_tip([reason or ""]))
        self._colour()
        if reason:
            self._place()

    def _colour(self) -> None:
        """Turn the box red while there is a reason, and back."""
        base = QGuiApplication.palette()
        theme.mark_wrong(self, bool(self._reason.text()))
        ground = theme.blend(base.color(QPalette.ColorRole.Base), theme.failure(base), 0.12)
        if self._reason.palette().color(QPalette.ColorRole.Window) != ground:
            shown = QPalette(base)
            shown.setColor(QPalette.ColorRole.Window, ground)
            self._reason.setPalette(shown)

    def _place(self) -> None:
        self._reason.setFixedWidth(self.width())
        self._reason.adjustSize()
        self._reason.move(self.mapTo(self._window, QPoint(0, self.height() + 2)))
        self._reason.raise_()
