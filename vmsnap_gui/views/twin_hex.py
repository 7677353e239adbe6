"""Bytes of two sides in step: what scrolls or moves in one does in the other, and what differs is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QPalette, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.views import theme
from vmsnap_gui.views.hex_actions import HexActions
from vmsnap_gui.views.hex_paint import Highlight, Mark
from vmsnap_gui.views.hex_view import HexView

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.views.byte_source import ByteSource

_WIDE, _NARROW = 16, 8


class TwinHex(QWidget):
    """Two hex views side by side, A at the left.

    Attributes:
        a, b: The hex views.
        status: Where the cursor is.
    """

    def __init__(self, name: str, where: Callable[[int], str], parent: QWidget | None = None) -> None:
        """Make empty views.

        Args:
            name: Begins the object names of its parts.
            where: Says for people where an offset is, and what became of what is there.
            parent: The widget it belongs to.
        """
        super().__init__(parent)
        self.setObjectName(f"{name}_twin")
        self._where = where
        self._following = False
        self.a = HexView(f"{name}_a", self.tr("Bytes of side A"), self)
        self.b = HexView(f"{name}_b", self.tr("Bytes of side B"), self)
        self.status = QLabel()
        self.status.setObjectName(f"{name}_status")
        self._lay_out()
        for one, other in ((self.a, self.b), (self.b, self.a)):
            HexActions(one, columns=False)
            one.sight_moved.connect(lambda one=one, other=other: self._scroll(one, other))
            one.selection_changed.connect(lambda one=one, other=other: self._select(one, other))
            one.bytes_arrived.connect(self._mark)

    def show_sources(self, a: ByteSource | None, b: ByteSource | None) -> None:
        """Show other bytes on both sides; None: nothing."""
        self._following = True
        self.a.show_source(a)
        self.b.show_source(b)
        self._following = False
        self._arrange()
        self._mark()
        self._say()

    def name_sides(self, a: str, b: str) -> None:
        """Say which snapshots the sides are."""
        for title, letter, name in zip(self._titles, "AB", (a, b), strict=True):
            title.setText(f"{letter} · {name}")

    def go_to(self, offset: int, length: int = 1) -> None:
        """Put both cursors on a byte."""
        longer = self.a if self.a.source.size >= self.b.source.size else self.b
        longer.go_to(offset, length)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Override QWidget::resizeEvent: both sides have as many bytes in a row."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_titles"):
            self._colour()

    def _lay_out(self) -> None:
        self._titles = [QLabel(self.tr("A")), QLabel(self.tr("B"))]
        across = QHBoxLayout()
        across.setSpacing(6)
        for title, view in zip(self._titles, (self.a, self.b), strict=True):
            column = QVBoxLayout()
            column.setSpacing(0)
            title.setTextFormat(Qt.TextFormat.PlainText)
            title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            title.setContentsMargins(8, 3, 8, 3)
            column.addWidget(title)
            column.addWidget(view, 1)
            across.addLayout(column, 1)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setContentsMargins(8, 4, 8, 4)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(across, 1)
        layout.addWidget(self.status)
        self.setFocusProxy(self.a)
        self._colour()

    def _colour(self) -> None:
        quiet = QPalette(QGuiApplication.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        self.status.setPalette(quiet)
        self.status.setFont(theme.tabular(self.font()))
        for title in self._titles:
            font = self.font()
            font.setWeight(font.Weight.DemiBold)
            title.setFont(font)

    def _arrange(self) -> None:
        room = (self.width() - 6) // 2
        columns = _WIDE if room >= max(self.a.width_for(_WIDE), self.b.width_for(_WIDE)) else _NARROW
        for view in (self.a, self.b):
            if view.wanted_columns != columns:
                view.set_columns(columns)

    def _scroll(self, one: HexView, other: HexView) -> None:
        if not self._following:
            self._following = True
            other.scroll_to(one.position)
            self._following = False
            self._mark()

    def _select(self, one: HexView, other: HexView) -> None:
        if self._following:
            return
        self._following = True
        if one.source.size and other.source.size > one.selected.start:
            other.select(one.selected.start, one.selected.stop)
            other.scroll_to(one.position)
        self._following = False
        self._say()

    def _mark(self) -> None:
        """Mark what differs among the bytes in sight, once both sides have them."""
        from vmsnap_gui.compare.explain import changed_ranges

        seen = max(self.a.visible_bytes, self.b.visible_bytes, key=len)
        marks: list[Highlight] = []
        a, b = (view.bytes_at(seen.start, len(seen)) for view in (self.a, self.b))
        if a is not None and b is not None:
            ranges, _ = changed_ranges(a, b)
            marks = [Highlight(seen.start + at, seen.start + at + size, Mark.CHANGED) for at, size in ranges]
        self.a.set_highlights(marks)
        self.b.set_highlights(marks)
        self._say()

    def _say(self) -> None:
        longer = self.a if self.a.source.size >= self.b.source.size else self.b
        text = self._where(longer.selected.start) if longer.source.size else ""
        if len(longer.selected) > 1 and text:
            text += " · " + self.tr("%1 selected").replace("%1", numbers.exact_size(len(longer.selected)))
        for letter, view in (("A", self.a), ("B", self.b)):
            if view.error is not None:
                failed = self.tr("Side %1 cannot be read here: %2").replace("%1", letter)
                text = failed.replace("%2", words.visible(str(view.error)))
        self.status.setText(text)
        for view in (self.a, self.b):
            view.setAccessibleDescription(text)
