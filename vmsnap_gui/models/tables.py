"""What models have in common: the titles of their columns, and where the texts of a column stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Index = QModelIndex | QPersistentModelIndex

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Headed:
    """A model with titles; it stands before Qt's class among the bases.

    Attributes:
        at_right: The columns whose texts stand at the right, as sizes do; None: all stand as Qt has them.
    """

    at_right: ClassVar[Collection[int] | None] = None

    def _titles(self) -> Sequence[str]:
        """Return the title of each column."""
        raise NotImplementedError

    def _meanings(self) -> Sequence[str]:
        """Return what each column has, for the tool tip of its title; nothing where the titles say enough."""
        return ()

    def _alignment(self, column: int) -> Qt.AlignmentFlag | None:
        """Return where the texts of a column stand."""
        if self.at_right is None:
            return None
        return RIGHT if column in self.at_right else LEFT

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::headerData."""
        if orientation != Qt.Orientation.Horizontal or section < 0:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        texts: Sequence[str] = ()
        if role == Qt.ItemDataRole.DisplayRole:
            texts = self._titles()
        elif role == Qt.ItemDataRole.ToolTipRole:
            texts = self._meanings()
        return texts[section] if section < len(texts) else None


class FlatTable(Headed, QAbstractTableModel):
    """A table; a model says its rows and its data.

    Attributes:
        columns: How many there are.
    """

    columns: ClassVar[int]

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::columnCount."""
        return 0 if parent.isValid() else self.columns
