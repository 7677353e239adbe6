"""The timeline as a person uses it: choosing marks, moving along the axis, tool tips.

Imports pyqtgraph; see gentle_import.py for when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QToolTip, QWidget

from vmsnap_gui.views.timeline_picture import TimelinePicture

if TYPE_CHECKING:
    from collections.abc import Callable

_Key = Qt.Key
_ZOOM = 1.25


class TimelinePlot(TimelinePicture):
    """The pointer and the arrow keys choose; dragging moves, the wheel, + and − zoom, 0 shows all.

    Signals:
        chosen: (list[int]) The person chose these snapshots.
        menu_wanted: (QPoint) The context menu of the chosen snapshots, at this place of the screen.
    """

    chosen = Signal(object)
    menu_wanted = Signal(object)

    def __init__(self, describe: Callable[[int], str], parent: QWidget | None = None) -> None:
        """Make an empty one; `describe` says what a node is, as a tool tip."""
        super().__init__(parent)
        self._describe = describe
        self._drag: QPointF | None = None

    def _choose(self, node: int | None, *, more: bool) -> None:
        """Choose a snapshot; `more`: beside those that are, or not any more."""
        if node is None or any(mark.here and mark.node == node for mark in self.marks.all):
            return
        if not more:
            self.chosen.emit([node])
        elif node not in self.selected:
            self.chosen.emit([*self.selected, node])
        elif len(self.selected) > 1:
            self.chosen.emit([one for one in self.selected if one != node])

    def zoom(self, factor: float, at: float | None = None) -> None:
        """Show `factor` times as much of the axis, keeping the time `at` where it is."""
        (left, right), _ = self._box.viewRange()
        middle = (left + right) / 2 if at is None else at
        if factor > 1 or right - left > 1e-3:
            self._box.setXRange(middle - (middle - left) * factor, middle + (right - middle) * factor, padding=0)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mousePressEvent."""
        node = self.node_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton:
            more = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
            self._drag = event.position() if node is None else None
            self._choose(node, more=bool(more))
        elif event.button() == Qt.MouseButton.RightButton and node is not None:
            if node not in self.selected:
                self._choose(node, more=False)
            if node in self.selected:
                self.menu_wanted.emit(event.globalPosition().toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseMoveEvent: dragging the ground moves the picture."""
        if self._drag is None or not event.buttons() & Qt.MouseButton.LeftButton:
            node = self.node_at(event.position())
            self.viewport().setCursor(Qt.CursorShape.ArrowCursor if node is None else Qt.CursorShape.PointingHandCursor)
            return
        moved = event.position() - self._drag
        self._drag = event.position()
        self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        area, ((left, right), (top, bottom)) = self._area(), self._box.viewRange()
        self._box.translateBy(x=-moved.x() * (right - left) / max(1.0, area.width()))
        self._show_lanes(top - moved.y() * (bottom - top) / max(1.0, area.height()))

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Override QWidget::mouseReleaseEvent."""
        self._drag = None
        self.viewport().unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseDoubleClickEvent: on the ground, show all."""
        if self.node_at(event.position()) is None:
            self.show_all()

    def wheelEvent(self, event: Any) -> None:  # noqa: ANN401 (untyped base)
        """Override QWidget::wheelEvent: zoom around the pointer."""
        turns = event.angleDelta().y() / 120
        at = self._box.mapSceneToView(self.mapToScene(event.position().toPoint())).x()
        self.zoom(_ZOOM**-turns, at)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent."""
        current = self.selected[-1] if self.selected else None
        many = len(self.marks.all)
        moves: dict[int, Callable[[], int | None]] = {
            _Key.Key_Left: lambda: self.marks.after(current, -1),
            _Key.Key_Right: lambda: self.marks.after(current, 1),
            _Key.Key_Home: lambda: self.marks.after(current, -many),
            _Key.Key_End: lambda: self.marks.after(current, many),
            _Key.Key_Up: lambda: self.marks.beside(current, -1),
            _Key.Key_Down: lambda: self.marks.beside(current, 1),
        }
        does: dict[int, Callable[[], None]] = {
            _Key.Key_Plus: lambda: self.zoom(1 / _ZOOM),
            _Key.Key_Minus: lambda: self.zoom(_ZOOM),
            _Key.Key_0: self.show_all,
        }
        if event.key() in moves:
            self._choose(moves[event.key()](), more=False)
        elif event.key() in does:
            does[event.key()]()
        elif event.key() == _Key.Key_Menu and current is not None:
            self.menu_wanted.emit(self.viewport().mapToGlobal(self.place_of(current).toPoint()))
        else:
            QWidget.keyPressEvent(self, event)

    def viewportEvent(self, event: QEvent) -> bool:
        """Override QAbstractScrollArea::viewportEvent: say what is under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            node = self.node_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self._describe(node) if node is not None else "", self)
            return True
        return bool(super().viewportEvent(event))
