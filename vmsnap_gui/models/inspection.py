"""The data inspector: what the bytes at the cursor are as numbers and text, in both byte orders."""

from __future__ import annotations

import math
import struct

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

LONGEST = 16
"""Bytes that are looked at."""
_ASCII, _UTF_16 = "ascii", "utf-16"
_ROWS = ((1, "b"), (2, "h"), (4, "i"), (8, "q"), (4, "f"), (8, "d"), (1, _ASCII), (2, _UTF_16))
"""Bytes, and how they are taken: a code of the struct module, or an encoding."""


class InspectionModel(FlatTable):
    """A row for each kind of value; columns: kind, big-endian, little-endian. A dash where the bytes do not suffice."""

    columns = 3

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._data: bytes | None = b""

    def show(self, data: bytes | None) -> None:
        """Show the bytes from the cursor on (at most `LONGEST` are used); None while they are being read."""
        if data != self._data:
            self._data = data
            self.dataChanged.emit(self.index(0, 1), self.index(len(_ROWS) - 1, 2))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(_ROWS)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("At the cursor"), self.tr("Big-endian"), self.tr("Little-endian"))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid() or role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        text = self._text(index)
        return text if role == Qt.ItemDataRole.DisplayRole else words.plain_tip([text])

    def _text(self, index: Index) -> str:
        if index.column() == 0:
            return self._names()[index.row()]
        if self._data is None:
            return "…"
        return interpret(self._data, index.row(), little_endian=index.column() == 2)

    def _names(self) -> list[str]:
        whole = [self.tr("%1 bits").replace("%1", str(8 * size)) for size in (1, 2, 4, 8)]
        return [*whole, self.tr("Float"), self.tr("Double"), "ASCII", "UTF-16"]


def interpret(data: bytes, row: int, *, little_endian: bool) -> str:
    """Return what `data` starts with, as row `row` of the inspector shows it.

    Integers are shown without a sign, and then with one where that differs; texts as ASCII and as UTF-16.
    """
    size, code = _ROWS[row]
    if len(data) < size:
        return numbers.NO_VALUE
    if code == _ASCII:
        return _ascii(data)
    if code == _UTF_16:
        return _utf16(data, "utf-16-le" if little_endian else "utf-16-be")
    if code in "fd":
        value = struct.unpack_from(("<" if little_endian else ">") + code, data)[0]
        return f"{value:.{9 if code == 'f' else 17}g}" if math.isfinite(value) else str(value)
    unsigned = int.from_bytes(data[:size], "little" if little_endian else "big")
    return f"{unsigned}  {unsigned - (1 << 8 * size)}" if unsigned >> 8 * size - 1 else str(unsigned)


def _ascii(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in data[:LONGEST])


def _utf16(data: bytes, encoding: str) -> str:
    text = data[: min(LONGEST, len(data) // 2 * 2)].decode(encoding, "replace")
    return "".join(character if character.isprintable() else "·" for character in text)
