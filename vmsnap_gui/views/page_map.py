"""The page map: one point for each page (or a few) of a RAM block, as a picture.

Imports pyqtgraph; see gentle_import.py for when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from vmsnap_gui.models.page_cells import columns_for
from vmsnap_gui.views.page_colours import entropy_colours, kind_colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from vmsnap_gui.models.page_cells import BlockPages

_STEPS = 256
_MOST_BITS = 8.0
_DATA = 3  # in the list of kind_colours
_MARK = 11  # pixels
_Key = Qt.Key


class PageMap(pyqtgraph.GraphicsView):  # type: ignore[misc]  # untyped
    """Shows a block's pages by kind or by entropy. Arrow keys and the pointer choose a page.

    Signals:
        page_chosen: (int) The person chose this page: the first of the point.
    """

    page_chosen = Signal(object)

    def __init__(
        self,
        describe: Callable[[int], str],
        parent: QWidget | None = None,
        *,
        name: str = "page_map",
        colours: Callable[[QPalette], list[QColor]] = kind_colours,
    ) -> None:
        """Make an empty map.

        Args:
            describe: Says for people what a page is.
            parent: The widget it belongs to.
            name: Its object name.
            colours: Gives a colour for each kind of page, and at the end that of points that are no page.
        """
        super().__init__(parent)
        self.setObjectName(name)
        self._colours = colours
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._describe = describe
        self._pages: BlockPages | None = None
        self._entropy: NDArray[np.float32] | None = None
        self._columns = 1
        self._current = 0
        self._box = pyqtgraph.ViewBox(enableMenu=False, enableMouse=False, invertY=True, defaultPadding=0)
        self.setCentralItem(self._box)
        self._image = pyqtgraph.ImageItem(axisOrder="row-major")
        self._mark = pyqtgraph.ScatterPlotItem(size=_MARK, symbol="s", brush=None, pxMode=True)
        self._box.addItem(self._image)
        self._box.addItem(self._mark)
        self.recolour()

    def show_pages(self, pages: BlockPages | None) -> None:
        """Show the pages of a block, by kind; None: nothing."""
        self._pages = pages
        self._entropy = None
        self._current = 0
        self._arrange()

    def show_entropy(self, points: NDArray[np.float32] | None) -> None:
        """Show the entropy of the points (NaN: not known yet); None: their kind again. Call it again as it changes."""
        if points is None and self._entropy is None:
            return  # their kind is what is drawn
        self._entropy = points
        self._draw()

    def set_current(self, page: int) -> None:
        """Mark the point of a page."""
        if self._pages is not None:
            self._current = page // self._pages.bucket
            self._place_mark()

    @property
    def columns(self) -> int:
        """Points in a row."""
        return self._columns

    def page_at(self, place: QPointF) -> int | None:
        """Return the (first) page of the point at a place of the widget."""
        if self._pages is None:
            return None
        where = self._box.mapSceneToView(self.mapToScene(place.toPoint()))
        column, row = int(where.x()), int(where.y())
        point = row * self._columns + column
        inside = 0 <= column < self._columns and row >= 0 and point < len(self._pages.kinds)
        return point * self._pages.bucket if inside else None

    def place_of(self, page: int) -> QPointF:
        """Return the middle of the point of a page in the widget."""
        bucket = self._pages.bucket if self._pages is not None else 1
        row, column = divmod(page // bucket, self._columns)
        return QPointF(self.mapFromScene(self._box.mapViewToScene(QPointF(column + 0.5, row + 0.5))))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Override QWidget::resizeEvent: choose the number of columns anew."""
        super().resizeEvent(event)
        if hasattr(self, "_mark"):
            self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_mark"):
            self.recolour()

    def viewportEvent(self, event: QEvent) -> bool:
        """Override QAbstractScrollArea::viewportEvent: say what is under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            page = self.page_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self._describe(page) if page is not None else "", self)
            return True
        return bool(super().viewportEvent(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mousePressEvent."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._choose(self.page_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseMoveEvent: dragging goes on choosing."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(self.page_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Override QWidget::mouseReleaseEvent."""

    def wheelEvent(self, event: Any) -> None:  # noqa: ANN401 (untyped base)
        """Override QWidget::wheelEvent: the whole block is always in sight."""
        event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent."""
        steps = {
            _Key.Key_Left: -1,
            _Key.Key_Right: 1,
            _Key.Key_Up: -self._columns,
            _Key.Key_Down: self._columns,
            _Key.Key_PageUp: -8 * self._columns,
            _Key.Key_PageDown: 8 * self._columns,
        }
        ends = {_Key.Key_Home: 0, _Key.Key_End: len(self._pages.kinds) - 1 if self._pages is not None else 0}
        key = _Key(event.key())
        point = ends.get(key, self._current + steps[key] if key in steps else None)
        if self._pages is None or point is None:
            event.ignore()
            return
        if 0 <= point < len(self._pages.kinds):
            self._choose(point * self._pages.bucket)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyReleaseEvent: the base class would keep track of keys."""
        event.ignore()

    def _choose(self, page: int | None) -> None:
        if page is not None:
            self.set_current(page)
            self.page_chosen.emit(page)

    def _arrange(self) -> None:
        points = len(self._pages.kinds) if self._pages is not None else 0
        self._columns = columns_for(points, self.width(), self.height()) if points else 1
        self._draw()
        rows = max(1, -(-points // self._columns))
        self._box.setRange(QRectF(0, 0, self._columns, rows), padding=0)
        self._place_mark()

    def _draw(self) -> None:
        if self._pages is None:
            self._image.clear()
            return
        if self._entropy is not None:
            kinds = self._pages.kinds
            known = (kinds == _DATA) & ~np.isnan(self._entropy)
            steps = np.where(known, self._entropy, 0) * ((_STEPS - 1) / _MOST_BITS)
            # Pages without data, and those that are not known yet, keep a quiet colour.
            others = _STEPS + np.where(kinds == _DATA, 0, kinds).astype(np.intp)
            numbers = np.where(known, np.clip(steps, 0, _STEPS - 1), others).astype(np.intp)
            colours = _table([*entropy_colours(_STEPS), *self._kinds])
        else:
            numbers = self._pages.kinds.astype(np.intp)
            colours = _table(self._kinds)
        missing = -len(numbers) % self._columns
        numbers = np.pad(numbers, (0, missing), constant_values=len(colours) - 1)
        self._image.setImage(colours[numbers].reshape(-1, self._columns, 4), autoLevels=False, levels=(0, 255))

    def _place_mark(self) -> None:
        if self._pages is None or not len(self._pages.kinds):
            self._mark.clear()
            return
        row, column = divmod(min(self._current, len(self._pages.kinds) - 1), self._columns)
        self._mark.setData([column + 0.5], [row + 0.5])

    def recolour(self) -> None:
        """Draw in the colours of now: the palette or the kinds are others."""
        palette = self.palette()
        self._kinds = self._colours(palette)
        self.setBackground(self._kinds[-1])
        pen = QPen(palette.color(QPalette.ColorRole.Text))
        pen.setWidth(2)
        pen.setCosmetic(True)
        self._mark.setPen(pen)
        self._draw()


def _table(colours: list[QColor]) -> NDArray[np.uint8]:
    return np.array([colour.getRgb() for colour in colours], np.uint8)
