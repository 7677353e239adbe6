"""The RAM blocks of a state as a Qt table: what the stream's table says, and what the index counted."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.models.page_cells import BlockPages
    from vmsnap_gui.vmstate.ram import RamBlock
    from vmsnap_gui.vmstate.ram_table import RamBlockInfo

SHARE_ROLE = Qt.ItemDataRole.UserRole
"""The block's share of all memory, 0 to 1."""


class Column(enum.IntEnum):
    """The table's columns."""

    NAME = 0
    SIZE = 1
    SHARE = 2
    DATA = 3
    FILL = 4
    ZERO = 5
    MISSING = 6
    PAGES = 7


_STATES = {Column.MISSING: 0, Column.ZERO: 1, Column.FILL: 2, Column.DATA: 3}  # values of PageState


class BlocksModel(FlatTable):
    """One row for each block, in the order of the stream's table."""

    columns = len(Column)
    at_right = frozenset(Column) - {Column.NAME}

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._blocks: Sequence[RamBlockInfo | RamBlock] = ()
        self._pages: Sequence[BlockPages] = ()
        self._total = 0

    @property
    def blocks(self) -> Sequence[RamBlockInfo | RamBlock]:
        """The blocks."""
        return self._blocks

    def show(self, blocks: Sequence[RamBlockInfo | RamBlock]) -> None:
        """Show these blocks; their pages are not known yet."""
        self.beginResetModel()
        self._blocks = blocks
        self._pages = ()
        self._total = sum(block.length for block in blocks)
        self.endResetModel()

    def show_pages(self, pages: Sequence[BlockPages]) -> None:
        """Show what the blocks' pages are."""
        self._pages = pages
        if self._blocks:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._blocks) - 1, len(Column) - 1))

    def pages_of(self, row: int) -> BlockPages | None:
        """Return what the pages of a block are, if that is known."""
        return self._pages[row] if row < len(self._pages) else None

    def largest(self) -> int:
        """Return the row of the largest block; -1 if there are none."""
        lengths = [block.length for block in self._blocks]
        return lengths.index(max(lengths)) if lengths else -1

    def row_of(self, name: str) -> int:
        """Return the row of a block; -1 if there is no such block."""
        names = [block.name for block in self._blocks]
        return names.index(name) if name in names else -1

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._blocks)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        column, block = Column(index.column()), self._blocks[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(index.row(), column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip([block.name, numbers.exact_size(block.length)])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == SHARE_ROLE:
            return block.length / self._total if self._total else 0.0
        return None

    def _text(self, row: int, column: Column) -> str:
        block, pages = self._blocks[row], self.pages_of(row)
        if column is Column.NAME:
            return words.visible(block.name)
        if column is Column.SIZE:
            return numbers.size(block.length)
        if column is Column.SHARE:
            return f"{block.length / self._total:.0%}" if self._total else numbers.NO_VALUE
        if pages is None:
            return numbers.NO_VALUE
        if column is Column.PAGES:
            return numbers.count(sum(pages.counts))
        return numbers.count(pages.counts[_STATES[column]])

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("Block"),
            self.tr("Size"),
            self.tr("Share"),
            self.tr("Data"),
            self.tr("Fill"),
            self.tr("Zero"),
            self.tr("Missing"),
            self.tr("Pages"),
        )

    def _meanings(self) -> tuple[str, ...]:
        return (
            self.tr("QEMU's name of the block of memory"),
            self.tr("Bytes of guest memory"),
            self.tr("Share of all memory of the machine"),
            self.tr("Pages whose content is in the saved state"),
            self.tr("Pages full of one byte other than zero"),
            self.tr("Pages full of zeroes"),
            self.tr("Pages that the saved state does not hold"),
            self.tr("All pages"),
        )
