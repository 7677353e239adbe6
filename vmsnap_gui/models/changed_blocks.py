"""The blocks of memory of two states as a Qt table: how many pages became what."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.models.change_cells import ChangedCells

MUTED_ROLE = Qt.ItemDataRole.UserRole
"""True for a block without any difference."""


class Column(enum.IntEnum):
    """The table's columns; those from CHANGED to UNREADABLE stand for the values of Change.

    With a base the first of them stand for those of Outcome instead: see `unused`.
    """

    NAME = 0
    CHANGED = 1
    ZERO_TO_DATA = 2
    DATA_TO_ZERO = 3
    ONLY_A = 4
    ONLY_B = 5
    UNREADABLE = 6
    SAME = 7
    BYTES = 8


class ChangedBlocksModel(FlatTable):
    """One row for each block, in the order of the comparison."""

    columns = len(Column)
    at_right = frozenset(Column) - {Column.NAME}

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names: Sequence[str] = ()
        self._cells: Sequence[ChangedCells] = ()
        self._bytes: Sequence[int] = ()

    @property
    def cells(self) -> Sequence[ChangedCells]:
        """What changed in each block."""
        return self._cells

    @property
    def has_base(self) -> bool:
        """Whether it is told what happened since a base."""
        return any(cells.since_base for cells in self._cells)

    def unused(self) -> list[Column]:
        """Return the columns that say nothing here: kinds that there are not with a base, and nothing unreadable."""
        if self.has_base:
            return [Column.ONLY_B, Column.UNREADABLE]
        return [] if any(cells.cells.counts[Column.UNREADABLE] for cells in self._cells) else [Column.UNREADABLE]

    def show(self, names: Sequence[str], cells: Sequence[ChangedCells], changed: Sequence[int]) -> None:
        """Show blocks by their names: what changed in them, and how many bytes did."""
        self.beginResetModel()
        self._names, self._cells, self._bytes = names, cells, changed
        self.endResetModel()

    def most_changed(self) -> int:
        """Return the row of the block with the most bytes that changed; -1 if there are no blocks."""
        pages = [len(cells.starts) for cells in self._cells]
        rows = range(len(self._names))
        return max(rows, key=lambda row: (self._bytes[row], pages[row]), default=-1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        row, column = index.row(), Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            size = numbers.exact_size(self._cells[row].size)
            changed = self.tr("%1 differ between A and B").replace("%1", numbers.exact_size(self._bytes[row]))
            return words.plain_tip([self._names[row], size, changed])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == MUTED_ROLE:
            return not len(self._cells[row].starts)
        return None

    def _text(self, row: int, column: Column) -> str:
        if column is Column.NAME:
            return words.visible(self._names[row])
        if column is Column.BYTES:
            return numbers.size(self._bytes[row])
        kind = 0 if column is Column.SAME else int(column)
        return numbers.count(self._cells[row].cells.counts[kind])

    def _titles(self) -> tuple[str, ...]:
        kinds = (
            self.tr("Changed"),
            self.tr("Zero to data"),
            self.tr("Data to zero"),
            self.tr("Only in A"),
            self.tr("Only in B"),
            self.tr("Unreadable"),
        )
        if self.has_base:
            kinds = (self.tr("← In A"), self.tr("→ In B"), self.tr("≡ Alike"), self.tr("≠ Differently"), *kinds[4:])
        return (self.tr("Block"), *kinds, self.tr("Same"), self.tr("Bytes A ≠ B"))
