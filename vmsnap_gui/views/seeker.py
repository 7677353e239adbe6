"""Keeps what was chosen in sight while a view grows and gets its size, until the person looks elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QPersistentModelIndex, Qt

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex
    from PySide6.QtWidgets import QAbstractItemView


class Seeker(QObject):
    """Scrolls a view to a line again and again, until somebody scrolls, presses a key or clicks in it.

    At the start a line is chosen before the window has its size, and before all lines above it have been found.
    """

    def __init__(self, view: QAbstractItemView) -> None:
        super().__init__(view)
        self._view = view
        self._sought = QPersistentModelIndex()
        bar = view.verticalScrollBar()
        # Later: the view is in the midst of its layout then.
        bar.rangeChanged.connect(self._go, Qt.ConnectionType.QueuedConnection)
        bar.actionTriggered.connect(self._let_go)
        view.installEventFilter(self)
        view.pressed.connect(self._let_go)  # not by its viewport: PySide takes 20 ms of a start to wrap the first

    def seek(self, index: QModelIndex) -> None:
        """Scroll to this line and stay there; an invalid index is nowhere."""
        self._sought = QPersistentModelIndex(index)
        self._go()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Override QObject::eventFilter: somebody presses a key in the view."""
        if event.type() == QEvent.Type.KeyPress:
            self._let_go()
        return False

    def _go(self) -> None:
        if self._sought.isValid():
            self._view.scrollTo(self._sought)

    def _let_go(self, *_: object) -> None:
        self._sought = QPersistentModelIndex()
