"""The snapshots of one image as a Qt table, sorted by date unless the person wants otherwise."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.cells import Cell
from vmsnap_gui.models.snapshot_values import id_key
from vmsnap_gui.models.tables import LEFT, RIGHT, Headed, Index
from vmsnap_gui.note_store import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.thumbnails import Thumbnail

MUTED_ROLE = Qt.ItemDataRole.UserRole
"""True where the text stands for something that is not there, and is to be shown muted."""
INCOMPLETE_ROLE = Qt.ItemDataRole.UserRole + 1
"""True where a disk of the machine lacks the snapshot."""
THUMBNAIL_ROLE = Qt.ItemDataRole.UserRole + 2
"""The Thumbnail of the snapshot, in any column; None while it is not there: asking has it made."""
NOTE_ROLE = Qt.ItemDataRole.UserRole + 3
"""The Note on the snapshot, in any column."""


Disks = tuple[tuple[str, frozenset[str | None]], ...]
"""The disks of a machine, each by its name with the tags of the snapshots on it."""


class Column(enum.IntEnum):
    """The table's columns. ICOUNT is last: it is left out where no snapshot has one.

    DISKS is hidden by the view where the image is no part of a machine with more than one, NOTE where there is none.
    SCREEN stands first in it.
    """

    TAG = 0
    ID = 1
    DATE = 2
    CLOCK = 3
    STATE_SIZE = 4
    FREES = 5
    DISK_SIZE = 6
    DISKS = 7
    NOTE = 8
    SCREEN = 9
    ICOUNT = 10


@dataclass(slots=True, eq=False)
class _Extra:
    """A column with the value of a field.

    Attributes:
        title: What stands at its top.
        cells: One for each position; none while they are not known.
    """

    title: str
    cells: Sequence[Cell] = ()

    def cell(self, position: int) -> Cell:
        return self.cells[position] if position < len(self.cells) else Cell()


class SnapshotModel(Headed, QAbstractTableModel):
    """One row for each snapshot. A *position* is a place in the image's table, a row is one in this model."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._snapshots: tuple[Snapshot, ...] = ()
        self._order: list[int] = []
        self._repeated: set[str] = set()
        self._columns = int(Column.ICOUNT)
        self._sorted_by: Column | _Extra = Column.DATE
        self._direction = Qt.SortOrder.AscendingOrder
        self._extra: list[_Extra] = []
        self._disks: Disks = ()
        self._notes: tuple[Note, ...] = ()
        self._frees: Sequence[int] = ()
        self._at_least = False
        self._tell_freed: Callable[[int], str] = str
        self._picture: Callable[[int], Thumbnail | None] = _no_picture

    def show_pictures(self, get: Callable[[int], Thumbnail | None]) -> None:
        """Say what gives the small picture of a position; see `picture_changed`."""
        self._picture = get

    def picture_changed(self, position: int) -> None:
        """Know that there is another picture of a position."""
        row = self.index_of(position).row()
        if row >= 0:
            self.dataChanged.emit(self.index(row, Column.TAG), self.index(row, Column.SCREEN))

    def show_notes(self, notes: tuple[Note, ...]) -> None:
        """Say what the person wrote about each snapshot, by position; nothing where there is no note at all."""
        if notes == self._notes:
            return
        self._notes = notes
        if self._order:
            self.dataChanged.emit(self.index(0, Column.TAG), self.index(len(self._order) - 1, Column.NOTE))
        if self._sorted_by is Column.NOTE:
            self.sort(Column.NOTE, self._direction)

    def note(self, index: Index) -> Note:
        """Return the note on the snapshot at an index; an empty one where there is none."""
        return self._note(self._order[index.row()]) if index.isValid() else Note()

    def _note(self, position: int) -> Note:
        return self._notes[position] if position < len(self._notes) else Note()

    def show_frees(self, frees: Sequence[int], tell: Callable[[int], str], *, at_least: bool = False) -> None:
        """Say how many bytes deleting each snapshot alone frees, by position; none while that is not known.

        Args:
            frees: Them.
            tell: Says more of a position.
            at_least: Whether each may free more.
        """
        self._tell_freed = tell
        if frees is self._frees and at_least == self._at_least:
            return
        self._frees, self._at_least = frees, at_least
        if self._order:
            self.dataChanged.emit(self.index(0, Column.FREES), self.index(len(self._order) - 1, Column.FREES))
        if self._sorted_by is Column.FREES:
            self.sort(Column.FREES, self._direction)

    def show_disks(self, disks: Disks) -> None:
        """Say which disks of the machine have each snapshot: the disks' names, each with the tags that are on it."""
        if disks == self._disks:
            return
        self._disks = disks
        if self._order:
            self.dataChanged.emit(self.index(0, Column.TAG), self.index(len(self._order) - 1, Column.DISKS))

    def show(self, snapshots: Sequence[Snapshot]) -> None:
        """Show these snapshots."""
        if tuple(snapshots) == self._snapshots:
            return
        self.beginResetModel()
        self._snapshots, self._notes = tuple(snapshots), ()
        tags = [one.tag for one in self._snapshots if one.tag]
        self._repeated = {tag for tag in tags if tags.count(tag) > 1} if len(tags) > len(set(tags)) else set()
        self._frees = ()
        self._columns = len(Column) if any(one.icount for one in snapshots) else int(Column.ICOUNT)
        for extra in self._extra:
            extra.cells = ()
        self._order = self._sorted()
        self.endResetModel()

    def add_column(self, title: str) -> None:
        """Add a column for a field, at the end."""
        here = self.columnCount()
        self.beginInsertColumns(QModelIndex(), here, here)
        self._extra.append(_Extra(title))
        self.endInsertColumns()

    def remove_column(self, number: int) -> None:
        """Take the column of a field away, by its number among these."""
        here = int(self._columns) + number
        self.beginRemoveColumns(QModelIndex(), here, here)
        gone = self._extra.pop(number)
        self.endRemoveColumns()
        if self._sorted_by is gone:
            self.sort(Column.DATE)

    def set_cells(self, number: int, cells: Sequence[Cell]) -> None:
        """Fill the column of a field: a cell for each position."""
        here = int(self._columns) + number
        self._extra[number].cells = cells
        if self._order:
            self.dataChanged.emit(self.index(0, here), self.index(len(self._order) - 1, here))
        if self._sorted_by is self._extra[number]:
            self.sort(here, self._direction)

    def position(self, index: Index) -> int | None:
        """Return the position of the snapshot at an index."""
        return self._order[index.row()] if index.isValid() else None

    def snapshot(self, index: Index) -> Snapshot | None:
        """Return the snapshot at an index."""
        return self._snapshots[self._order[index.row()]] if index.isValid() else None

    def index_of(self, position: int | None) -> QModelIndex:
        """Return the first cell of the row of a position."""
        if position is None or position not in self._order:
            return QModelIndex()
        return self.index(self._order.index(position), 0)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Override QAbstractItemModel::columnCount."""
        return 0 if parent.isValid() else int(self._columns) + len(self._extra)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        snapshot = self.snapshot(index)
        if snapshot is None:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.column())
        if index.column() >= self._columns:
            if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                return words.visible(self._extra[index.column() - self._columns].cell(self._order[index.row()]).text)
            return None
        column = Column(index.column())
        if column is Column.NOTE and role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            note = self.note(index)
            return words.visible(note.line) if role == Qt.ItemDataRole.DisplayRole else _note_tip(note)
        if role == NOTE_ROLE:
            return self.note(index)
        if role == THUMBNAIL_ROLE:
            return self._picture(self._order[index.row()])
        if column is Column.SCREEN:
            return self._picture_data(self._order[index.row()], role)
        if column is Column.FREES:
            return self._freed_data(self._order[index.row()], role)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(snapshot, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tool_tip(snapshot, column)
        if role == MUTED_ROLE:
            return column is Column.TAG and not snapshot.tag
        if role == INCOMPLETE_ROLE:
            return column is Column.DISKS and bool(self._missing(snapshot))
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Override QAbstractItemModel::sort."""
        extra = self._columns <= column < self.columnCount()
        if not extra and not 0 <= column < len(Column):
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        positions = [self._order[index.row()] for index in before]
        self._sorted_by = self._extra[column - self._columns] if extra else Column(column)
        self._direction = order
        self._order = self._sorted()
        rows = {position: row for row, position in enumerate(self._order)}
        after = [self.index(rows[position], index.column()) for position, index in zip(positions, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _sorted(self) -> list[int]:
        backwards = self._direction == Qt.SortOrder.DescendingOrder
        return sorted(range(len(self._snapshots)), key=self._key, reverse=backwards)

    def _key(self, position: int) -> tuple[object, ...]:
        if self._sorted_by is Column.NOTE:
            return (self._note(position).line.casefold(),)
        if self._sorted_by is Column.DISKS:
            return (-len(self._missing(self._snapshots[position])),)
        if self._sorted_by is Column.FREES:
            return (self._frees[position] if position < len(self._frees) else 0,)
        if isinstance(self._sorted_by, Column):
            return _KEYS[self._sorted_by](self._snapshots[position])
        cell = self._sorted_by.cell(position)
        return (cell.number is None, cell.number or 0, cell.text)

    def _titles(self) -> tuple[str, ...]:
        titles = (
            self.tr("Tag"),
            self.tr("ID"),
            self.tr("Date (UTC)") if numbers.time_zone() is None else self.tr("Date (local)"),
            self.tr("VM clock"),
            self.tr("State size"),
            self.tr("Frees"),
            self.tr("Disk size"),
            self.tr("Disks"),
            self.tr("Note"),
            self.tr("Screen"),
            self.tr("Instructions"),
        )
        return self._with_extra(titles)

    def _meanings(self) -> tuple[str, ...]:
        meanings = (
            self.tr("The name it was given"),
            self.tr("The number that QEMU gave it"),
            self.tr("When it was taken, in the time zone of this computer: %1").replace(
                "%1", numbers.time_zone() or "UTC"
            ),
            self.tr("How long the machine had been running (h:m:s)"),
            self.tr("Bytes of saved state: memory and devices"),
            self.tr("What deleting it alone gives back inside the image: whole clusters that nothing else uses"),
            self.tr("Virtual size of the disk at that time"),
            self.tr("How many of the machine's disks have it"),
            self.tr("What you wrote about it (F2); kept among your data, not in the image"),
            self.tr("What its first display showed"),
            self.tr("Instructions that the machine had executed"),
        )
        return self._with_extra(meanings)

    def _with_extra(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return (*texts[: self._columns], *(extra.title for extra in self._extra))

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        # What is in the column of a field is not always a number, but at the left it would touch the sizes beside it.
        return LEFT if column in (Column.TAG, Column.ID, Column.DATE, Column.NOTE) else RIGHT

    def _picture_data(self, position: int, role: int) -> object:
        thumbnail = self._picture(position)
        text = thumbnail.text if thumbnail is not None else ""
        if role == Qt.ItemDataRole.DisplayRole:
            return words.visible(text)
        return words.plain_tip([text]) if role == Qt.ItemDataRole.ToolTipRole else None

    def _freed_data(self, position: int, role: int) -> object:
        known = position < len(self._frees)
        if role == Qt.ItemDataRole.DisplayRole:
            return numbers.freed(self._frees[position], at_least=self._at_least) if known else numbers.NO_VALUE
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip([self._tell_freed(position) if known else self.tr("Not counted")])
        return None

    def _text(self, snapshot: Snapshot, column: Column) -> str:
        if column is Column.TAG:
            if snapshot.tag is None:
                return self.tr("(saved state)")
            return words.visible(snapshot.tag) or self.tr("(empty)")
        if column is Column.ID:
            return numbers.NO_VALUE if snapshot.id is None else words.visible(snapshot.id)
        if column is Column.DATE:
            return numbers.date(snapshot.date_sec)
        if column is Column.CLOCK:
            return numbers.clock(snapshot.vm_clock_ns)
        if column is Column.STATE_SIZE:
            return numbers.size(snapshot.vm_state_size) if snapshot.vm_state_size else self.tr("disk only")
        if column is Column.DISK_SIZE:
            return numbers.size(snapshot.disk_size)
        if column is Column.DISKS:
            there = len(self._disks) - len(self._missing(snapshot))
            return f"{there}/{len(self._disks)}" if self._disks else numbers.NO_VALUE
        return numbers.NO_VALUE if snapshot.icount is None else numbers.count(snapshot.icount)

    def _tool_tip(self, snapshot: Snapshot, column: Column) -> str | None:
        if column is Column.TAG:
            if snapshot.tag in self._repeated:
                return self.tr("Another snapshot of this image has the same tag; the ID tells them apart.")
            if snapshot.tag == "":
                return self.tr("This snapshot's tag is empty.")
            return words.plain_tip([snapshot.tag]) if snapshot.tag else None
        if column is Column.DATE:
            both = numbers.zoned_date(snapshot.date_sec), numbers.iso_date(snapshot.date_sec, snapshot.date_nsec)
            return None if snapshot.date_sec is None else "\n".join(both)
        if column is Column.CLOCK and snapshot.vm_clock_ns is not None:
            return self.tr("%1 ns").replace("%1", numbers.count(snapshot.vm_clock_ns))
        if column is Column.STATE_SIZE:
            return numbers.exact_size(snapshot.vm_state_size)
        if column is Column.DISK_SIZE:
            return numbers.exact_size(snapshot.disk_size)
        return self._tell_missing(snapshot) if column is Column.DISKS else None

    def _missing(self, snapshot: Snapshot) -> list[str]:
        """Return the disks that lack a snapshot."""
        return [name for name, tags in self._disks if snapshot.tag not in tags]

    def _tell_missing(self, snapshot: Snapshot) -> str | None:
        missing = self._missing(snapshot)
        if not missing:
            return None
        names = ", ".join(missing)
        text = self.tr("Cannot be restored as a whole: %1 lacks it").replace("%1", words.visible(names))
        return words.plain_tip([text])


def _note_tip(note: Note) -> str | None:
    return words.plain_tip(note.lines) if note else None


def _no_picture(_position: int) -> None:
    return None


_KEYS: dict[Column, Callable[[Snapshot], tuple[object, ...]]] = {
    Column.TAG: lambda one: ((one.tag or "").casefold(), one.tag or ""),
    Column.ID: id_key,
    Column.DATE: lambda one: (one.date_sec or 0, one.date_nsec),
    Column.CLOCK: lambda one: (one.vm_clock_ns or 0,),
    Column.STATE_SIZE: lambda one: (one.vm_state_size,),
    Column.DISK_SIZE: lambda one: (one.disk_size or 0,),
    Column.SCREEN: lambda _one: (),
    Column.ICOUNT: lambda one: (one.icount or 0,),
}
