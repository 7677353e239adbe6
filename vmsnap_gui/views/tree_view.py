"""The Tree: each snapshot below what it goes back to, and where the disk is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt
from PySide6.QtWidgets import QHeaderView, QTreeView

from vmsnap_gui.models.snapshot_tree import CLOCK, DATE, FREES, REASON, SOURCE, TAG, SnapshotTreeModel
from vmsnap_gui.views import theme
from vmsnap_gui.views.graph_delegate import GraphDelegate
from vmsnap_gui.views.history_view import HistoryView

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.history import History
    from vmsnap_gui.history_session import HistorySession
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.snapshot_table import SnapshotTable

_WIDEST = 24
"""Lanes for which the first column makes room; further ones are reached by making it wider."""


class TreeView(HistoryView):
    """The snapshots as a tree; the selection is that of the table.

    Attributes:
        tree: The rows.
        model: What is in them.
    """

    def __init__(
        self,
        history: HistorySession,
        session: Session,
        jobs: Jobs,
        snapshots: SnapshotTable,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("snapshot_tree", history, session, jobs, snapshots, parent)
        self.model = SnapshotTreeModel(self.note_on, self)
        self.tree = self._make_tree()
        self.set_content(self.tree)
        self.tree.selectionModel().selectionChanged.connect(self._chosen)

    def _make_tree(self) -> QTreeView:
        tree = QTreeView(self)
        tree.setObjectName("snapshot_tree_rows")
        tree.setAccessibleName(self.tr("Tree of snapshots"))
        tree.setModel(self.model)
        tree.setFont(theme.tabular(tree.font()))
        tree.setItemDelegate(GraphDelegate(tree))
        tree.setSelectionMode(QTreeView.SelectionMode.ExtendedSelection)
        tree.setRootIsDecorated(False)
        tree.setUniformRowHeights(True)
        tree.setAllColumnsShowFocus(True)
        tree.setTabKeyNavigation(False)
        tree.setFrameShape(QTreeView.Shape.NoFrame)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.customContextMenuRequested.connect(self._show_menu)
        header = tree.header()
        header.setObjectName("snapshot_tree_columns")
        header.setStretchLastSection(False)
        wide = self.fontMetrics().averageCharWidth()
        for column, characters in ((TAG, 30), (DATE, 24), (SOURCE, 11), (CLOCK, 17), (FREES, 13)):
            header.resizeSection(column, wide * characters)
        header.setSectionResizeMode(REASON, QHeaderView.ResizeMode.Stretch)
        return tree

    def show_history(self, found: History) -> None:
        """Show another tree."""
        self._selecting = True
        try:
            self.model.show(found)
        finally:
            self._selecting = False
        lanes = min(self.model.widest_lane(), _WIDEST) * theme.row_height(self.tree.font())
        header = self.tree.header()
        header.resizeSection(TAG, max(header.sectionSize(TAG), lanes + self.fontMetrics().averageCharWidth() * 26))

    def show_selection(self, positions: Collection[int]) -> None:
        """Show that these snapshots are selected."""
        model, flags = self.tree.selectionModel(), QItemSelectionModel.SelectionFlag
        wanted, last = QItemSelection(), self.model.index_of(-1)
        for position in positions:
            last = self.model.index_of(position)
            wanted.select(last, last)
        if set(positions) != set(self._selected()):
            if last.isValid():
                model.setCurrentIndex(last, flags.NoUpdate)
                self.tree.scrollTo(last)
            model.select(wanted, flags.ClearAndSelect | flags.Rows)

    def _selected(self) -> list[int]:
        positions = [self.model.position(index) for index in self.tree.selectionModel().selectedRows()]
        return [one for one in positions if one is not None]

    def _chosen(self) -> None:
        self.choose(self._selected())

    def _show_menu(self, place: QPoint) -> None:
        if self.model.position(self.tree.indexAt(place)) is not None:
            self.snapshots.show_menu(self.tree.viewport().mapToGlobal(place))
