"""The device sections of a saved state by size, the largest first, for the Overview's chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from vmsnap_gui.reading import LoadedState

SHARE_ROLE = Qt.ItemDataRole.UserRole
"""The bar's length in the middle column, 0 to 1: the logarithm of the size as a share of that of the largest."""
NAME, BAR, SIZE = range(3)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    size: int
    section: int


class SizesModel(FlatTable):
    """Columns: the device, a bar, its size."""

    columns = 3
    at_right = (SIZE,)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[_Row] = []

    def show(self, loaded: LoadedState | None) -> None:
        """Show the devices of a state, or nothing."""
        self.beginResetModel()
        sections = loaded.vmstate.sections if loaded is not None else ()
        rows = [_Row(words.visible(s.key), s.size, i) for i, s in enumerate(sections) if s.type is SectionType.FULL]
        self._rows = sorted(rows, key=lambda row: -row.size)
        self.endResetModel()

    def section(self, index: Index) -> int | None:
        """Return which section (of `LoadedState.trees`) is at an index."""
        return self._rows[index.row()].section if index.isValid() else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._rows)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Device"), self.tr("Size, logarithmic"), self.tr("Size"))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return (row.name, None, numbers.size(row.size))[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip([f"{row.name}: {numbers.exact_size(row.size)}"])
        if role == Qt.ItemDataRole.AccessibleTextRole and column == NAME:
            return f"{row.name}, {numbers.size(row.size)}"
        if role == SHARE_ROLE and column == BAR:
            return math.log2(1 + row.size) / math.log2(1 + max(1, self._rows[0].size))
        return self._alignment(column) if role == Qt.ItemDataRole.TextAlignmentRole else None
