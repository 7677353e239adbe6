"""The library as a Qt model: opened images and folders, and below a folder the images in it."""

from __future__ import annotations

import enum
from bisect import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from vmsnap_gui.entries import Entry, EntryState
from vmsnap_gui.models import numbers, words

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.library import Library

Index = QModelIndex | QPersistentModelIndex

PATH_ROLE = Qt.ItemDataRole.UserRole
"""The entry's Path."""
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 1
"""The muted second line: what it holds, or why it cannot be shown."""
LOOK_ROLE = Qt.ItemDataRole.UserRole + 2
"""The `Look` of the entry."""


class Look(enum.Enum):
    """Which picture stands for an entry; the value is the icon's name."""

    IMAGE = "image"
    STREAM = "stream"
    FOLDER = "folder"
    READING = "reading"
    IN_USE = "in-use"
    PROBLEM = "problem"
    FAILED = "failed"


@dataclass(slots=True)
class _Node:
    path: Path | None
    parent: int
    children: list[int] = field(default_factory=list)


class LibraryModel(QAbstractItemModel):
    """Follows a `Library` line by line. Indexes carry the ids of nodes, never pointers."""

    def __init__(self, library: Library, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self._nodes: dict[int, _Node] = {0: _Node(None, 0)}
        self._ids: dict[Path, int] = {}
        self._next = 1
        for entry in library.entries:
            self._add(entry.path)
        library.entry_added.connect(self._add)
        library.entry_changed.connect(self._change)
        library.entry_removed.connect(self._remove)

    def index_of(self, path: Path | None) -> QModelIndex:
        """Return the index of an entry; invalid where there is none."""
        number = self._ids.get(path) if path is not None else None
        return QModelIndex() if number is None else self._index(number)

    def path_of(self, index: Index) -> Path | None:
        """Return the path of the entry at an index."""
        return self._nodes[index.internalId()].path if index.isValid() else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return len(self._nodes[parent.internalId() if parent.isValid() else 0].children)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Override QAbstractItemModel::columnCount."""
        return 1

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """Override QAbstractItemModel::index."""
        children = self._nodes[parent.internalId() if parent.isValid() else 0].children
        if column != 0 or not 0 <= row < len(children):
            return QModelIndex()
        return self.createIndex(row, 0, children[row])

    @overload
    def parent(self) -> QObject | None: ...
    @overload
    def parent(self, child: Index) -> QModelIndex: ...
    def parent(self, child: Index | None = None) -> QObject | QModelIndex | None:
        """Override QAbstractItemModel::parent."""
        if child is None:
            return super().parent()
        return self._index(self._nodes[child.internalId()].parent) if child.isValid() else QModelIndex()

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        path = self.path_of(index)
        entry = self._library.entries.get(path)
        if entry is None:
            return None
        if role == PATH_ROLE:
            return entry.path
        if role == LOOK_ROLE:
            return look_of(entry)
        if role == Qt.ItemDataRole.DisplayRole:
            return name_of(entry)
        if role == DETAIL_ROLE:
            return self._detail(entry)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tool_tip(entry)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{name_of(entry)}, {self._detail(entry)}"
        return None

    def _index(self, number: int) -> QModelIndex:
        if number == 0:
            return QModelIndex()
        siblings = self._nodes[self._nodes[number].parent].children
        return self.createIndex(siblings.index(number), 0, number)

    def _add(self, path: Path) -> None:
        entry = self._library.entries.get(path)
        if entry is None:
            return
        above = self._ids.get(entry.parent, 0) if entry.parent is not None else 0
        siblings = self._nodes[above].children
        row = bisect(siblings, _order(path), key=lambda number: _order(self._nodes[number].path)) if above else None
        row = len(siblings) if row is None else row
        self.beginInsertRows(self._index(above), row, row)
        self._nodes[self._next] = _Node(path, above)
        self._ids[path] = self._next
        siblings.insert(row, self._next)
        self._next += 1
        self.endInsertRows()
        if above:
            self._tell_changed(above)

    def _change(self, path: Path) -> None:
        if path in self._ids:
            self._tell_changed(self._ids[path])

    def _remove(self, path: Path) -> None:
        number = self._ids.get(path)
        if number is None:
            return
        for child in list(self._nodes[number].children):
            below = self._nodes[child].path
            if below is not None:
                self._remove(below)
        above = self._nodes[number].parent
        row = self._nodes[above].children.index(number)
        self.beginRemoveRows(self._index(above), row, row)
        del self._nodes[above].children[row]
        del self._nodes[number]
        del self._ids[path]
        self.endRemoveRows()
        if above:
            self._tell_changed(above)

    def _tell_changed(self, number: int) -> None:
        index = self._index(number)
        self.dataChanged.emit(index, index)

    def _detail(self, entry: Entry) -> str:
        if entry.state is EntryState.FAILED:
            return words.visible(getattr(entry.error, "message", "") or str(entry.error))
        if entry.is_folder:
            found = words.images(len(self._library.entries.children(entry.path)))
            return found if entry.state is EntryState.READY else self.tr("looking for images… %1").replace("%1", found)
        if entry.info is None:
            return self.tr("reading…")
        parts = [
            words.snapshots(len(entry.info.snapshots)) if entry.info.format == "qcow2" else self.tr("saved state"),
            numbers.size(entry.info.stamp.size),
        ]
        if entry.info.in_use:
            parts.insert(0, self.tr("in use"))
        if entry.info.problems:
            parts.append(words.problems(len(entry.info.problems)))
        return " · ".join(parts)

    def _tool_tip(self, entry: Entry) -> str:
        lines = [str(entry.path)]
        if entry.error is not None:
            lines.append(str(getattr(entry.error, "message", "") or entry.error))
        if entry.in_use:
            lines.append(self.tr("In use by a running machine: it may be changing while you look at it."))
        if entry.info is not None:
            lines.append(numbers.exact_size(entry.info.stamp.size))
            lines += [str(problem) for problem in entry.info.problems[:10]]
        return words.plain_tip(lines)


def name_of(entry: Entry) -> str:
    """Return what an entry is called in the library: its name, or its way below the folder it was found in."""
    if entry.parent is not None and entry.path.is_relative_to(entry.parent):
        return words.visible(str(entry.path.relative_to(entry.parent)))
    return words.name_text(entry.path)


def look_of(entry: Entry) -> Look:
    """Return which picture stands for an entry."""
    if entry.state is EntryState.FAILED:
        return Look.FAILED
    if entry.is_folder:
        return Look.FOLDER
    if entry.info is None:
        return Look.READING
    if entry.info.in_use:
        return Look.IN_USE
    if entry.info.problems:
        return Look.PROBLEM
    return Look.IMAGE if entry.info.format == "qcow2" else Look.STREAM


def _order(path: Path | None) -> tuple[str, str]:
    return (str(path).casefold(), str(path))
