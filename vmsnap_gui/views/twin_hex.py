"""Bytes of two sides, and of their base, in step: what scrolls or moves in one does in all, and changes are marked."""

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
_GAP = 6


class TwinHex(QWidget):
    """Two hex views side by side, A at the left; where there is a base, its own before them.

    Without a base what differs is marked on both sides, with one on each side what changed since.

    Attributes:
        a, b, base: The hex views.
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
        self.base = HexView(f"{name}_base", self.tr("Bytes of the base"), self)
        self.a = HexView(f"{name}_a", self.tr("Bytes of side A"), self)
        self.b = HexView(f"{name}_b", self.tr("Bytes of side B"), self)
        self.status = QLabel()
        self.status.setObjectName(f"{name}_status")
        self._lay_out()
        for one in self._all():
            HexActions(one, columns=False)
            one.sight_moved.connect(lambda one=one: self._scroll(one))
            one.selection_changed.connect(lambda one=one: self._select(one))
            one.bytes_arrived.connect(self._mark)

    def show_sources(
        self, a: ByteSource | None, b: ByteSource | None, base: ByteSource | None = None, *, has_base: bool = False
    ) -> None:
        """Show other bytes on all sides; None: nothing. `has_base`: there is a base, whether or not it has bytes."""
        self._following = True
        for view, source in zip(self._all(), (base, a, b), strict=True):
            view.show_source(source)
        self._following = False
        self._base_side.setVisible(has_base)
        self._arrange()
        self._mark()
        self._say()

    def name_sides(self, a: str, b: str, base: str = "") -> None:
        """Say which snapshots the sides are."""
        for title, letter, name in zip(self._titles, (self.tr("Base"), "A", "B"), (base, a, b), strict=True):
            title.setText(f"{letter} · {name}")

    def shown(self) -> tuple[HexView, ...]:
        """Return the views that are shown, the base's first."""
        return (self.a, self.b) if self._base_side.isHidden() else self._all()

    def go_to(self, offset: int, length: int = 1) -> None:
        """Put all cursors on a byte."""
        self._longest().go_to(offset, length)

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
        self._titles = [QLabel(self.tr("Base")), QLabel(self.tr("A")), QLabel(self.tr("B"))]
        across = QHBoxLayout()
        across.setSpacing(_GAP)
        sides = [QWidget() for _ in self._titles]
        for side, title, view in zip(sides, self._titles, self._all(), strict=True):
            column = QVBoxLayout(side)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(0)
            title.setTextFormat(Qt.TextFormat.PlainText)
            title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            title.setContentsMargins(8, 3, 8, 3)
            column.addWidget(title)
            column.addWidget(view, 1)
            across.addWidget(side, 1)
        self._base_side = sides[0]
        self._base_side.hide()
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
        shown = self.shown()
        room = (self.width() - _GAP * (len(shown) - 1)) // len(shown)
        columns = _WIDE if room >= max(view.width_for(_WIDE) for view in shown) else _NARROW
        for view in shown:
            if view.wanted_columns != columns:
                view.set_columns(columns)

    def _all(self) -> tuple[HexView, HexView, HexView]:
        return self.base, self.a, self.b

    def _longest(self) -> HexView:
        """Return the view with the most bytes; of two alike rather A's, then B's."""
        return max((self.a, self.b, self.base), key=lambda view: view.source.size)

    def _scroll(self, one: HexView) -> None:
        if not self._following:
            self._following = True
            for other in self._all():
                if other is not one:
                    other.scroll_to(one.position)
            self._following = False
            self._mark()

    def _select(self, one: HexView) -> None:
        if self._following:
            return
        self._following = True
        for other in self._all():
            if other is not one and one.source.size and other.source.size > one.selected.start:
                other.select(one.selected.start, one.selected.stop)
                other.scroll_to(one.position)
        self._following = False
        self._say()

    def _mark(self) -> None:
        """Mark what differs among the bytes in sight, once the sides have them."""
        first, *others = self.shown()
        marks = [self._differences(first, other) for other in others]
        first.set_highlights([one for found in marks for one in found])
        for other, found in zip(others, marks, strict=True):
            other.set_highlights(found)
        self._say()

    def _differences(self, one: HexView, other: HexView) -> list[Highlight]:
        from vmsnap_gui.compare.explain import changed_ranges

        seen = max(one.visible_bytes, other.visible_bytes, key=len)
        a, b = (view.bytes_at(seen.start, len(seen)) for view in (one, other))
        if a is None or b is None:
            return []
        ranges, _ = changed_ranges(a, b)
        return [Highlight(seen.start + at, seen.start + at + size, Mark.CHANGED) for at, size in ranges]

    def _say(self) -> None:
        longer = self._longest()
        text = self._where(longer.selected.start) if longer.source.size else ""
        if len(longer.selected) > 1 and text:
            text += " · " + self.tr("%1 selected").replace("%1", numbers.exact_size(len(longer.selected)))
        for letter, view in (("A", self.a), ("B", self.b), (self.tr("base"), self.base)):
            if view.error is not None:
                failed = self.tr("Side %1 cannot be read here: %2").replace("%1", letter)
                text = failed.replace("%2", words.visible(str(view.error)))
        self.status.setText(text)
        for view in self._all():
            view.setAccessibleDescription(text)
