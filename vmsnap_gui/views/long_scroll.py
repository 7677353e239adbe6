"""A scroll area for more rows than a scroll bar can count: its position is a whole number of pixels of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF
from PySide6.QtGui import QScrollEvent, QScrollPrepareEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea, QAbstractSlider, QScroller

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtWidgets import QWidget

_MOST = 1 << 30
"""The scroll bar's range is at most this: beyond, one of its steps is many pixels."""
_WHEEL_ROWS = 3
_NOTCH = 120  # what a wheel reports for one step
_Action = QAbstractSlider.SliderAction


class LongScrollArea(QAbstractScrollArea):
    """Keeps the exact position and shows it on the vertical scroll bar; wheel, touch pad and touch move by pixels.

    Attributes:
        position: Pixels above the viewport's upper edge.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.position = 0
        self._line = 1
        self._page = 0
        self._last = 0
        self._setting = False
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._dragged)
        bar.actionTriggered.connect(self._stepped)
        bar.installEventFilter(self)
        QScroller.grabGesture(self.viewport(), QScroller.ScrollerGestureType.TouchGesture)

    def set_scroll_range(self, total: int, page: int, line: int) -> None:
        """Scroll over `total` pixels, of which `page` are seen at once, by `line` in a small step."""
        self._page, self._line = page, line
        self._last = max(0, total - page)
        scale = max(1, self._last // _MOST + 1)
        bar = self.verticalScrollBar()
        self._setting = True
        bar.setRange(0, self._last // scale)
        bar.setPageStep(max(1, page // scale))
        bar.setSingleStep(max(1, line // scale))
        self._setting = False
        self.scroll_to(self.position)

    def scroll_to(self, position: int) -> None:
        """Go to a position, the nearest there is."""
        position = max(0, min(self._last, position))
        changed = position != self.position
        self.position = position
        self._setting = True
        self.verticalScrollBar().setValue(self._shown())
        self._setting = False
        if changed:
            self.scrolled()

    def scrolled(self) -> None:
        """Called when the position is another; override it."""
        self.viewport().update()

    def viewportEvent(self, event: QEvent) -> bool:
        """Override QAbstractScrollArea::viewportEvent: scrolling by touch."""
        if isinstance(event, QScrollPrepareEvent):
            event.setViewportSize(self.viewport().size())
            event.setContentPosRange(QRectF(0, 0, 0, self._last))
            event.setContentPos(QPointF(0, self.position))
            event.accept()
            return True
        if isinstance(event, QScrollEvent):
            self.scroll_to(round(event.contentPos().y()))
            return True
        return super().viewportEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Override QObject::eventFilter: the wheel over the bar moves by rows too, however much a step of it is."""
        if isinstance(event, QWheelEvent) and watched is self.verticalScrollBar():
            self.wheelEvent(event)
            return True
        return super().eventFilter(watched, event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Override QAbstractScrollArea::wheelEvent."""
        pixels, angle = event.pixelDelta(), event.angleDelta()
        if abs(angle.x()) > abs(angle.y()):
            super().wheelEvent(event)
            return
        step = pixels.y() if not pixels.isNull() else angle.y() * _WHEEL_ROWS * self._line / _NOTCH
        self.scroll_to(self.position - round(step))
        event.accept()

    def _shown(self) -> int:
        return self.position * self.verticalScrollBar().maximum() // self._last if self._last else 0

    def _dragged(self, value: int) -> None:
        if not self._setting and value != self._shown():
            top = self.verticalScrollBar().maximum()
            self.scroll_to(self._last if value == top else value * self._last // top)

    def _stepped(self, action: int) -> None:
        steps = {
            _Action.SliderSingleStepAdd: self._line,
            _Action.SliderSingleStepSub: -self._line,
            _Action.SliderPageStepAdd: self._page - self._line,
            _Action.SliderPageStepSub: self._line - self._page,
        }
        step = steps.get(_Action(action))
        if step is not None:
            self.scroll_to(self.position + step)
            self.verticalScrollBar().setSliderPosition(self.verticalScrollBar().value())
