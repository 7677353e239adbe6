"""What a search of memory found: the list as a Qt table, and the search itself for a worker."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex
    from vmsnap_gui.vmstate.ram_search import Pattern

MOST = 10_000
"""So many hits end a search."""
BEFORE, AFTER = 8, 32
"""Bytes of context before a hit, and from its start on."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where the pattern stands.

    Attributes:
        offset: In the block.
        context: Bytes around it.
        before: How many of them stand before it.
    """

    offset: int
    context: bytes
    before: int


class _PastStart(Exception):
    """The search has come round to where it began."""


def find(index: RamIndex, block: RamBlock, pattern: Pattern, start: int, hits: list[Hit], progress: Progress) -> int:
    """Search a block from `start` on and then from its beginning; add to `hits` what is found, at most `MOST`.

    Returns:
        How many pages cannot be unpacked, so that nothing was looked for in them.

    Raises:
        ImageError: the file below cannot be read.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.vmstate.ram_search import search

    unread: set[int] = set()

    def after(done: int, total: int) -> None:
        progress(max(0, done - start), total)

    def wrapped(done: int, total: int) -> None:
        if done > start:
            raise _PastStart
        progress(min(total, total - start + done), total)

    try:
        for low, high, report in ((start, block.length, after), (0, start, wrapped)):
            for offset in search(index, block, pattern, low, report, unread):
                if offset >= high:
                    break
                hits.append(_hit(index, block, offset))
                if len(hits) >= MOST:
                    return len(unread)
    except _PastStart:
        pass
    progress(block.length, block.length)
    return len(unread)


def _hit(index: RamIndex, block: RamBlock, offset: int) -> Hit:
    first = max(0, offset - BEFORE)
    context, _ = index.read_leniently(block, first, min(offset + AFTER, block.length) - first)
    return Hit(offset, context, offset - first)


class HitsModel(FlatTable):
    """Hits in the order of their offsets, though a search that began in the middle finds the later ones first."""

    columns = 2

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hits: list[Hit] = []
        self._wrapped = 0

    @property
    def offsets(self) -> list[int]:
        """The offsets of all hits, ascending."""
        return [hit.offset for hit in self._hits]

    def clear(self) -> None:
        """Forget all hits."""
        self.beginResetModel()
        self._hits = []
        self._wrapped = 0
        self.endResetModel()

    def add(self, hits: list[Hit], start: int) -> None:
        """Add hits as a search that began at `start` found them."""
        after = [hit for hit in hits if hit.offset >= start]
        before = [hit for hit in hits if hit.offset < start]
        self._insert(len(self._hits), after)
        self._insert(self._wrapped, before)
        self._wrapped += len(before)

    def hit(self, row: int) -> Hit:
        """Return a hit."""
        return self._hits[row]

    def row_at(self, offset: int) -> int | None:
        """Return the row of the hit at an offset."""
        row = bisect_left(self._hits, offset, key=lambda hit: hit.offset)
        return row if row < len(self._hits) and self._hits[row].offset == offset else None

    def next_row(self, offset: int) -> int:
        """Return the row of the first hit after an offset, from the beginning again if there is none."""
        row = bisect_right(self._hits, offset, key=lambda hit: hit.offset)
        return row if row < len(self._hits) else 0

    def previous_row(self, offset: int) -> int:
        """Return the row of the last hit before an offset, from the end again if there is none."""
        return (bisect_left(self._hits, offset, key=lambda hit: hit.offset) - 1) % max(1, len(self._hits))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._hits)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Offset"), self.tr("Context"))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        hit = self._hits[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{hit.offset:08x}" if index.column() == 0 else _text(hit.context)
        if role == Qt.ItemDataRole.ToolTipRole:
            return hit.context.hex(" ")
        return None

    def _insert(self, row: int, hits: list[Hit]) -> None:
        if hits:
            self.beginInsertRows(QModelIndex(), row, row + len(hits) - 1)
            self._hits[row:row] = hits
            self.endInsertRows()


def _text(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in data)
