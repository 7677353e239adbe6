"""The ranges of a disk that differ, as a Qt table straight over the arrays: there may be millions."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers
from vmsnap_gui.models.change_words import kind_words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from vmsnap_gui.models.change_cells import ChangedCells

OUTCOME_ROLE = Qt.ItemDataRole.UserRole
"""The Outcome that a cell names, as a number; 0: it names none."""
MOST_ROWS = 1_000_000
"""The most rows that a table of Qt's is given; the map and F8 reach what is behind them."""


class Column(enum.IntEnum):
    """The table's columns."""

    CHANGE = 0
    START = 1
    SIZE = 2


class ChangedRangesModel(FlatTable):
    """One row for each range."""

    columns = len(Column)
    at_right = (Column.START, Column.SIZE)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cells: ChangedCells | None = None

    def show(self, cells: ChangedCells | None) -> None:
        """Show what changed; None: nothing."""
        self.beginResetModel()
        self._cells = cells
        self.endResetModel()

    def start(self, index: Index) -> int | None:
        """Return where the range of a row begins."""
        return int(self._cells.starts[index.row()]) if index.isValid() and self._cells is not None else None

    def row_at(self, offset: int) -> int | None:
        """Return the row of the range that holds a byte."""
        row = self._cells.range_at(offset) if self._cells is not None else None
        return row if row is not None and row < MOST_ROWS else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() or self._cells is None else min(len(self._cells.starts), MOST_ROWS)

    def _titles(self) -> tuple[str, ...]:
        since_base = self._cells is not None and self._cells.since_base
        change = self.tr("Since the base") if since_base else self.tr("Change")
        return (change, self.tr("Offset"), self.tr("Size"))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        cells = self._cells
        if not index.isValid() or cells is None:
            return None
        column, row = Column(index.column()), index.row()
        size = int(cells.ends[row] - cells.starts[row])
        if role == Qt.ItemDataRole.DisplayRole:
            if column is Column.START:
                return f"{int(cells.starts[row]):#x}"
            if column is Column.SIZE:
                return numbers.size(size)
            return kind_words(since_base=cells.since_base)[int(cells.kinds[row])]
        if role == OUTCOME_ROLE:
            return int(cells.kinds[row]) if cells.since_base and column is Column.CHANGE else 0
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{int(cells.starts[row]):#x}–{int(cells.ends[row]) - 1:#x}, {numbers.exact_size(size)}"
        return self._alignment(column) if role == Qt.ItemDataRole.TextAlignmentRole else None
