"""Drawing a hex view's rows: few long texts, one for each colour, instead of many short ones."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPalette

from vmsnap_gui.views import theme
from vmsnap_gui.views.hex_layout import join_groups

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPainter

    from vmsnap_gui.views.hex_layout import HexLayout

_DIGITS = tuple(f"{byte:02x}" for byte in range(256))
_PRINTABLE = tuple(0x20 <= byte < 0x7F for byte in range(256))
_CHARACTERS = tuple(chr(byte) if _PRINTABLE[byte] else "·" for byte in range(256))
WAITING = "··"
FAILED = "??"


class Mark(enum.Enum):
    """Why bytes are highlighted."""

    FIELD = enum.auto()
    AROUND = enum.auto()  # what the field is a part of
    HIT = enum.auto()
    CHANGED = enum.auto()  # also underlined


@dataclass(frozen=True, slots=True)
class Highlight:
    """Bytes with a ground of their own.

    Attributes:
        start: First byte.
        end: Byte after the last.
        mark: Why.
    """

    start: int
    end: int
    mark: Mark = Mark.FIELD


@dataclass(frozen=True, slots=True)
class Colours:
    """What a hex view is drawn with, from a palette."""

    text: QColor
    quiet: QColor
    faint: QColor
    selection: QColor
    selected: QColor
    cursor: QColor
    line: QColor
    marks: dict[Mark, QColor]

    @classmethod
    def of(cls, palette: QPalette, *, active: bool) -> Colours:
        """Choose the colours; an inactive view's selection is greyer."""
        base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
        accent = theme.accent(palette)
        strong = palette.color(QPalette.ColorRole.Highlight)
        return cls(
            text=text,
            quiet=theme.muted(palette),
            faint=theme.blend(base, text, 0.45),
            selection=strong if active else theme.blend(base, text, 0.3),
            selected=palette.color(QPalette.ColorRole.HighlightedText) if active else text,
            cursor=accent,
            line=theme.blend(base, text, 0.16),
            marks={
                Mark.FIELD: theme.blend(base, accent, 0.3),
                Mark.AROUND: theme.blend(base, accent, 0.09),
                Mark.CHANGED: theme.blend(base, accent, 0.26),
                Mark.HIT: theme.blend(base, theme.warning(palette), 0.32),
            },
        )


class RowPainter:
    """Draws rows with one painter, layout and set of colours."""

    def __init__(self, painter: QPainter, layout: HexLayout, colours: Colours, ascent: float) -> None:
        self._painter = painter
        self._layout = layout
        self._colours = colours
        self._rise = ascent

    def ground(self, top: float, first: int, last: int, colour: QColor) -> None:
        """Fill the ground behind the columns `first` to `last` of the row at `top`, in both parts."""
        for x, width in (self._layout.hex_span(first, last), self._layout.text_span(first, last)):
            self._painter.fillRect(QRectF(x, top, width, self._layout.row), colour)

    def underline(self, top: float, first: int, last: int) -> None:
        """Underline the columns `first` to `last` of the row at `top`, in both parts."""
        for x, width in (self._layout.hex_span(first, last), self._layout.text_span(first, last)):
            self._painter.fillRect(QRectF(x, top + self._layout.row - 2, width, 2), self._colours.cursor)

    def offset(self, top: float, text: str) -> None:
        """Write a row's offset."""
        self._text(self._layout.offset_x, top, text, self._colours.quiet)

    def data(self, top: float, data: bytes, selected: range) -> None:
        """Write a row's bytes; those in the columns `selected` in the selection's text colour."""
        chosen = [i in selected for i in range(len(data))]
        zero = [byte == 0 for byte in data]
        mute = [not _PRINTABLE[byte] for byte in data]
        columns = ((self._layout.hex_x, _DIGITS, zero), (self._layout.text_x, _CHARACTERS, mute))
        for x, cells, quiet in columns:
            plain = [not a and not b for a, b in zip(chosen, quiet, strict=True)]
            faint = [not a and b for a, b in zip(chosen, quiet, strict=True)]
            layers = ((plain, self._colours.text), (faint, self._colours.faint), (chosen, self._colours.selected))
            for shown, colour in layers:
                self._layer(x, top, data, cells, shown, colour)

    def absent(self, top: float, count: int, sign: str) -> None:
        """Write a row whose bytes are not there (yet)."""
        self._text(self._layout.hex_x, top, join_groups([sign] * count), self._colours.faint)

    def cursor(self, top: float, column: int) -> None:
        """Draw the frame around the byte with the cursor, in both parts."""
        self._painter.setPen(self._colours.cursor)
        height = self._layout.row - 1
        x, width = self._layout.hex_span(column, column)
        self._painter.drawRect(QRectF(x, top, width, height))
        x, width = self._layout.text_span(column, column)
        self._painter.drawRect(QRectF(x, top, width, height))

    def header(self, top: float) -> None:
        """Write the columns' numbers."""
        names = join_groups([_DIGITS[column] for column in range(self._layout.columns)])
        self._text(self._layout.hex_x, top, names, self._colours.quiet)

    def _layer(
        self, x: float, top: float, data: bytes, cells: tuple[str, ...], shown: list[bool], colour: QColor
    ) -> None:
        """Write the cells of one colour, with gaps where the others are."""
        if any(shown):
            blank = " " * len(cells[0])
            row = [cells[byte] if show else blank for byte, show in zip(data, shown, strict=True)]
            self._text(x, top, join_groups(row) if len(blank) > 1 else "".join(row), colour)

    def _text(self, x: float, top: float, text: str, colour: QColor) -> None:
        self._painter.setPen(colour)
        self._painter.drawText(QPointF(x, top + self._rise), text)
