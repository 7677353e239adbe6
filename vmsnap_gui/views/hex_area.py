"""Showing bytes: the rows of a source in hex and as characters, with what is highlighted in them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPalette, QResizeEvent

from vmsnap_gui.views import theme
from vmsnap_gui.views.byte_source import MemorySource
from vmsnap_gui.views.hex_cache import PageCache
from vmsnap_gui.views.hex_cursor import ByteSelection
from vmsnap_gui.views.hex_layout import HexLayout
from vmsnap_gui.views.hex_paint import FAILED, WAITING, Colours, Highlight, Mark, RowPainter
from vmsnap_gui.views.long_scroll import LongScrollArea

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.views.byte_source import ByteSource

_WIDE, _NARROW = 16, 8
_FEWEST_DIGITS = 8


class HexArea(LongScrollArea):
    """Shows a `ByteSource`. Offsets here count from the source's start; `base` is added only where they are shown.

    Only rows in sight are fetched and drawn. `HexView` adds the cursor.

    Signals:
        bytes_arrived: Bytes in sight were read, or could not be: see `error`.
        sight_moved: Other bytes are in sight.
    """

    bytes_arrived = Signal()
    sight_moved = Signal()

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        """Make an empty area with the object name `name` and the accessible name `title`."""
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFrameShape(LongScrollArea.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.viewport().setBackgroundRole(QPalette.ColorRole.Base)
        self.viewport().setCursor(Qt.CursorShape.IBeamCursor)
        self._cache = PageCache(MemorySource(b""), self._arrived)
        self._base = 0
        self._highlights: list[Highlight] = []
        self._hits: Sequence[int] = ()
        self._hit_length = 0
        self._selection = ByteSelection()
        self._wanted_columns = 0
        self._layout = HexLayout(_WIDE, _FEWEST_DIGITS, 8, 16)
        self._ascent = 12.0
        self.setFont(theme.monospaced())
        self._arrange()

    # What is shown

    def show_source(self, source: ByteSource | None, base: int = 0) -> None:
        """Show other bytes, from their start; `base` is where they start in what people count in. None: nothing."""
        self._cache = PageCache(source or MemorySource(b""), self._arrived)
        self._base = base
        self._highlights = []
        self._hits = ()
        self._selection = ByteSelection()
        self.position = 0
        self._arrange()
        self.viewport().update()

    @property
    def source(self) -> ByteSource:
        """Where the bytes come from."""
        return self._cache.source

    @property
    def base(self) -> int:
        """What is added to offsets where they are shown."""
        return self._base

    @property
    def error(self) -> Exception | None:
        """Why bytes in sight could not be read; None if they could."""
        return self._cache.error

    @property
    def selected(self) -> range:
        """The selected bytes: at least the one with the cursor, unless there are none at all."""
        return self._selection.bytes(self.source.size)

    @property
    def highlights(self) -> list[Highlight]:
        """The highlighted ranges."""
        return list(self._highlights)

    @property
    def visible_bytes(self) -> range:
        """The bytes in sight."""
        first = self.position // self._layout.row
        last = (self.position + self._room() - 1) // self._layout.row
        columns = self._layout.columns
        return range(min(first * columns, self.source.size), min((last + 1) * columns, self.source.size))

    @property
    def columns(self) -> int:
        """Bytes in a row."""
        return self._layout.columns

    @property
    def wanted_columns(self) -> int:
        """Bytes in a row as the person chose; 0: as many as fit."""
        return self._wanted_columns

    def width_for(self, columns: int) -> int:
        """Return how wide this view is best to show so many bytes in a row."""
        layout = HexLayout(columns, self._layout.digits, self._layout.char, self._layout.row)
        return round(layout.width) + self.verticalScrollBar().sizeHint().width() + 2

    def bytes_at(self, offset: int, length: int) -> bytes | None:
        """Return bytes if they have been read (those in sight have); fewer at the end."""
        return self._cache.get(offset, length)

    def set_highlights(self, highlights: Sequence[Highlight]) -> None:
        """Highlight these ranges, the later above the earlier ones."""
        self._highlights = list(highlights)
        self.viewport().update()

    def set_hits(self, offsets: Sequence[int], length: int) -> None:
        """Highlight `length` bytes at each of these offsets, which ascend and may be very many."""
        self._hits, self._hit_length = offsets, length
        self.viewport().update()

    def ensure_visible(self, offset: int, length: int = 1) -> None:
        """Scroll as little as needed; where the bytes are far away, to a third of the height."""
        row, room = self._layout.row, self._room()
        top = offset // self._layout.columns * row
        bottom = (offset + max(1, length) - 1) // self._layout.columns * row + row
        bottom = min(bottom, top + max(row, room // row * row))
        if self.position <= top and bottom <= self.position + room:
            return
        if top < self.position - room or bottom > self.position + 2 * room:
            self.scroll_to(top - room // 3 // row * row)
        else:
            self.scroll_to(top if top < self.position else -((room - bottom) // row * row))

    def offset_at(self, place: QPointF) -> int:
        """Return the byte at a place in the viewport, the nearest one where there is none."""
        row = (self.position + int(place.y()) - self._header_height()) // self._layout.row
        column = self._layout.column_at(place.x() + self.horizontalScrollBar().value())
        return self._inside(row * self._layout.columns + column)

    def place_of(self, offset: int) -> QPointF:
        """Return the middle of a byte's hex digits in the viewport; it may be out of sight."""
        row, column = divmod(offset, self._layout.columns)
        x = self._layout.hex_column(column) + self._layout.char - self.horizontalScrollBar().value()
        return QPointF(x, self._header_height() + (row + 0.5) * self._layout.row - self.position)

    # Qt's own

    def scrolled(self) -> None:
        """Override LongScrollArea.scrolled: fetch what came into sight."""
        self._fetch()
        self.viewport().update()
        self.sight_moved.emit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Override QAbstractScrollArea::paintEvent."""
        painter = QPainter(self.viewport())
        painter.setFont(self.font())
        painter.translate(-self.horizontalScrollBar().value(), 0)
        layout, below = self._layout, self._header_height()
        width = max(layout.width, self.viewport().width())
        colours = Colours.of(self.palette(), active=self.hasFocus())
        rows = RowPainter(painter, layout, colours, self._ascent)
        painter.setClipRect(QRectF(0, below, width, self.viewport().height()))
        first, shift = divmod(self.position, layout.row)
        seen = self.visible_bytes
        marks = [one for one in self._highlights if one.start < seen.stop and seen.start < one.end]
        first_hit = bisect_right(self._hits, seen.start - self._hit_length)
        hits = self._hits[first_hit : bisect_left(self._hits, seen.stop)]
        marks += [Highlight(hit, hit + self._hit_length, Mark.HIT) for hit in hits]
        for i in range((self._room() + shift) // layout.row + 1):
            if (first + i) * layout.columns < self.source.size:
                self._paint_row(rows, colours, marks, first + i, below + i * layout.row - shift)
        painter.setClipping(False)
        rows.header(0)
        painter.setPen(colours.line)
        painter.drawLine(QPointF(0, below - 1), QPointF(width, below - 1))
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Override QAbstractScrollArea::resizeEvent."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and hasattr(self, "_ascent"):
            self._arrange()

    # Inner workings

    def _arrange(self) -> None:
        """Lay the columns out anew for the font, the room and the source; the first byte in sight stays there."""
        first = self.position // self._layout.row * self._layout.columns
        metrics = QFontMetricsF(self.font())
        char, row = metrics.horizontalAdvance("0" * 64) / 64, round(metrics.height() * 1.2)
        self._ascent = (row - metrics.height()) / 2 + metrics.ascent()
        digits = max(_FEWEST_DIGITS, len(f"{self._base + max(0, self.source.size - 1):x}"))
        layout = HexLayout(self._wanted_columns or _WIDE, digits, char, row)
        if not self._wanted_columns and layout.width > self.viewport().width():
            layout = HexLayout(_NARROW, digits, char, row)
        if layout.columns != self._layout.columns or layout.row != self._layout.row:
            self.position = first // layout.columns * layout.row
        self._layout = layout
        rows = -(-self.source.size // layout.columns)
        self.set_scroll_range(rows * layout.row, self._room(), layout.row)
        across = self.horizontalScrollBar()
        across.setRange(0, max(0, round(layout.width) - self.viewport().width()))
        across.setPageStep(self.viewport().width())
        across.setSingleStep(round(char * 3))
        self._fetch()
        self.viewport().update()

    def _header_height(self) -> int:
        return self._layout.row + 2

    def _room(self) -> int:
        return max(0, self.viewport().height() - self._header_height())

    def _inside(self, offset: int) -> int:
        return max(0, min(self.source.size - 1, offset))

    def _fetch(self) -> None:
        seen = self.visible_bytes
        self._cache.want(seen.start, seen.stop)

    def _arrived(self) -> None:
        self.viewport().update()
        self.bytes_arrived.emit()

    def _paint_row(self, rows: RowPainter, colours: Colours, marks: list[Highlight], row: int, top: float) -> None:
        columns = self._layout.columns
        start = row * columns
        end = min(start + columns, self.source.size)
        for highlight in marks:
            if highlight.start < end and start < highlight.end:
                first, last = max(highlight.start - start, 0), min(highlight.end, end) - 1 - start
                rows.ground(top, first, last, colours.marks[highlight.mark])
                if highlight.mark is Mark.CHANGED:
                    rows.underline(top, first, last)
        chosen = range(max(self.selected.start, start) - start, min(self.selected.stop, end) - start)
        if len(self.selected) > 1 and chosen:
            rows.ground(top, chosen.start, chosen.stop - 1, colours.selection)
        rows.offset(top, f"{self._base + start:0{self._layout.digits}x}")
        data = self._cache.get(start, end - start)
        if data is None:
            rows.absent(top, end - start, FAILED if self._cache.has_failed(start) else WAITING)
        else:
            rows.data(top, data, chosen if len(self.selected) > 1 else range(0))
        if start <= self._selection.cursor < end:
            rows.cursor(top, self._selection.cursor - start)
