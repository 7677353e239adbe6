"""The lists of the Memory tab: blocks, and the places that a search found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QHeaderView, QTableView, QTreeView, QWidget

from vmsnap_gui.models.ram import SHARE_ROLE, Column
from vmsnap_gui.views import theme
from vmsnap_gui.views.columns import FittingColumns, Room
from vmsnap_gui.views.delegates import BarDelegate, RowDelegate

if TYPE_CHECKING:
    from PySide6.QtCore import QAbstractItemModel

    from vmsnap_gui.models.hits import HitsModel
    from vmsnap_gui.models.ram import BlocksModel


_ROOMS = (
    *(Room(25, 30, 60), Room(11, 12), Room(7, 10, 30)),
    *(Room(9, 13), Room(7, 13), Room(9, 13), Room(9, 13), Room(9, 13)),
)
"""Of the columns of blocks: names such as "0000:00:02.0/vga.vram", and counts of pages of some gigabytes."""


def blocks_table(model: BlocksModel, parent: QWidget) -> QTreeView:
    """Make the list of RAM blocks."""
    table = plain_table("ram_blocks", _tr("Blocks of memory"), model, parent)
    table.setFont(theme.tabular(table.font()))
    table.setItemDelegateForColumn(Column.SHARE, BarDelegate(SHARE_ROLE, table))
    table.header().setObjectName("block_columns")
    FittingColumns(table, _ROOMS, always=4)
    return table


def hits_table(model: HitsModel, parent: QWidget) -> QTreeView:
    """Make the list of places that were found; it is hidden until there are some."""
    table = plain_table("find_results", _tr("Places that were found"), model, parent)
    table.setFont(theme.monospaced())
    table.header().setObjectName("hit_columns")
    table.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    table.header().resizeSection(0, parent.fontMetrics().averageCharWidth() * 15)
    table.hide()
    return table


def plain_table(name: str, title: str, model: QAbstractItemModel, parent: QWidget | None) -> QTreeView:
    """Make a table of rows without a tree."""
    table = QTreeView(parent)
    prepare_table(table, name, title, model)
    return table


def prepare_table(table: QTreeView, name: str, title: str, model: QAbstractItemModel) -> None:
    """Make a tree view a table of rows."""
    table.setObjectName(name)
    table.setAccessibleName(title)
    table.setModel(model)
    table.setItemDelegate(RowDelegate(parent=table))
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setAllColumnsShowFocus(True)
    table.setAlternatingRowColors(True)
    table.setTabKeyNavigation(False)
    table.setFrameShape(QTreeView.Shape.NoFrame)
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # what tells names of blocks apart stands at their end
    table.header().setStretchLastSection(False)


def long_table(name: str, title: str, model: QAbstractItemModel) -> QTableView:
    """Make a table for very many rows: a tree view would ask for each of them, and take 7 s for a million."""
    table = QTableView()
    table.setObjectName(name)
    table.setAccessibleName(title)
    table.setFont(theme.tabular(table.font()))
    table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    table.verticalHeader().setDefaultSectionSize(theme.row_height(table.font()))
    table.verticalHeader().hide()
    table.setModel(model)
    table.setItemDelegate(RowDelegate(parent=table))
    table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setAlternatingRowColors(True)
    table.setTabKeyNavigation(False)
    table.setFrameShape(QTableView.Shape.NoFrame)
    table.horizontalHeader().setHighlightSections(False)
    return table


def _tr(text: str) -> str:
    return QCoreApplication.translate("memory_tables", text)
