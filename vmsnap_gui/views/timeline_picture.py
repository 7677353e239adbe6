"""How the timeline is drawn: marks on an axis of time, lines to their parents, labels where there is room.

Imports pyqtgraph; see gentle_import.py for when.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyqtgraph
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPalette, QPen, QResizeEvent

from vmsnap_gui.models.label_places import Spot, places_of
from vmsnap_gui.models.timeline import Marks
from vmsnap_gui.views import theme
from vmsnap_gui.views.graph_delegate import line_pen
from vmsnap_gui.views.time_axis import ClockAxis, DateAxis

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtWidgets import QWidget

_Key = Qt.Key
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
        self._labels: dict[int, tuple[float, float]] | None = None
        self._plot = pyqtgraph.PlotItem(enableMenu=False)
        self._plot.hideButtons()
        self._plot.hideAxis("left")
        self._box = self._plot.getViewBox()
        self._box.setMouseEnabled(False, False)
        self._box.invertY(True)
        self._box.setDefaultPadding(0)
        self._lines = [pyqtgraph.PlotCurveItem(connect="pairs", antialias=True) for _ in range(2)]
        self._dots = pyqtgraph.ScatterPlotItem(pxMode=True, antialias=True)
        self._ring = pyqtgraph.ScatterPlotItem(pxMode=True, antialias=True)
        for item in (*self._lines, self._dots, self._ring):
            self._plot.addItem(item)
        self.setCentralItem(self._plot)
        self._box.sigRangeChanged.connect(self._moved)
        self.show_marks(Marks(), vm_clock=False)

    def show_marks(self, marks: Marks, *, vm_clock: bool) -> None:
        """Show these marks, all of them, on the axis of the VM clock or of dates."""
        self.marks = marks
        axis = ClockAxis("bottom") if vm_clock else DateAxis("bottom")
        self._plot.setAxisItems({"bottom": axis})
        self.show_all()
        self.recolour()

    def select(self, positions: Collection[int]) -> None:
        """Show that these snapshots are selected, and bring the last of them into sight."""
        self.selected = list(positions)
        self._draw_dots()
        mark = next((one for one in self.marks.all if self.selected and one.node == self.selected[-1]), None)
        if mark is not None:
            (left, right), _ = self._box.viewRange()
            if not left <= mark.at <= right:
                self._box.translateBy(x=mark.at - (left + right) / 2)
            self.setAccessibleDescription(mark.name)
        self._forget_labels()

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
        mark = next(one for one in self.marks.all if one.node == position)
        return self._place(mark.at, mark.lane)

    def label_places(self) -> dict[int, tuple[float, float]]:
        """Return where the labels stand that have room, by the places of their marks."""
        if self._labels is None:
            metrics, spots = self.fontMetrics(), []
            for mark in self.marks.all:
                place = self._place(mark.at, mark.lane)
                width = metrics.horizontalAdvance(_short(mark.name))
                spots.append(Spot(place.x(), place.y(), mark.size / 2, width, metrics.height()))
            important = set(self.selected)
            order = sorted(
                range(len(spots)),
                key=lambda at: (self.marks.all[at].node not in important, not self.marks.all[at].here, -at),
            )
            area = self._area()
            self._labels = places_of(spots, order, (area.right(), area.bottom()), self._line_places())
        return self._labels

    def _line_places(self) -> list[tuple[float, float, float, float]]:
        """Return the lines to parents as rectangles without a width, in the widget."""
        lines = []
        for start, end, _ in self.marks.links:
            a, b = self.marks.all[start], self.marks.all[end]
            first, last = self._place(a.at, a.lane), self._place(b.at, b.lane)
            lines.append((first.x(), min(first.y(), last.y()), 0.0, abs(last.y() - first.y())))
            lines.append((min(first.x(), last.x()), last.y(), abs(last.x() - first.x()), 0.0))
        return lines

    # Drawing

    def recolour(self) -> None:
        """Draw in the colours of now."""
        palette = self.palette()
        self.setBackground(palette.color(QPalette.ColorRole.Base))
        quiet = theme.muted(palette)
        axis = self._plot.getAxis("bottom")
        axis.setPen(theme.blend(palette.color(QPalette.ColorRole.Base), quiet, 0.5))
        axis.setTextPen(quiet)
        axis.setStyle(tickFont=self.font(), tickLength=-5)
        for line, solid in zip(self._lines, (True, False), strict=True):
            pen = line_pen(quiet, solid=solid, width=1.5 * self.devicePixelRatioF())
            pen.setCosmetic(True)
            line.setPen(pen)
        self._draw_lines()
        self._draw_dots()
        self._forget_labels()

    def _draw_lines(self) -> None:
        """Draw each line to a parent: down or up from it, then along the lane of the child."""
        for line, wanted in zip(self._lines, (True, False), strict=True):
            x: list[float] = []
            y: list[int] = []
            for start, end, solid in self.marks.links:
                if solid is wanted:
                    a, b = self.marks.all[start], self.marks.all[end]
                    x += [a.at, a.at, a.at, b.at]
                    y += [a.lane, b.lane, b.lane, b.lane]
            line.setData(x, y)

    def _draw_dots(self) -> None:
        palette = self.palette()
        accent, base = theme.accent(palette), palette.color(QPalette.ColorRole.Base)
        text = palette.color(QPalette.ColorRole.Text)
        dots, chosen = [], set(self.selected)
        for mark in self.marks.all:
            if mark.here:
                continue
            selected = mark.node in chosen
            fill = accent if selected else theme.blend(base, accent, 0.45)
            dots.append(
                {
                    "pos": (mark.at, mark.lane),
                    "size": mark.size + (4 if selected else 0),
                    "brush": base if mark.open and not selected else fill,
                    "pen": self._outline(text if selected else accent, 2.0 if selected else 1.5),
                }
            )
        self._dots.setData(dots)
        here = [mark for mark in self.marks.all if mark.here]
        rings = [
            {"pos": (one.at, one.lane), "size": 17, "brush": base, "pen": self._outline(accent, 2)} for one in here
        ]
        rings += [
            {"pos": (one.at, one.lane), "size": 8, "brush": accent, "pen": self._outline(accent, 1)} for one in here
        ]
        self._ring.setData(rings)

    def _outline(self, colour: QColor, width: float) -> QPen:
        """Return a pen that does not grow with what it is drawn around."""
        pen = QPen(colour, width * self.devicePixelRatioF())
        pen.setCosmetic(True)
        return pen

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        """Override QGraphicsView::drawForeground: the labels, in pixels of the widget."""
        super().drawForeground(painter, rect)
        palette, metrics, chosen = self.palette(), self.fontMetrics(), set(self.selected)
        quiet, strong = theme.muted(palette), palette.color(QPalette.ColorRole.Text)
        painter.save()
        painter.resetTransform()
        painter.setFont(self.font())
        for at, (x, y) in self.label_places().items():
            mark = self.marks.all[at]
            room = QRectF(x - 2, y, metrics.horizontalAdvance(_short(mark.name)) + 4, metrics.height())
            painter.fillRect(room, palette.color(QPalette.ColorRole.Base))  # lines end where a label is
            painter.setPen(self._label_colour(mark.node in chosen, mark.here, strong, quiet))
            painter.drawText(QPointF(x, y + metrics.ascent()), _short(mark.name))
        painter.restore()

    def _label_colour(self, selected: bool, here: bool, strong: QColor, quiet: QColor) -> QColor:
        if here:
            return theme.accent(self.palette())
        return strong if selected else quiet

    # Places

    def _place(self, at: float, lane: float) -> QPointF:
        """Return the place in the widget of a time in a lane; exact, mapFromScene would round."""
        place: QPointF = self.viewportTransform().map(self._box.mapViewToScene(QPointF(at, lane)))
        return place

    def _area(self) -> QRectF:
        """Return where the marks are drawn in the widget."""
        area: QRectF = self.viewportTransform().mapRect(self._box.sceneBoundingRect())
        return area

    def node_at(self, place: QPointF) -> int | None:
        """Return the node whose mark is at a place of the widget."""
        near = []
        for mark in self.marks.all:
            away = self._place(mark.at, mark.lane) - place
            distance = math.hypot(away.x(), away.y())
            if distance <= mark.size / 2 + _NEAR:
                near.append((distance - mark.size / 2, mark.node))
        return min(near)[1] if near else None

    def _show_lanes(self, top: float) -> None:
        """Show lanes from `top` on, as many as there are or fit."""
        fit = max(1.0, self._area().height() / _LANE)
        seen = min(float(max(1, self.marks.lanes)), fit)
        top = min(max(-0.5, top), self.marks.lanes - 0.5 - seen) if self.marks.lanes > seen else -0.5
        self._box.setYRange(top, top + seen, padding=0)

    def _moved(self, *_: object) -> None:
        (left, right), _lanes = self._box.viewRange()
        self.range_changed.emit(left, right)
        self._forget_labels()

    def _forget_labels(self) -> None:
        self._labels = None
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
