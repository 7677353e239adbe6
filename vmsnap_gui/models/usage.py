"""What the snapshots of an image occupy, as a table with bars of growth, and as the parts of one bar."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QModelIndex, QObject, Qt

from vmsnap_gui.models import history_texts, numbers, words
from vmsnap_gui.models.facts import Part
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from vmsnap_gui.history import History
    from vmsnap_gui.image.usage import LayerUsage

PIECES_ROLE = Qt.ItemDataRole.UserRole
"""The bar of a row: (Use, share of the longest bar) pairs."""
QUIET_ROLE = Qt.ItemDataRole.UserRole + 1
"""True in the row of the disk as it is now, which cannot be deleted."""
TAG, GROWTH, NEW, DISK, STATE, SHARED, FREES = range(7)


class Use(enum.IntEnum):
    """What clusters of an image are used for, in the order of its bar."""

    NOW = 0
    DISK = 1
    STATE = 2
    SHARED = 3
    METADATA = 4
    LEAKED = 5
    FREE = 6


def parts_of(found: History) -> list[tuple[Use, Part]]:
    """Return what an image's file consists of; empty parts are left out."""
    usage = found.usage
    assert usage is not None
    alone = [layer.exclusive for layer in usage.snapshots]
    tables = sum(one.tables for one in alone)
    whole = -(-found.stamp.size // usage.cluster_size) * usage.cluster_size  # the last cluster may be partly written
    free = max(0, whole - usage.in_use)
    sizes = {
        Use.NOW: usage.active.exclusive.total,
        Use.DISK: sum(one.disk for one in alone),
        Use.STATE: sum(one.vm_state for one in alone),
        Use.SHARED: usage.shared.total,
        Use.METADATA: usage.metadata + tables,
        Use.LEAKED: usage.other,
        Use.FREE: free,
    }
    return [(use, Part(use_name(use), size, _tip(use, size))) for use, size in sizes.items() if size]


def use_name(use: Use) -> str:
    """Name a use."""
    return {
        Use.NOW: _tr("Only the disk now"),
        Use.DISK: _tr("Disk of single snapshots"),
        Use.STATE: _tr("VM state of single snapshots"),
        Use.SHARED: _tr("Shared"),
        Use.METADATA: _tr("Tables"),
        Use.LEAKED: _tr("Leaked"),
        Use.FREE: _tr("Free"),
    }[use]


def _tip(use: Use, size: int) -> str:
    meaning = {
        Use.NOW: _tr("What the disk as it is now uses and no snapshot does"),
        Use.DISK: _tr("Content of the disk that only one snapshot uses: deleting that frees it"),
        Use.STATE: _tr("Memory and devices that only one snapshot uses: deleting that frees them"),
        Use.SHARED: _tr("What two or more use, snapshots or the disk as it is now"),
        Use.METADATA: _tr("Header, refcounts, snapshot table, bitmaps, and the mapping tables of single snapshots"),
        Use.LEAKED: _tr("In use, but nothing leads to it: leaked, or behind tables that cannot be read"),
        Use.FREE: _tr("Places in the file that are used before it grows again; on the host they may be holes"),
    }[use]
    return f"{meaning}: {numbers.exact_size(size)}"


def usage_text(found: History) -> str:
    """Say what an image has in use, and what it would have without snapshots."""
    usage = found.usage
    assert usage is not None
    text = _tr("%1 in use; without snapshots about %2") if found.at_least else _tr("%1 in use; without snapshots %2")
    return text.replace("%1", numbers.size(usage.in_use)).replace("%2", numbers.size(found.without))


class UsageModel(FlatTable):
    """A row for each snapshot in the order in which they were taken, and one for the disk as it is now."""

    columns = 7
    at_right = (NEW, DISK, STATE, SHARED, FREES)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._found: History | None = None
        self._layers: tuple[LayerUsage, ...] = ()
        self._most = 1

    def show(self, found: History | None) -> None:
        """Show what the snapshots of an image occupy, if that is known."""
        self.beginResetModel()
        usage = found.usage if found is not None else None
        self._found = found
        self._layers = (*usage.snapshots, usage.active) if usage is not None else ()
        self._most = max((layer.new.total for layer in self._layers), default=1) or 1
        self.endResetModel()

    def position(self, index: Index) -> int | None:
        """Return the position of the snapshot at an index; None for the disk as it is now."""
        return index.row() if index.isValid() and index.row() < len(self._layers) - 1 else None

    def index_of(self, position: int) -> QModelIndex:
        """Return the first cell of the row of a position."""
        return self.index(position, 0) if position < len(self._layers) - 1 else QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._layers)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Override QAbstractItemModel::flags: the disk as it is now is no snapshot that could be selected."""
        flags = super().flags(index)
        return flags if self.position(index) is not None else flags & ~Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if self._found is None or not index.isValid():
            return None
        layer, column = self._layers[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(self._found, layer, index.row(), column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tool_tip(self._found, layer, index)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == PIECES_ROLE and column == GROWTH:
            sizes = ((Use.DISK, layer.new.disk), (Use.STATE, layer.new.vm_state), (Use.METADATA, layer.new.tables))
            return tuple((use, size / self._most) for use, size in sizes if size)
        return layer.snapshot is None if role == QUIET_ROLE else None

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("Tag"),
            self.tr("Growth"),
            self.tr("New"),
            self.tr("Disk alone"),
            self.tr("State alone"),
            self.tr("Shared"),
            self.tr("Frees"),
        )

    def _meanings(self) -> tuple[str, ...]:
        return (
            self.tr("In the order in which they were taken"),
            self.tr("What came with each: disk, VM state and tables that the one before does not use"),
            self.tr("What the one before does not use"),
            self.tr("Content of the disk that nothing else uses"),
            self.tr("VM state that nothing else uses"),
            self.tr("What others use, too"),
            self.tr("What deleting it alone gives back inside the image"),
        )

    def _text(self, found: History, layer: LayerUsage, row: int, column: int) -> str | None:
        if column == TAG:
            return words.snapshot_name(layer.snapshot) if layer.snapshot is not None else self.tr("Now")
        if column == FREES:
            return numbers.freed(found.frees[row], at_least=found.at_least) if layer.snapshot is not None else ""
        sizes = {
            NEW: layer.new.total,
            DISK: layer.exclusive.disk,
            STATE: layer.exclusive.vm_state,
            SHARED: layer.shared.total,
        }
        return None if column not in sizes else numbers.size(sizes[column]) if sizes[column] else numbers.NO_VALUE

    def _tool_tip(self, found: History, layer: LayerUsage, index: Index) -> str:
        if index.column() in (GROWTH, NEW):
            parts = history_texts.sizes_text(layer.new) or self.tr("nothing")
            return words.plain_tip([self.tr("New since the one before: %1").replace("%1", parts)])
        if layer.snapshot is None:
            return words.plain_tip([self.tr("The disk as it is now")])
        return words.plain_tip(history_texts.freed_text(found, index.row()).split("\n"))


def _tr(text: str) -> str:
    return QCoreApplication.translate("usage", text)
