"""A map of what changed and the bytes of both sides below it, each following the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from vmsnap_gui.models.change_words import kind_words
from vmsnap_gui.views.change_map import ChangeMap
from vmsnap_gui.views.twin_hex import TwinHex

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.change_cells import ChangedCells
    from vmsnap_gui.views.byte_source import ByteSource


_SOUGHT = 64 << 10
"""Bytes of a unit in which the first difference is looked for."""


class ChangedBytes(QWidget):
    """Shows what changed in one block of memory, or on a disk, beside a list that the owner gives.

    Signals:
        moved: (int) The cursor is on another byte.
    """

    moved = Signal(object)

    def __init__(self, name: str, title: str, table: QWidget, jobs: Jobs, parent: QWidget | None = None) -> None:
        """Make an empty view.

        Args:
            name: Begins the object names of its parts.
            title: What the map shows, for screen readers.
            table: Stands beside the map.
            jobs: The jobs.
            parent: The widget it belongs to.
        """
        super().__init__(parent)
        self.setObjectName(f"{name}_changed")
        self._cells: ChangedCells | None = None
        self._at = -1
        self.map = ChangeMap(f"{name}_map", title, jobs, self)
        self.twin = TwinHex(f"{name}_bytes", self._where, self)
        above = QSplitter(Qt.Orientation.Horizontal)
        above.setObjectName(f"{name}_above")
        above.addWidget(table)
        above.addWidget(self.map)
        above.setSizes([640, 360])
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setObjectName(f"{name}_changes")
        splitter.addWidget(above)
        splitter.addWidget(self.twin)
        splitter.setSizes([260, 300])
        for one in (above, splitter):
            one.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        self.map.chosen.connect(self.go_to)
        for view in (self.twin.a, self.twin.b, self.twin.base):
            view.selection_changed.connect(lambda view=view: self._moved(view.selected.start))

    def show_cells(
        self,
        cells: ChangedCells | None,
        a: ByteSource | None = None,
        b: ByteSource | None = None,
        base: ByteSource | None = None,
    ) -> None:
        """Show what changed, and the bytes of all sides."""
        self._cells = None
        self.map.show_cells(cells)
        self.twin.show_sources(a, b, base, has_base=cells is not None and cells.since_base)
        self._cells, self._at = cells, -1

    def go_to(self, offset: int) -> None:
        """Go to a byte."""
        if self._cells is not None:
            self.twin.go_to(offset, self._cells.unit)
            self._moved(offset)

    def go_to_change(self, start: int) -> None:
        """Go to the first byte that differs in the unit that begins at `start`, once it is read."""
        self.go_to(start)
        sources = [view.source for view in self.twin.shown()]
        length = min(_SOUGHT, *(source.size - start for source in sources))
        if self._cells is None or length <= 0:
            return
        found: list[bytes] = []

        def arrived(data: bytes | Exception) -> None:
            found.extend([data] if isinstance(data, bytes) else [])
            shown = self.twin.shown()
            if len(found) == len(sources) == len(shown) and self._at == start and shown[0].source is sources[0]:
                self._go_to_first(start, found)

        for source in sources:
            source.request(start, length, arrived)

    def _go_to_first(self, start: int, sides: list[bytes]) -> None:
        from vmsnap_gui.compare.explain import changed_ranges

        changes = [changed_ranges(sides[0], other)[0] for other in sides[1:]]
        first = min((ranges[0][0] for ranges in changes if ranges), default=0)
        if first:
            self.twin.go_to(start + first)
            self._at = start  # the next step goes on from here

    def step(self, *, back: bool) -> bool:
        """Go to the next range of changes, or to the one before; False where there is none."""
        found = self._cells.step(self._at, back=back) if self._cells is not None else None
        if self._cells is None or found is None:
            return False
        self.go_to_change(int(self._cells.starts[found]))
        return True

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first range of changes, or to the last; False where there is none."""
        self._at = self._cells.size + 1 if back and self._cells is not None else -1
        return self.step(back=back)

    def _moved(self, offset: int) -> None:
        if self._cells is not None:
            self._at = offset
            self.map.set_current(offset)
            self.moved.emit(offset)

    def _where(self, offset: int) -> str:
        text = self.tr("Byte %1").replace("%1", f"{offset:#x}")
        found = self._cells.range_at(offset) if self._cells is not None else None
        if self._cells is None or found is None:
            return text
        start, end, kind = (int(part[found]) for part in (self._cells.starts, self._cells.ends, self._cells.kinds))
        return f"{text} · {start:#x}–{end - 1:#x}: {kind_words(since_base=self._cells.since_base)[kind]}"
