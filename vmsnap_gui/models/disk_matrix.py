"""Which disks of a machine have which snapshot, and whether those that have one tag fit together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from vmsnap_gui.control.planning_common import are_apart
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import LEFT, RIGHT, Headed, Index

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vmsnap_gui.history import History
    from vmsnap_gui.image.snapshot import Snapshot

WRONG_ROLE = Qt.ItemDataRole.UserRole
"""True where a disk lacks the snapshot, and in the verdict on one that cannot be restored as a whole."""

_FIRST_DISK = 2
"""The first column of a disk, behind the tag and the verdict."""


@dataclass(frozen=True, slots=True)
class DiskColumn:
    """A disk of the machine.

    Attributes:
        name: Its image's file name.
        snapshots: What is in its table.
        history: What is known of them, if it is.
    """

    name: str
    snapshots: tuple[Snapshot, ...]
    history: History | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A tag, with its snapshots on each disk: more than one if the tag is there twice."""

    tag: str | None
    on: tuple[tuple[int, ...], ...]
    verdict: str
    why: str
    wrong: bool


class MatrixModel(Headed, QAbstractTableModel):
    """A row for each tag: the tag, the verdict, then a column for each disk."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._disks: tuple[DiskColumn, ...] = ()
        self._rows: list[_Row] = []

    def show(self, disks: Sequence[DiskColumn]) -> None:
        """Show these disks, the one with the VM states first."""
        if tuple(disks) == self._disks:
            return
        self.beginResetModel()
        self._disks = tuple(disks)
        on: dict[str | None, list[list[int]]] = {}
        for number, disk in enumerate(disks):
            for position, one in enumerate(disk.snapshots):
                on.setdefault(one.tag, [[] for _ in disks])[number].append(position)
        self._rows = [self._row(tag, tuple(map(tuple, there))) for tag, there in on.items()]
        self.endResetModel()

    def rows_of(self, tags: Collection[str | None]) -> list[int]:
        """Return the rows of these tags."""
        return [number for number, row in enumerate(self._rows) if row.tag in tags]

    def tag(self, index: Index) -> str | None:
        """Return the tag of a row."""
        return self._rows[index.row()].tag if index.isValid() else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Override QAbstractItemModel::columnCount."""
        return 0 if parent.isValid() else len(self._disks) + 2

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        is_disk = column >= _FIRST_DISK
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip(self._tip(row, column) if is_disk else [row.why])
        if role == WRONG_ROLE:
            return not row.on[column - _FIRST_DISK] if is_disk else column > 0 and row.wrong
        return self._alignment(column) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Tag"), self.tr("All disks"), *(words.visible(disk.name) for disk in self._disks))

    def _meanings(self) -> tuple[str, ...]:
        disks = [self.tr("What deleting it frees on %1").replace("%1", words.visible(one.name)) for one in self._disks]
        verdict = self.tr("Whether the machine can go back to it as a whole")
        return (self.tr("The name of the snapshot"), verdict, *disks)

    def _row(self, tag: str | None, on: tuple[tuple[int, ...], ...]) -> _Row:
        lacking = [disk.name for disk, there in zip(self._disks, on, strict=True) if not there]
        first = next(disk.snapshots[there[0]] for disk, there in zip(self._disks, on, strict=True) if there)
        if lacking:
            why = self.tr("%1 lacks it").replace("%1", ", ".join(lacking))
            return _Row(tag, on, self.tr("incomplete"), why, wrong=True)
        if any(len(there) > 1 for there in on):
            return _Row(tag, on, self.tr("ambiguous"), self.tr("A disk has the tag twice"), wrong=True)
        others = [disk.snapshots[there[0]] for disk, there in zip(self._disks, on, strict=True)]
        if any(are_apart(first, one) for one in others):
            why = self.tr("They were taken at different times: the disks may not fit together")
            return _Row(tag, on, self.tr("inconsistent"), why, wrong=True)
        return _Row(tag, on, self.tr("whole"), self.tr("All disks have it, of about the same time"), wrong=False)

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        return RIGHT if column >= _FIRST_DISK else LEFT

    def _text(self, row: _Row, column: int) -> str:
        if column == 0:
            return words.visible(row.tag or "") or self.tr("(empty)")
        if column < _FIRST_DISK:
            return row.verdict
        disk, there = self._disks[column - _FIRST_DISK], row.on[column - _FIRST_DISK]
        if not there:
            return self.tr("missing")
        known = disk.history is not None and disk.history.snapshots == disk.snapshots and disk.history.frees
        if not known or disk.history is None:
            return self.tr("there")
        return numbers.freed(sum(disk.history.frees[one] for one in there), at_least=disk.history.at_least)

    def _tip(self, row: _Row, column: int) -> list[str]:
        disk = self._disks[column - _FIRST_DISK]
        lines = [disk.name]
        for position in row.on[column - _FIRST_DISK]:
            snapshot = disk.snapshots[position]
            state = numbers.size(snapshot.vm_state_size) if snapshot.vm_state_size else self.tr("disk only")
            lines.append(f"{numbers.zoned_date(snapshot.date_sec)} · {state}")
        return lines if len(lines) > 1 else [*lines, self.tr("This disk has no snapshot of that tag")]
