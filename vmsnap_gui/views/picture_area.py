"""A picture of pixels that can be looked at closely: fitted into the view, or each of its pixels as so many of ours.

At zoom 1 a pixel of the picture is one of the screen, whatever the scale of the desktop. Whole zooms are crisp; only
what is drawn smaller than it is becomes smooth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPalette, QPen, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent, QResizeEvent
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.pictures import Picture

ZOOMS = (0.125, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Pixels of the screen for each of the picture's that the person can choose."""


class PictureArea(QAbstractScrollArea):
    """Shows a picture; it takes the keys + and -, 1 for its own size and 0 to fit it.

    Signals:
        zoom_changed: It is drawn in another size, or may be.
    """

    zoom_changed = Signal()

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setBackgroundRole(QPalette.ColorRole.AlternateBase)
        self._picture: Picture | None = None
        self._extent: tuple[int, int] | None = None
        self._zoom: float | None = None
        for bar in (self.horizontalScrollBar(), self.verticalScrollBar()):
            bar.valueChanged.connect(lambda _value: self.viewport().update())

    def show_picture(self, picture: Picture | None) -> None:
        """Show another picture, in the same way as the one before."""
        self._picture = picture
        self.show_size((picture.width, picture.height) if picture is not None else None)

    def show_size(self, size: tuple[int, int] | None) -> None:
        """Show something of this size, in pixels of its own; None: nothing. `paint_content` paints it."""
        self._extent = size
        self._arrange()

    def place_of(self, picture: Picture, target: QRectF) -> QRectF:
        """Return where a picture is drawn whose corner is that of the target."""
        each = self.zoom / self.devicePixelRatioF()
        return QRectF(target.topLeft(), QSizeF(picture.width * each, picture.height * each))

    @property
    def picture(self) -> Picture | None:
        """What is shown."""
        return self._picture

    @property
    def is_fitted(self) -> bool:
        """Whether the picture is as large as fits."""
        return self._zoom is None

    @property
    def zoom(self) -> float:
        """How many pixels of the screen one of the picture takes."""
        return self._zoom if self._zoom is not None else self._fitting()

    def set_zoom(self, zoom: float | None) -> None:
        """Draw so many pixels for each of the picture's; None: as many as fit, whole ones if it is one or more."""
        self._zoom = zoom
        self._arrange()

    def step_zoom(self, *, closer: bool) -> None:
        """Take the next larger or smaller zoom, if there is one."""
        others = [one for one in ZOOMS if (one > self.zoom if closer else one < self.zoom)]
        if others:
            self.set_zoom(others[0] if closer else others[-1])

    def target(self) -> QRectF:
        """Return where the picture is drawn in the viewport, on whole pixels of the screen."""
        room, size, ratio = self.viewport().size(), self._size(), self.devicePixelRatioF()
        bars = self.horizontalScrollBar().value(), self.verticalScrollBar().value()
        spare = room.width() - size.width(), room.height() - size.height()
        left, top = (gap / 2 if gap > 0 else -bar for gap, bar in zip(spare, bars, strict=True))
        return QRectF(QPointF(round(left * ratio) / ratio, round(top * ratio) / ratio), size)

    def draw(self, painter: QPainter, picture: Picture, target: QRectF) -> None:
        """Draw a picture that takes all of `target`; only what is to be painted costs time."""
        scale = target.width() * self.devicePixelRatioF() / picture.width
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < 1)
        level = picture.level_for(scale)
        seen = target.intersected(painter.clipBoundingRect() if painter.hasClipping() else self._port())
        # On whole pixels of the picture, one more all around: else those at the border would be cut.
        across, down = level.width() / target.width(), level.height() / target.height()
        left, top = int((seen.left() - target.left()) * across), int((seen.top() - target.top()) * down)
        right = min(level.width(), int((seen.right() - target.left()) * across) + 2)
        bottom = min(level.height(), int((seen.bottom() - target.top()) * down) + 2)
        source = QRectF(left, top, right - left, bottom - top)
        place = QRectF(
            target.left() + left / across, target.top() + top / down, source.width() / across, source.height() / down
        )
        painter.drawImage(place, level, source)

    def paint_content(self, painter: QPainter, target: QRectF) -> None:
        """Paint what is shown; for other kinds of content to override."""
        if self._picture is not None:
            self.draw(painter, self._picture, target)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Override QWidget::paintEvent."""
        if self._extent is None:
            return
        with QPainter(self.viewport()) as painter:  # ended here, whoever still has it: a traceback, a debugger
            target = self.target()
            self.paint_content(painter, target)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 0))
            painter.drawRect(target.adjusted(-1, -1, 0, 0))  # a black screen upon a dark window has an edge, too

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Override QWidget::resizeEvent."""
        super().resizeEvent(event)
        self._arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent."""
        text = event.text()
        if text in ("+", "=", "-"):
            self.step_zoom(closer=text != "-")
        elif text in ("0", "1"):
            self.set_zoom(1.0 if text == "1" else None)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Override QWidget::wheelEvent: with Ctrl it zooms."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and event.angleDelta().y():
            self.step_zoom(closer=event.angleDelta().y() > 0)
            event.accept()
        else:
            super().wheelEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: another screen may have other pixels."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._arrange()

    def _port(self) -> QRectF:
        return QRectF(self.viewport().rect())

    def _fitting(self) -> float:
        if self._extent is None:
            return 1.0
        room, ratio = self.maximumViewportSize(), self.devicePixelRatioF()
        fits = min(room.width() * ratio / self._extent[0], room.height() * ratio / self._extent[1])
        return float(int(fits)) if fits >= 1 else max(fits, 1e-3)

    def _size(self) -> QSizeF:
        """Return how large the picture is drawn."""
        if self._extent is None:
            return QSizeF()
        each = self.zoom / self.devicePixelRatioF()
        return QSizeF(self._extent[0] * each, self._extent[1] * each)

    def _arrange(self) -> None:
        """Set the scroll bars, keeping the middle where it is."""
        size, room = self._size(), self.viewport().size()
        for bar, length, page in (
            (self.horizontalScrollBar(), size.width(), room.width()),
            (self.verticalScrollBar(), size.height(), room.height()),
        ):
            old = bar.maximum() + bar.pageStep()
            middle = (bar.value() + bar.pageStep() / 2) / old if bar.maximum() else 0.5
            bar.setRange(0, 0 if self.is_fitted else max(0, round(length) - page))
            bar.setPageStep(page)
            bar.setSingleStep(max(1, page // 16))
            bar.setValue(round(middle * length - page / 2))
        self.viewport().update()
        self.zoom_changed.emit()
