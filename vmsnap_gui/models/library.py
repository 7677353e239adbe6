"""The library as a Qt model: running machines, launch profiles, opened images and folders, each in its group."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

from vmsnap_gui.entries import normal
from vmsnap_gui.models import library_texts as texts
from vmsnap_gui.models import words
from vmsnap_gui.models.library_texts import Group, Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.control.machine import Disk
    from vmsnap_gui.entries import Entry
    from vmsnap_gui.library import Library
    from vmsnap_gui.machines import Machines
    from vmsnap_gui.vms import Vm

__all__ = ["ASIDE_ROLE", "DETAIL_ROLE", "LOOK_ROLE", "PATH_ROLE", "Group", "LibraryModel", "Look"]

Index = QModelIndex | QPersistentModelIndex

PATH_ROLE = Qt.ItemDataRole.UserRole
"""The Path of the image that a line stands for."""
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 1
"""The muted second line: what it holds, or why it cannot be shown."""
LOOK_ROLE = Qt.ItemDataRole.UserRole + 2
"""The `Look` of the line."""
ASIDE_ROLE = Qt.ItemDataRole.UserRole + 3
"""What stands muted at the right of the name, if there is anything; only lists without groups have it."""

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


class _Line(QStandardItem):
    """A line.

    Attributes:
        key: What it stands for.
        orders: Those of the lines below a folder, which stand by them.
        failed: How many of these could not be read when that was told last.
    """

    def __init__(self, key: _Key, flags: Qt.ItemFlag) -> None:
        super().__init__()
        self.key = key
        self.orders: list[tuple[str, str]] = []
        self.failed = 0
        self.setFlags(flags)
        if not flags & Qt.ItemFlag.ItemNeverHasChildren:
            self.setColumnCount(1)  # now: nobody hears of it yet


class LibraryModel(QStandardItemModel):
    """Follows a `Library` and `Machines` line by line.

    A group is there as long as something is in it. The lines are Qt's own, which lays all of a folder out whenever some
    come: asking Python for each of thousands, while workers read, took 0.3 s. What a line says, Python is asked for.
    Its indexes are Qt's, too, and hold pointers: one that was kept while its line went must not be asked about.
    """

    def __init__(self, library: Library, machines: Machines, parent: QObject | None = None) -> None:
        super().__init__(0, 1, parent)
        self._library = library
        self._machines = machines
        self._lines: dict[_Key, _Line] = {}
        self._parts: dict[_Part, None] = {}
        self._vms: dict[str, Vm] = {}
        # Painting a line asks for both, one after the other.
        self._last: tuple[Entry | None, tuple[str, str]] = None, ("", "")
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
        line = self._lines.get(path)
        if line is None:
            # A machine that is being put in has no line yet: its group's is there first, and views ask then.
            mains = (self._lines[key] for key, vm in self._vms.items() if key in self._lines and _main(vm) == path)
            disks = (self._lines[key] for key in list(self._parts) if self._path(key) == path)
            line = next(mains, None) or next(disks, None)
        return QModelIndex() if line is None else line.index()

    def path_of(self, index: Index) -> Path | None:
        """Return the path of the image or folder that a line stands for; None for a group."""
        return self._path(self._key(index))

    def vm_of(self, index: Index) -> Vm | None:
        """Return the machine at an index."""
        key = self._key(index)
        return self._vms.get(key) if isinstance(key, str) else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        key = self._key(index)
        if key is None:
            return None
        if role == PATH_ROLE:
            return self._path(key)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(key)
        if role not in _SHOWN:
            return None
        if role == LOOK_ROLE:
            return self._look(key)
        name, detail = self._shown(key)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{name}, {detail}" if detail else name
        return name if role == Qt.ItemDataRole.DisplayRole else detail

    def _shown(self, key: _Key) -> tuple[str, str]:
        """Return name and second line."""
        if isinstance(key, Group):
            return texts.group_name(key), ""
        if isinstance(key, str):
            vm = self._vms[key]
            return words.visible(vm.machine.name), texts.machine_detail(vm)
        entry = self._library.entries.get(self._path(key))
        if isinstance(key, _Part) and (entry is None or entry.info is None):
            disk = self._disk(key)
            name = words.name_text(disk.path) if disk.path is not None else words.visible(disk.node or "–")
            return name, texts.disk_detail(disk)
        if entry is None:
            return "", ""
        if isinstance(key, _Part):
            return words.name_text(entry.path), texts.detail_of(entry)
        if entry is not self._last[0] or entry.is_folder:
            name = words.visible(self._library.entries.called(entry.path))
            self._last = entry, (name, texts.detail_of(entry, self._library.entries.counts(entry.path)))
        return self._last[1]

    def _look(self, key: _Key) -> Look:
        """Return a line's picture; asked for by itself, to tell heights."""
        if isinstance(key, Group):
            return Look.GROUP
        if isinstance(key, str):
            return texts.machine_look(self._vms[key])
        entry = self._library.entries.get(self._path(key))
        if isinstance(key, _Part) and (entry is None or entry.info is None):
            return Look.STREAM
        return texts.look_of(entry) if entry is not None else Look.READING

    def _tip(self, key: _Key) -> str:
        if isinstance(key, Group):
            return ""
        if isinstance(key, str):
            return texts.machine_tip(self._vms[key])
        entry = self._library.entries.get(self._path(key))
        if isinstance(key, _Part) and (entry is None or entry.info is None):
            disk = self._disk(key)
            return words.plain_tip([str(disk.path or ""), disk.unfit or ""])
        return texts.tip_of(entry) if entry is not None else ""

    def _disk(self, part: _Part) -> Disk:
        return self._vms[part.machine].machine.filled_disks[part.at]

    def _path(self, key: _Key | None) -> Path | None:
        if isinstance(key, _Part):
            path = self._disk(key).path
            return normal(path) if path is not None else None
        if isinstance(key, str):
            return _main(self._vms[key])
        return key if isinstance(key, Path) else None

    def _key(self, index: Index) -> _Key | None:
        line = self.itemFromIndex(index) if index.isValid() else None
        return line.key if isinstance(line, _Line) else None

    # Entries

    def _add(self, paths: list[Path]) -> None:
        """Add lines: those of a folder by their names, all that come to stand at one place at once."""
        new = [path for path in paths if path not in self._lines and path in self._library.entries]
        entry = self._library.entries.get(new[0]) if new else None
        if entry is None:
            return
        if entry.attached:  # its line stands below its machine
            self._rename(new)
            return
        above = self._lines.get(entry.parent) if entry.parent is not None else None
        if above is None:
            self._insert(new, self._group(Group.FILES), _SELECTABLE)
            self._rename(new)
            return
        there = list(above.orders)
        runs = groupby(sorted(map(_order, new)), key=partial(bisect, there))
        for row, run in reversed([(row, list(run)) for row, run in runs]):  # the last first: the places stay true
            above.orders[row:row] = run
            self._insert([Path(name) for _, name in run], above, _IMAGE_IN_FOLDER, row)
        self._tell_changed(above)

    def _change(self, path: Path) -> None:
        lines = [self._lines[part] for part in self._parts if self._path(part) == path]
        if path in self._lines:
            lines.append(self._lines[path])
        for line in lines:
            self._tell_changed(line)
        above = lines[-1].parent() if lines else None
        if isinstance(above, _Line) and self._failed_in(above) != above.failed:
            self._tell_changed(above)

    def _failed_in(self, folder: _Line) -> int:
        return self._library.entries.counts(folder.key)[1] if isinstance(folder.key, Path) else 0

    def _remove(self, path: Path) -> None:
        line = self._lines.get(path)
        if line is None:
            self._rename([path])
        else:
            above = line.parent()
            self._take_out(line)
            if isinstance(above, _Line) and self._lines.get(above.key) is above:
                self._tell_changed(above)
                if above.key is Group.FILES:
                    self._rename([path])

    def _rename(self, paths: Sequence[Path]) -> None:
        """Tell that files are called something else now, if others of their names came or went."""
        files = self._lines.get(Group.FILES)
        if files is not None and any(map(self._library.entries.has_namesakes, paths)):
            self._last = None, ("", "")
            self.dataChanged.emit(files.child(0).index(), files.child(files.rowCount() - 1).index())

    # Machines

    def _follow_machines(self) -> None:
        vms = self._machines.vms
        there = {vm.key: vm for vm in (*vms.running, *vms.stopped)}
        for key, vm in list(self._vms.items()):
            if key not in there or len(there[key].machine.filled_disks) != len(vm.machine.filled_disks):
                self._take_out(self._lines[key])
                del self._vms[key]
        for group, members in ((Group.RUNNING, vms.running), (Group.PROFILES, vms.stopped)):
            for vm in members:
                new = vm.key not in self._vms
                self._vms[vm.key] = vm
                if new:
                    self._put_in(vm, self._group(group))
                self._follow_machine(vm)

    def _put_in(self, vm: Vm, group: _Line) -> None:
        (line,) = self._insert([vm.key], group, _SELECTABLE)
        disks = vm.machine.filled_disks
        parts = [_Part(vm.key, at) for at in range(len(disks))] if len(disks) > 1 else []
        self._parts |= dict.fromkeys(parts)
        self._insert(parts, line, _SELECTABLE)

    def _follow_machine(self, vm: Vm) -> None:
        """Tell that a machine's lines changed, and let those be selected that stand for an image."""
        for line in (self._lines[vm.key], *(self._lines[part] for part in self._parts if part.machine == vm.key)):
            line.setFlags(_SELECTABLE if self._path(line.key) is not None else Qt.ItemFlag.ItemIsEnabled)
            self._tell_changed(line)

    # Lines

    def _group(self, group: Group) -> _Line:
        """Return the line of a group; it is made if it is not there."""
        if group not in self._lines:
            above = sum(key in self._lines for key in Group if key < group)
            self._insert([group], self.invisibleRootItem(), Qt.ItemFlag.ItemIsEnabled, above)
        return self._lines[group]

    def _insert(
        self, keys: Sequence[_Key], above: QStandardItem, flags: Qt.ItemFlag, row: int | None = None
    ) -> list[_Line]:
        """Insert lines below another, in this order, by default at the end."""
        lines = [_Line(key, flags) for key in keys]
        self._lines |= zip(keys, lines, strict=True)
        above.insertRows(above.rowCount() if row is None else row, lines)
        return lines

    def _take_out(self, line: _Line) -> None:
        """Take a line out, with all below it, and with its group if that is empty then."""
        above, row = line.parent(), line.row()
        below = (line.child(number) for number in range(line.rowCount()))
        for one in (*below, line):
            if isinstance(one, _Line):
                self._forget(one.key)
        if isinstance(above, _Line) and above.orders:
            del above.orders[row]
        self.removeRow(row, above.index() if above is not None else QModelIndex())
        if isinstance(above, _Line) and isinstance(above.key, Group) and not above.rowCount():
            self._take_out(above)

    def _forget(self, key: _Key) -> None:
        del self._lines[key]
        if isinstance(key, _Part):
            del self._parts[key]

    def _tell_changed(self, line: _Line) -> None:
        line.failed = self._failed_in(line)
        index = line.index()
        self.dataChanged.emit(index, index)


def _main(vm: Vm) -> Path | None:
    path = vm.main_image
    return normal(path) if path is not None else None


def _order(path: Path) -> tuple[str, str]:
    return (str(path).casefold(), str(path))
