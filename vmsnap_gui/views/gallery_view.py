"""The Gallery: what the screen of each snapshot showed. It has the table's rows, order and selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtWidgets import QListView

from vmsnap_gui.models.snapshots import Column
from vmsnap_gui.turns import qt_turn
from vmsnap_gui.views import theme
from vmsnap_gui.views.screen_delegates import GalleryDelegate
from vmsnap_gui.views.seeker import Seeker

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPoint
    from PySide6.QtGui import QPaintEvent, QShowEvent
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.views.snapshot_table import SnapshotTable

_SPACING = 6


class GalleryView(QListView):
    """The snapshots as pictures, in rows as wide as the view."""

    def __init__(self, snapshots: SnapshotTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._snapshots = snapshots
        self.setObjectName("gallery")
        self.setAccessibleName(self.tr("Screens of the snapshots"))
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setFont(theme.tabular(self.font()))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSpacing(_SPACING)
        self.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QListView.SelectionBehavior.SelectRows)
        self.setSelectionRectVisible(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setItemDelegate(GalleryDelegate(self))
        self.setModel(snapshots.model)
        self.setModelColumn(Column.TAG)
        self.setSelectionModel(snapshots.table.selectionModel())
        self._seeker = Seeker(self)
        self.selectionModel().currentChanged.connect(self._seek)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: go to what is selected, which the table may have in another column."""
        super().showEvent(event)
        current = self.selectionModel().currentIndex().siblingAtColumn(Column.TAG)
        self.selectionModel().setCurrentIndex(current, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._seeker.seek(current)

    def _seek(self, current: QModelIndex) -> None:
        self._seeker.seek(current.siblingAtColumn(Column.TAG))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Override QWidget::paintEvent: nothing else computes meanwhile."""
        with qt_turn():
            super().paintEvent(event)

    def _show_menu(self, place: QPoint) -> None:
        if self.indexAt(place).isValid():
            self._snapshots.show_menu(self.viewport().mapToGlobal(place))
