"""How the timeline is drawn: marks on an axis of time, lines to their parents, labels where there is room.

Imports pyqtgraph; see gentle_import.py for when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QPainter, QPalette, QPen, QResizeEvent

from vmsnap_gui.models.timeline import Marks
from vmsnap_gui.models.timeline_layout import Layout, Scale, layout_of
from vmsnap_gui.views import theme
from vmsnap_gui.views.graph_delegate import line_pen
from vmsnap_gui.views.time_axis import TimeAxis

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtWidgets import QWidget

_LANE = 34.0
"""Pixels that a lane has at least; more lanes than fit are reached by dragging."""
_EDGE = 100.0
"""Pixels beside the first and the last mark, so that their labels have room."""
_NEAR = 6.0
"""Pixels around a mark that still are it."""
_LONGEST = 26  # letters of a label


class TimelinePicture(pyqtgraph.GraphicsView):  # type: ignore[misc]  # untyped
    """Shows marks.

    Signals:
        range_changed: (float, float) From and to which time is shown.

    Attributes:
        marks: What is shown.
        selected: The positions of the snapshots that are selected.
    """

    range_changed = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("timeline_plot")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setViewportUpdateMode(self.ViewportUpdateMode.FullViewportUpdate)
        self.setCacheMode(self.CacheModeFlag.CacheNone)
        self.setFont(theme.tabular(self.font()))
        self.marks = Marks()
        self.selected: list[int] = []
        self._texts: list[tuple[float, float]] = []
        self._layout: Layout | None = None
        self._axis = TimeAxis()
        self._plot = pyqtgraph.PlotItem(enableMenu=False, axisItems={"bottom": self._axis})
        self._plot.hideButtons()
        self._plot.hideAxis("left")
        self._box = self._plot.getViewBox()
        self._box.setMouseEnabled(False, False)
        self._box.invertY(True)
        self._box.setDefaultPadding(0)
        self._dots, self._chosen_dots, self._ring = (
            pyqtgraph.ScatterPlotItem(pxMode=True, antialias=True) for _ in range(3)
        )
        for item in (self._dots, self._chosen_dots, self._ring):
            self._plot.addItem(item)
        self.setCentralItem(self._plot)
        self._box.sigRangeChanged.connect(self._moved)
        for signal in (self._box.sigTransformChanged, self._box.sigResized):
            signal.connect(lambda *_: self._forget_layout())
        self.show_marks(Marks(), vm_clock=False)

    def show_marks(self, marks: Marks, *, vm_clock: bool) -> None:
        """Show these marks, all of them, on the axis of the VM clock or of dates."""
        self.marks, metrics = marks, self.fontMetrics()
        self._texts = [(metrics.horizontalAdvance(_short(mark.name)), metrics.height()) for mark in marks.all]
        self._axis.vm_clock = vm_clock
        self.show_all()
        self.recolour()

    def select(self, positions: Collection[int]) -> None:
        """Show that these snapshots are selected, and bring the last of them into sight."""
        self.selected = list(positions)
        self._draw_chosen()
        mark = next((one for one in self.marks.all if self.selected and one.node == self.selected[-1]), None)
        if mark is not None:
            (left, right), _ = self._box.viewRange()
            if not left <= mark.at <= right:
                self._box.translateBy(x=mark.at - (left + right) / 2)
            self.setAccessibleDescription(mark.name)
        self._forget_layout()

    def show_all(self) -> None:
        """Show all marks."""
        times = [mark.at for mark in self.marks.all] or [0.0]
        low, high = min(times), max(times)
        span = (high - low) or 1.0
        share = _EDGE / max(4 * _EDGE, self.width() or 1.0)
        beside = span * share / (1 - 2 * share)
        self._box.setXRange(low - beside, high + beside, padding=0)
        self._show_lanes(-0.5)

    def place_of(self, position: int) -> QPointF:
        """Return the middle of a snapshot's mark in the widget."""
        at = next(number for number, one in enumerate(self.marks.all) if one.node == position)
        return QPointF(*self.layout_now().places[at])

    def node_at(self, place: QPointF) -> int | None:
        """Return the node whose mark is at a place of the widget."""
        return self.layout_now().nearest(self.marks, place.x(), place.y(), _NEAR)

    def layout_now(self) -> Layout:
        """Return where everything is; it is made anew when something moved."""
        if self._layout is None:
            area = self._area()
            (left, right), (top, bottom) = self._box.viewRange()
            per_second, per_lane = area.width() / (right - left), area.height() / (bottom - top)
            scale = Scale(left, area.left(), per_second, area.top() - top * per_lane, per_lane)
            room = (area.right(), area.bottom())
            self._layout = layout_of(self.marks, scale, room, self._texts, self.selected)
        return self._layout

    # Drawing

    def recolour(self) -> None:
        """Draw in the colours of now."""
        palette = self.palette()
        self.setBackground(palette.color(QPalette.ColorRole.Base))
        quiet = theme.muted(palette)
        axis = self._axis
        axis.setPen(theme.blend(palette.color(QPalette.ColorRole.Base), quiet, 0.5))
        axis.setTextPen(quiet)
        axis.setStyle(tickFont=self.font(), tickLength=-5)
        self._draw_dots()
        self._draw_chosen()
        self._forget_layout()

    def _draw_dots(self) -> None:
        palette = self.palette()
        accent, base = theme.accent(palette), palette.color(QPalette.ColorRole.Base)
        # Few sizes, and few brushes: each kind of mark is drawn once, and then copied.
        outline, hollow, full = self._outline(accent, 1.5), QBrush(base), QBrush(theme.blend(base, accent, 0.45))
        # Large ones first, so that they hide none.
        marks = sorted((one for one in self.marks.all if not one.here), key=lambda one: -one.size)
        self._dots.setData(
            x=[one.at for one in marks],
            y=[one.lane for one in marks],
            size=[round(one.size) for one in marks],
            brush=[hollow if one.open else full for one in marks],
            pen=outline,
        )
        here = [one for one in self.marks.all if one.here for _ in range(2)]
        self._ring.setData(
            x=[one.at for one in here],
            y=[one.lane for one in here],
            size=[17, 8][: len(here)],
            brush=[QBrush(base), QBrush(accent)][: len(here)],
            pen=self._outline(accent, 2),
        )

    def _draw_chosen(self) -> None:
        palette, chosen = self.palette(), set(self.selected)
        marks = [one for one in self.marks.all if one.node in chosen]
        self._chosen_dots.setData(
            x=[one.at for one in marks],
            y=[one.lane for one in marks],
            size=[round(one.size) + 4 for one in marks],
            brush=QBrush(theme.accent(palette)),
            pen=self._outline(palette.color(QPalette.ColorRole.Text), 2),
        )

    def _outline(self, colour: QColor, width: float) -> QPen:
        """Return a pen that does not grow with what it is drawn around."""
        pen = QPen(colour, width * self.devicePixelRatioF())
        pen.setCosmetic(True)
        return pen

    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:
        """Override QGraphicsView::drawBackground: the lines to parents, in pixels of the widget."""
        super().drawBackground(painter, rect)
        layout, quiet = self.layout_now(), theme.muted(self.palette())
        painter.save()
        painter.resetTransform()
        painter.setClipRect(self._area())
        for lines, solid in ((layout.solid, True), (layout.dashed, False)):
            painter.setPen(line_pen(quiet, solid=solid))
            painter.drawLines([QLineF(*line) for line in lines])
        painter.restore()

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        """Override QGraphicsView::drawForeground: the labels, in pixels of the widget."""
        super().drawForeground(painter, rect)
        palette, ascent, chosen = self.palette(), self.fontMetrics().ascent(), set(self.selected)
        quiet, strong = theme.muted(palette), palette.color(QPalette.ColorRole.Text)
        painter.save()
        painter.resetTransform()
        painter.setFont(self.font())
        for at, (x, y) in self.layout_now().labels.items():
            mark, (width, height) = self.marks.all[at], self._texts[at]
            # Lines end where a label is.
            painter.fillRect(QRectF(x - 2, y, width + 4, height), palette.color(QPalette.ColorRole.Base))
            painter.setPen(self._label_colour(mark.node in chosen, mark.here, strong, quiet))
            painter.drawText(QPointF(x, y + ascent), _short(mark.name))
        painter.restore()

    def _label_colour(self, selected: bool, here: bool, strong: QColor, quiet: QColor) -> QColor:
        if here:
            return theme.accent(self.palette())
        return strong if selected else quiet

    # Places

    def _area(self) -> QRectF:
        """Return where the marks are drawn in the widget."""
        area: QRectF = self.viewportTransform().mapRect(self._box.sceneBoundingRect())
        return area

    def _show_lanes(self, top: float) -> None:
        """Show lanes from `top` on, as many as there are or fit."""
        fit = max(1.0, self._area().height() / _LANE)
        seen = min(float(max(1, self.marks.lanes)), fit)
        top = min(max(-0.5, top), self.marks.lanes - 0.5 - seen) if self.marks.lanes > seen else -0.5
        self._box.setYRange(top, top + seen, padding=0)

    def _moved(self, *_: object) -> None:
        (left, right), _lanes = self._box.viewRange()
        self.range_changed.emit(left, right)
        self._forget_layout()

    def _forget_layout(self) -> None:
        self._layout = None
        self.viewport().update()

    # Qt's events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Override QWidget::resizeEvent: show all again."""
        super().resizeEvent(event)
        if hasattr(self, "_ring"):
            self.show_all()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_ring"):
            self.recolour()


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
