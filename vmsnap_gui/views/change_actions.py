"""What can be done with the selected field of a comparison: copy it in some form, make a filter of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence

from vmsnap_gui.guest.filter import field_filter
from vmsnap_gui.views.action_making import context_menu, view_action

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QAction

    from vmsnap_gui.views.action_making import Keys
    from vmsnap_gui.views.change_tree import ChangeTree


class ChangeActions(QObject):
    """The actions of the tree of changes, and its context menu.

    Signals:
        filter_wanted: (str) The person wants this filter.
        column_wanted: (str, str) The person wants a column of this field in the snapshot table: device and path.
    """

    filter_wanted = Signal(str)
    column_wanted = Signal(str, str)

    def __init__(self, tree: ChangeTree) -> None:
        super().__init__(tree)
        self._tree = tree
        self.copy_row = self._add("copy_row", self.tr("&Copy row"), QKeySequence.StandardKey.Copy, self._copy_row)
        self.copy_path = self._add("copy_path", self.tr("Copy &path"), "Ctrl+Shift+P", self._copy_path)
        self.filter = self._add("apply_as_filter", self.tr("Apply as &filter"), "Ctrl+Shift+F", self._filter)
        self.column = self._add("apply_as_column", self.tr("Apply as co&lumn"), "Ctrl+Shift+L", self._column)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.customContextMenuRequested.connect(self._show_menu)
        tree.selectionModel().currentChanged.connect(self._enable)
        tree.changes.modelReset.connect(self._enable)
        self._enable()

    def path(self) -> str:
        """Return the selected row's path with its device, as the filter language has it; empty without one."""
        index = self._tree.currentIndex()
        section, change = self._tree.changes.section(index), self._tree.changes.change(index)
        if section is None:
            return ""
        return f"{section.change.key}.{change.path}" if change is not None else section.change.key

    def _add(self, name: str, text: str, shortcut: Keys, act: Callable[[], None]) -> QAction:
        return view_action(self._tree, f"change_{name}", text, shortcut, act)

    def _enable(self) -> None:
        self.copy_row.setEnabled(self._tree.currentIndex().isValid())
        self.copy_path.setEnabled(self._tree.currentIndex().isValid())
        change = self._tree.changes.change(self._tree.currentIndex())
        self.filter.setEnabled(change is not None)
        self.column.setEnabled(change is not None and not change.field.kind.is_container)

    def _show_menu(self, place: QPoint) -> None:
        if self._tree.indexAt(place).isValid():
            menu = context_menu(self._tree, [self.copy_row, self.copy_path], [self.filter, self.column])
            menu.popup(self._tree.viewport().mapToGlobal(place))

    def _copy_row(self) -> None:
        texts = self._tree.changes.texts(self._tree.currentIndex()).columns
        shown = [text for column, text in enumerate(texts) if not self._tree.isColumnHidden(column)]
        QGuiApplication.clipboard().setText("\t".join(shown))

    def _copy_path(self) -> None:
        QGuiApplication.clipboard().setText(self.path())

    def _filter(self) -> None:
        if self._tree.changes.change(self._tree.currentIndex()) is not None:
            self.filter_wanted.emit(field_filter(self.path(), None))

    def _column(self) -> None:
        index = self._tree.currentIndex()
        section, change = self._tree.changes.section(index), self._tree.changes.change(index)
        if section is not None and change is not None:
            self.column_wanted.emit(section.change.key, change.path)
