"""The library: what is open, as a list with folders below a search; the selection in it is the session's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal
from PySide6.QtWidgets import QTreeView, QVBoxLayout, QWidget

from vmsnap_gui.models.library import LibraryModel
from vmsnap_gui.turns import qt_turn
from vmsnap_gui.views.action_making import context_menu
from vmsnap_gui.views.delegates import LibraryDelegate
from vmsnap_gui.views.library_finder import LibraryFinder
from vmsnap_gui.views.seeker import Seeker

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QAction, QPaintEvent

    from vmsnap_gui.session import Session

_LEAST = 26
"""Characters that have room in a line, however narrow the window."""


class LibraryTree(QTreeView):
    """A tree during whose work for the eye nothing else computes."""

    def doItemsLayout(self) -> None:
        """Override QAbstractItemView::doItemsLayout."""
        with qt_turn():
            super().doItemsLayout()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Override QWidget::paintEvent."""
        with qt_turn():
            super().paintEvent(event)


class LibraryView(QWidget):
    """The list of open images and folders.

    Signals:
        menu_wanted: (QMenu, Path) A context menu is about to be shown for this entry: put actions into it.
        machine_menu_wanted: (QMenu, Vm) The same for a machine.
    """

    menu_wanted = Signal(object, object)
    machine_menu_wanted = Signal(object, object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("library")
        self._session = session
        self._model = LibraryModel(session.library, session.machines, self)
        self._following = False
        # Before the view hears of it: it would select another line, and nobody chose that.
        self._model.rowsAboutToBeRemoved.connect(self._line_goes)
        self.tree = self._make_tree()
        self._seeker = Seeker(self.tree)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * _LEAST)
        self.finder = LibraryFinder(session, self.tree, self)
        layout.addWidget(self.finder)
        self.setFocusProxy(self.tree)
        # Not currentChanged: a view that gets the focus makes its first row current, and nobody chose that.
        self.tree.selectionModel().selectionChanged.connect(self._chosen)
        self.tree.customContextMenuRequested.connect(self._show_menu)
        self._model.rowsInserted.connect(self._arrived)
        self._model.rowsRemoved.connect(self._line_went)
        session.selection_changed.connect(self._follow)
        self._follow()

    @property
    def model(self) -> LibraryModel:
        """The model that is shown."""
        return self._model

    def add_actions(self, actions: list[QAction]) -> None:
        """Add actions whose shortcuts work while the list has the focus."""
        self.tree.addActions(actions)

    def current(self) -> Path | None:
        """Return the entry that is selected in the list."""
        return self._model.path_of(self.tree.currentIndex())

    def _make_tree(self) -> QTreeView:
        tree = LibraryTree(self)
        tree.setObjectName("library_tree")
        tree.setAccessibleName(self.tr("Library"))
        tree.setAccessibleDescription(self.tr("Machines, open images and folders"))
        tree.setModel(self._model)
        tree.setItemDelegate(LibraryDelegate(tree, has_groups=True))
        tree.setHeaderHidden(True)
        tree.setUniformRowHeights(False)  # groups have one line, all others two
        tree.setIndentation(12)
        tree.setTabKeyNavigation(False)
        tree.setFrameShape(QTreeView.Shape.NoFrame)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.setExpandsOnDoubleClick(True)
        return tree

    def _chosen(self) -> None:
        rows = self.tree.selectionModel().selectedRows()
        if not self._following and rows:
            self._session.select_image(self._model.path_of(rows[0]))

    def _follow(self) -> None:
        """Show the session's selection."""
        index, selection = self._model.index_of(self._session.image), self.tree.selectionModel()
        current = self.tree.currentIndex()
        if self._session.image is not None and self._model.path_of(current) == self._session.image:
            index = current  # an image may have two lines: its own, and that as a machine's disk
        # A view that gets the focus makes its first row current without selecting it, so ask for both.
        if index == self.tree.currentIndex() and (selection.isSelected(index) or not index.isValid()):
            return
        self._following = True
        try:
            selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self._seeker.seek(index)
        finally:
            self._following = False

    def _arrived(self, parent: QModelIndex, first: int, last: int) -> None:
        """Open a folder when its first images are found, and so a group and a machine."""
        if parent.isValid() and self._model.rowCount(parent) == last - first + 1:
            self.tree.expand(parent)
        self._follow()

    def _line_goes(self) -> None:
        self._following = True

    def _line_went(self) -> None:
        self._following = False
        self._follow()

    def _show_menu(self, place: QPoint) -> None:
        index = self.tree.indexAt(place)
        vm = self._model.vm_of(index)
        menu = context_menu(self)
        if vm is not None:
            self.machine_menu_wanted.emit(menu, vm)
        else:
            self.menu_wanted.emit(menu, self._model.path_of(index))
        if menu.actions():
            menu.popup(self.tree.viewport().mapToGlobal(place))
        else:
            menu.deleteLater()
