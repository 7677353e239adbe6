"""The snapshots of an image as rows of a tree with lanes, "you are here" among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import history_texts, numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.branches import Row
    from vmsnap_gui.history import History
    from vmsnap_gui.note_store import Note

ROW_ROLE = Qt.ItemDataRole.UserRole
"""The `Row` of the first column, with the lines that are drawn in it."""
HERE_ROLE = Qt.ItemDataRole.UserRole + 1
"""True for the disk as it is now."""
QUIET_ROLE = Qt.ItemDataRole.UserRole + 2
"""True where a text is to be shown muted."""
TAG, DATE, SOURCE, REASON, CLOCK, FREES = range(6)


class SnapshotTreeModel(FlatTable):
    """One row for each node of the tree; a row in which nothing but the name is known for the disk as it is now."""

    columns = 6
    at_right = (CLOCK, FREES)

    def __init__(self, note: Callable[[int], Note], parent: QObject | None = None) -> None:
        """Show nothing yet; `note` gives what is noted on a node."""
        super().__init__(parent)
        self._note = note
        self._found: History | None = None
        self._rows: tuple[Row, ...] = ()
        self._places: dict[int, int] = {}

    def show(self, found: History | None) -> None:
        """Show the tree of an image, or nothing."""
        self.beginResetModel()
        self._found, self._rows = found, found.rows if found is not None else ()
        self._places = {row.node: place for place, row in enumerate(self._rows)}
        self.endResetModel()

    def position(self, index: Index) -> int | None:
        """Return the position of the snapshot at an index; None for the disk as it is now."""
        if self._found is None or not index.isValid():
            return None
        node = self._rows[index.row()].node
        return None if history_texts.is_here(self._found, node) else node

    def index_of(self, position: int) -> QModelIndex:
        """Return the first cell of the row of a position."""
        place = self._places.get(position)
        return QModelIndex() if place is None else self.index(place, 0)

    def widest_lane(self) -> int:
        """Return the last lane that is in use."""
        return max((row.lane for row in self._rows), default=0)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Override QAbstractItemModel::flags: the disk as it is now is no snapshot that could be selected."""
        flags = super().flags(index)
        return flags if self.position(index) is not None else flags & ~Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if self._found is None or not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(self._found, row.node, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return history_texts.node_tip(self._found, row.node, self._note(row.node))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == TAG:
            edge = history_texts.edge_of(self._found, row.node)
            return f"{history_texts.node_name(self._found, row.node)}. {history_texts.reason_text(edge)}"
        if role == ROW_ROLE:
            return row if column == TAG else None
        if role == HERE_ROLE:
            return history_texts.is_here(self._found, row.node)
        return column in (SOURCE, REASON) if role == QUIET_ROLE else None

    def _titles(self) -> tuple[str, ...]:
        date = self.tr("Date (UTC)") if numbers.time_zone() is None else self.tr("Date (local)")
        return (self.tr("Tag"), date, self.tr("Parent"), self.tr("Why"), self.tr("VM clock"), self.tr("Frees"))

    def _meanings(self) -> tuple[str, ...]:
        return (
            self.tr("Below what it goes back to; lines are dashed where that is inferred"),
            self.tr("When it was taken"),
            self.tr("Recorded: vmsnap did it itself. Inferred: from clusters that are shared, and perhaps wrong"),
            self.tr("What speaks for the parent"),
            self.tr("How long the machine had been running (h:m:s)"),
            self.tr("What deleting it alone gives back inside the image"),
        )

    def _text(self, found: History, node: int, column: int) -> str:
        edge = history_texts.edge_of(found, node)
        if column == TAG:
            return history_texts.node_name(found, node)
        if column == SOURCE:
            return history_texts.source_text(edge.source)
        if column == REASON:
            return words.visible(edge.reason)
        if history_texts.is_here(found, node):
            return ""
        snapshot = found.snapshots[node]
        if column == DATE:
            return numbers.date(snapshot.date_sec)
        if column == CLOCK:
            return numbers.clock(snapshot.vm_clock_ns) if snapshot.vm_state_size else numbers.NO_VALUE
        return numbers.freed(found.frees[node], at_least=found.at_least) if found.frees else numbers.NO_VALUE
