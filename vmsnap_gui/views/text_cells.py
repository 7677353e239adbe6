"""Cells of text, painted in one go: a tree that is scrolled paints more than a hundred of them each time.

Qt's own way asks the model for seven roles of each cell and lays its text out twice; that is half of the time that a
tree needs for a paint. What is selected, pointed at, disabled or has an icon is still painted by Qt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPalette
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem

from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import RowDelegate

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QColor, QPainter
    from PySide6.QtWidgets import QTreeView

    ColourOf = Callable[[QPalette], QColor]

Index = QModelIndex | QPersistentModelIndex

_State = QStyle.StateFlag
_LOOKED_AT = _State.State_Selected | _State.State_MouseOver | _State.State_HasFocus | _State.State_Enabled
_PLACES = {
    right: side | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextSingleLine
    for right, side in ((False, Qt.AlignmentFlag.AlignLeft), (True, Qt.AlignmentFlag.AlignRight))
}
_MOST_CUT = 4096
"""How many texts are kept as they fit their columns."""
_MOST_COLOURS = 64


class Look(NamedTuple):
    """How a cell looks.

    Attributes:
        text: What it says.
        right: Whether that stands at the right.
        fixed: Whether all letters are as wide.
        italic, bold: How they are.
        colour: Makes their colour from the palette; None: that of all text.
        icon: Name of the icon beside it, "" for none.
        elide: Where a text gives way that does not fit.
    """

    text: str
    right: bool = False
    fixed: bool = False
    italic: bool = False
    bold: bool = False
    colour: ColourOf | None = None
    icon: str = ""
    elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight


class TextDelegate(RowDelegate):
    """Paints the cells of a tree from what `look` says of each."""

    def __init__(self, tree: QTreeView) -> None:
        super().__init__(tree)
        self._tree = tree
        self._base = QFont()
        self._fonts: dict[tuple[bool, bool, bool], tuple[QFont, QFontMetrics]] = {}
        self._cut: dict[tuple[Look, int], str] = {}
        self._colours: dict[tuple[int, ColourOf | None], QColor] = {}
        self._margin = 0

    def look(self, index: Index) -> Look:
        """Return how a cell looks; each tree says that of its own."""
        raise NotImplementedError

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::initStyleOption."""
        super().initStyleOption(option, index)
        look = self.look(index)
        option.font = self._font(look)[0]
        option.textElideMode = look.elide
        if look.colour is not None:
            option.palette.setColor(QPalette.ColorRole.Text, look.colour(option.palette))
        if look.icon:
            option.icon = theme.icon(look.icon, option.palette)
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        look = self.look(index)
        plain = option.state & _LOOKED_AT == _State.State_Enabled
        if look.icon or not plain or option.direction != Qt.LayoutDirection.LeftToRight:
            super().paint(painter, option, index)
        elif look.text:
            self._paint_text(painter, option.rect, option.palette, look)

    def _paint_text(self, painter: QPainter, area: QRect, palette: QPalette, look: Look) -> None:
        font, metrics = self._font(look)
        high = metrics.height()
        top = area.top() + area.height() // 2 - high // 2  # as QStyle::alignedRect
        room = QRect(area.left() + self._margin, top, area.width() - 2 * self._margin, high)
        key = look, room.width()
        text = self._cut.get(key)
        if text is None:
            if len(self._cut) >= _MOST_CUT:
                self._cut.clear()
            text = self._cut[key] = metrics.elidedText(look.text, look.elide, room.width())
        painter.setFont(font)
        painter.setPen(self._colour(palette, look.colour))
        painter.drawText(room, _PLACES[look.right], text)

    def _colour(self, palette: QPalette, of: ColourOf | None) -> QColor:
        key = palette.cacheKey(), of
        if key not in self._colours:
            if len(self._colours) >= _MOST_COLOURS:
                self._colours.clear()
            self._colours[key] = palette.color(QPalette.ColorRole.Text) if of is None else of(palette)
        return self._colours[key]

    def _font(self, look: Look) -> tuple[QFont, QFontMetrics]:
        """Return the font of a cell and its metrics; making one for each cell takes a third of a paint."""
        font = self._tree.font()
        if font != self._base or not self._fonts:
            self._base = QFont(font)
            self._fonts.clear()
            self._cut.clear()
            self._margin = self._tree.style().pixelMetric(QStyle.PixelMetric.PM_FocusFrameHMargin, None, self._tree) + 1
        key = look[2:5]
        if key not in self._fonts:
            made = QFont(font)
            if look.fixed:
                made.setFamilies(theme.monospaced().families())
                made.setFixedPitch(True)
            made.setItalic(look.italic)
            made.setBold(look.bold)
            self._fonts[key] = made, QFontMetrics(made)
        return self._fonts[key]
