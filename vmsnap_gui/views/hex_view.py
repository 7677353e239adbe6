"""Bytes in hex and as characters, with a cursor and a selection, by keyboard, mouse and touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal

from vmsnap_gui.views.hex_area import HexArea
from vmsnap_gui.views.hex_cursor import ByteSelection, moved

if TYPE_CHECKING:
    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.views.byte_source import ByteSource

_DRAG_MS = 30
_Shift = Qt.KeyboardModifier.ShiftModifier


class HexView(HexArea):
    """A `HexArea` with a cursor.

    Signals:
        cursor_moved: (int) The person moved the cursor to this offset.
        selection_changed: Something else is selected, by whomever.
    """

    cursor_moved = Signal(object)  # object: an offset may not fit into a C int
    selection_changed = Signal()

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        """Make an empty view with the object name `name` and the accessible name `title`."""
        super().__init__(name, title, parent)
        self._dragging = False
        self._drag_y = 0.0
        self._drag_timer = QTimer(self, interval=_DRAG_MS)
        self._drag_timer.timeout.connect(self._drag_on)

    def show_source(self, source: ByteSource | None, base: int = 0) -> None:
        """See HexArea; the cursor goes to the start."""
        super().show_source(source, base)
        self.selection_changed.emit()

    @property
    def cursor_offset(self) -> int:
        """The byte with the cursor."""
        return self._selection.cursor

    def set_columns(self, columns: int) -> None:
        """Show 8, 16 or 32 bytes in a row; 0: 16 where there is room, else 8."""
        self._wanted_columns = columns
        self._arrange()
        self.ensure_visible(self.cursor_offset)

    def go_to(self, offset: int, length: int = 1) -> None:
        """Put the cursor on a byte and bring `length` bytes from there into sight; no `cursor_moved`."""
        offset = self._inside(offset)
        self._set_selection(ByteSelection(offset, offset))
        self.ensure_visible(offset, length)

    def select(self, start: int, end: int) -> None:
        """Select the bytes from `start` to before `end`, the cursor on the first; no `cursor_moved`."""
        self._set_selection(ByteSelection(self._inside(start), self._inside(end - 1)))
        self.ensure_visible(self._inside(start), end - start)

    def select_all(self) -> None:
        """Select everything, without scrolling."""
        self._set_selection(ByteSelection(self._inside(self.source.size - 1), 0))

    # Qt's own

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Override QWidget::focusInEvent: the selection is drawn stronger."""
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Override QWidget::focusOutEvent."""
        super().focusOutEvent(event)
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent."""
        page = max(1, self._room() // self._layout.row - 1) * self._layout.columns
        target = moved(event, self.cursor_offset, self.source.size, self._layout.columns, page)
        if target is None:
            super().keyPressEvent(event)
        else:
            self._put_cursor(target, extend=bool(event.modifiers() & _Shift))
            event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mousePressEvent."""
        if event.button() == Qt.MouseButton.LeftButton and self.source.size:
            self._dragging = True
            self._put_cursor(self.offset_at(event.position()), extend=bool(event.modifiers() & _Shift))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseMoveEvent: select; beyond the edges go on scrolling."""
        if not self._dragging:
            return
        self._drag_y = event.position().y()
        if self._header_height() <= self._drag_y < self.viewport().height():
            self._drag_timer.stop()
            self._put_cursor(self.offset_at(event.position()), extend=True)
        elif not self._drag_timer.isActive():
            self._drag_timer.start()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseReleaseEvent."""
        event.accept()
        self._dragging = False
        self._drag_timer.stop()

    # Inner workings

    def _put_cursor(self, offset: int, *, extend: bool) -> None:
        self._set_selection(self._selection.extended(offset, keep_anchor=extend))
        self.ensure_visible(offset)
        self.cursor_moved.emit(offset)

    def _set_selection(self, selection: ByteSelection) -> None:
        if selection != self._selection:
            self._selection = selection
            self.viewport().update()
            self.selection_changed.emit()

    def _drag_on(self) -> None:
        rows = -1 if self._drag_y < self._header_height() else 1
        target = self.cursor_offset + rows * self._layout.columns
        if 0 <= target < self.source.size:
            self._put_cursor(target, extend=True)
