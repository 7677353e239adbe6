"""The library as a Qt model: running machines, launch profiles, opened images and folders, each in its group."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, overload

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from vmsnap_gui.entries import normal
from vmsnap_gui.models import library_texts as texts
from vmsnap_gui.models import words
from vmsnap_gui.models.library_texts import Group, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.entries import Entry
    from vmsnap_gui.library import Library
    from vmsnap_gui.machines import Machines
    from vmsnap_gui.vms import Vm

__all__ = ["DETAIL_ROLE", "LOOK_ROLE", "PATH_ROLE", "Group", "LibraryModel", "Look"]

Index = QModelIndex | QPersistentModelIndex

PATH_ROLE = Qt.ItemDataRole.UserRole
"""The Path of the image that a line stands for."""
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 1
"""The muted second line: what it holds, or why it cannot be shown."""
LOOK_ROLE = Qt.ItemDataRole.UserRole + 2
"""The `Look` of the line."""


_SHOWN = frozenset({Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole, DETAIL_ROLE, LOOK_ROLE})
_SELECTABLE = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_IMAGE_IN_FOLDER = _SELECTABLE | Qt.ItemFlag.ItemNeverHasChildren


@dataclass(frozen=True, slots=True)
class _Part:
    """A disk of a machine, by the machine's key and its place there."""

    machine: str
    at: int


_Key = Group | Path | str | _Part
"""What a line stands for: a group, an entry (Path), a machine (its key), or a disk of one."""


@dataclass(slots=True)
class _Node:
    key: _Key | None
    parent: int
    children: list[int] = field(default_factory=list)


class LibraryModel(QAbstractItemModel):
    """Follows a `Library` and `Machines` line by line. Indexes carry the ids of nodes, never pointers.

    A group is there as long as something is in it.
    """

    def __init__(self, library: Library, machines: Machines, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self._machines = machines
        self._nodes: dict[int, _Node] = {0: _Node(None, 0)}
        self._ids: dict[_Key, int] = {}
        self._parts: dict[_Part, None] = {}
        self._vms: dict[str, Vm] = {}
        self._next = 1
        # Painting a line asks for several of these, one after the other.
        self._last: tuple[Entry | None, tuple[str, str, Look]] = None, ("", "", Look.READING)
        self._add(library.entries.opened())
        for path in library.entries.opened():
            self._add([entry.path for entry in library.entries.children(path)])
        self._follow_machines()
        library.entries_added.connect(self._add)
        library.entry_changed.connect(self._change)
        library.entry_removed.connect(self._remove)
        machines.changed.connect(self._follow_machines)

    def index_of(self, path: Path | None) -> QModelIndex:
        """Return the index of an image's or a folder's line; that of its machine if nobody opened it itself."""
        if path is None:
            return QModelIndex()
        number = self._ids.get(path)
        if number is None:
            # A machine that is being put in has no line yet: its group's is there first, and views ask then.
            mains = (self._ids[key] for key, vm in self._vms.items() if key in self._ids and _main(vm) == path)
            disks = (self._ids[key] for key in list(self._parts) if self._path(key) == path)
            number = next(mains, None) or next(disks, None)
        return QModelIndex() if number is None else self._index(number)

    def path_of(self, index: Index) -> Path | None:
        """Return the path of the image or folder that a line stands for; None for a group."""
        return self._path(self._nodes[index.internalId()].key) if index.isValid() else None

    def vm_of(self, index: Index) -> Vm | None:
        """Return the machine at an index."""
        key = self._nodes[index.internalId()].key if index.isValid() else None
        return self._vms.get(key) if isinstance(key, str) else None

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

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Override QAbstractItemModel::flags: what stands for no image cannot be selected."""
        # A view asks this of every line whenever lines come, so it is kept simple.
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        if isinstance(self._nodes[self._nodes[index.internalId()].parent].key, Path):
            return _IMAGE_IN_FOLDER
        return _SELECTABLE if self.path_of(index) is not None else Qt.ItemFlag.ItemIsEnabled

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        key = self._nodes[index.internalId()].key if index.isValid() else None
        if key is None:
            return None
        if role == PATH_ROLE:
            return self._path(key)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(key)
        if role not in _SHOWN:
            return None
        name, detail, look = self._shown(key)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{name}, {detail}" if detail else name
        return {
            Qt.ItemDataRole.DisplayRole: name,
            DETAIL_ROLE: detail,
            LOOK_ROLE: look,
        }.get(role)

    def _shown(self, key: _Key) -> tuple[str, str, Look]:
        """Return name, second line and picture."""
        if isinstance(key, Group):
            return texts.group_name(key), "", Look.GROUP
        if isinstance(key, str):
            vm = self._vms[key]
            return words.visible(vm.machine.name), texts.machine_detail(vm), texts.machine_look(vm)
        entry = self._library.entries.get(self._path(key))
        if isinstance(key, _Part) and (entry is None or entry.info is None):
            disk = self._vms[key.machine].machine.filled_disks[key.at]
            name = words.name_text(disk.path) if disk.path is not None else words.visible(disk.node or "–")
            return name, texts.disk_detail(disk), Look.STREAM
        if entry is None:
            return "", "", Look.READING
        if entry is not self._last[0] or entry.is_folder or isinstance(key, _Part):
            found = self._library.entries.count(entry.path) if entry.is_folder else 0
            name = words.name_text(entry.path) if isinstance(key, _Part) else texts.name_of(entry)
            self._last = entry, (name, texts.detail_of(entry, found), texts.look_of(entry))
        return self._last[1]

    def _tip(self, key: _Key) -> str:
        if isinstance(key, Group):
            return ""
        if isinstance(key, str):
            return texts.machine_tip(self._vms[key])
        entry = self._library.entries.get(self._path(key))
        if isinstance(key, _Part) and (entry is None or entry.info is None):
            disk = self._vms[key.machine].machine.filled_disks[key.at]
            return words.plain_tip([str(disk.path or ""), disk.unfit or ""])
        return texts.tip_of(entry) if entry is not None else ""

    def _path(self, key: _Key | None) -> Path | None:
        if isinstance(key, _Part):
            path = self._vms[key.machine].machine.filled_disks[key.at].path
            return normal(path) if path is not None else None
        if isinstance(key, str):
            return _main(self._vms[key])
        return key if isinstance(key, Path) else None

    def _index(self, number: int) -> QModelIndex:
        if number == 0:
            return QModelIndex()
        siblings = self._nodes[self._nodes[number].parent].children
        return self.createIndex(siblings.index(number), 0, number)

    # Entries

    def _add(self, paths: list[Path]) -> None:
        """Add lines: those of a folder by their names, all that come to stand at one place at once."""
        new = [path for path in paths if path not in self._ids and path in self._library.entries]
        entry = self._library.entries.get(new[0]) if new else None
        if entry is None or entry.attached:
            return
        above = self._ids.get(entry.parent) if entry.parent is not None else None
        if above is None:
            self._insert(new, self._group(Group.FILES))
            return
        there = [_order(self._nodes[number].key) for number in self._nodes[above].children]
        runs = groupby(sorted(new, key=_order), key=lambda path: bisect(there, _order(path)))
        for row, run in reversed([(row, list(run)) for row, run in runs]):  # the last first: the places stay true
            self._insert(run, above, row)
        self._tell_changed(above)

    def _change(self, path: Path) -> None:
        numbers = [self._ids[part] for part in self._parts if self._path(part) == path]
        if path in self._ids:
            numbers.append(self._ids[path])
        for number in numbers:
            self._tell_changed(number)

    def _remove(self, path: Path) -> None:
        number = self._ids.get(path)
        if number is not None:
            above = self._nodes[number].parent
            self._take_out(path)
            if above in self._nodes:
                self._tell_changed(above)

    # Machines

    def _follow_machines(self) -> None:
        vms = self._machines.vms
        there = {vm.key: vm for vm in (*vms.running, *vms.stopped)}
        for key, vm in list(self._vms.items()):
            if key not in there or len(there[key].machine.filled_disks) != len(vm.machine.filled_disks):
                self._take_out(key)
                del self._vms[key]
        for group, members in ((Group.RUNNING, vms.running), (Group.PROFILES, vms.stopped)):
            for vm in members:
                new = vm.key not in self._vms
                self._vms[vm.key] = vm
                if new:
                    self._put_in(vm, self._group(group))
                number = self._ids[vm.key]
                for one in (number, *self._nodes[number].children):
                    self._tell_changed(one)

    def _put_in(self, vm: Vm, group: int) -> None:
        number = self._insert([vm.key], group)
        disks = vm.machine.filled_disks
        for at in range(len(disks)) if len(disks) > 1 else ():
            self._parts[_Part(vm.key, at)] = None
            self._insert([_Part(vm.key, at)], number)

    # Lines

    def _group(self, group: Group) -> int:
        """Return the node of a group; it is made if it is not there."""
        if group not in self._ids:
            there = [key for key in Group if key in self._ids]
            self._insert([group], 0, sum(key < group for key in there))
        return self._ids[group]

    def _insert(self, keys: Sequence[_Key], above: int, row: int | None = None) -> int:
        """Insert lines below a node, in this order, by default at the end; returns the first one's node."""
        siblings = self._nodes[above].children
        row = len(siblings) if row is None else row
        first, self._next = self._next, self._next + len(keys)
        self.beginInsertRows(self._index(above), row, row + len(keys) - 1)
        for number, key in enumerate(keys, first):
            self._nodes[number] = _Node(key, above)
            self._ids[key] = number
        siblings[row:row] = range(first, self._next)
        self.endInsertRows()
        return first

    def _take_out(self, key: _Key) -> None:
        """Take a line out, with all below it, and with its group if that is empty then."""
        number = self._ids[key]
        above = self._nodes[number].parent
        row = self._nodes[above].children.index(number)
        self.beginRemoveRows(self._index(above), row, row)
        del self._nodes[above].children[row]
        for one in (*self._nodes[number].children, number):
            self._forget(one)
        self.endRemoveRows()
        group = self._nodes[above].key
        if isinstance(group, Group) and not self._nodes[above].children:
            self._take_out(group)

    def _forget(self, number: int) -> None:
        key = self._nodes.pop(number).key
        if key is not None:
            del self._ids[key]
        if isinstance(key, _Part):
            del self._parts[key]

    def _tell_changed(self, number: int) -> None:
        index = self._index(number)
        self.dataChanged.emit(index, index)


def _main(vm: Vm) -> Path | None:
    path = vm.main_image
    return normal(path) if path is not None else None


def _order(key: _Key | None) -> tuple[str, str]:
    return (str(key).casefold(), str(key))
