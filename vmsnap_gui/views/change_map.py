"""A map of what changed, with its legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from vmsnap_gui.models import numbers
from vmsnap_gui.models.change_words import kind_words
from vmsnap_gui.views.map_panel import MapPanel
from vmsnap_gui.views.page_colours import kind_swatches

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPalette

    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.change_cells import ChangedCells


class ChangeMap(MapPanel):
    """Shows one block of memory, or a disk.

    Signals:
        chosen: (int) The person chose the unit that begins at this byte.
    """

    chosen = Signal(object)

    def __init__(self, name: str, title: str, jobs: Jobs, parent: QWidget | None = None) -> None:
        """Make an empty map with the object name `name` and the accessible name `title`."""
        super().__init__(name, jobs, parent)
        self._title = title
        self._cells: ChangedCells | None = None
        self._about.setContentsMargins(0, 2, 0, 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 0)
        layout.setSpacing(2)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.legend)
        layout.addWidget(self._about)

    def show_cells(self, cells: ChangedCells | None) -> None:
        """Show what changed; None: nothing."""
        self._cells, self._current = cells, 0
        if cells is not None:
            self.prepare()
        if self.map is not None:
            self.map.show_pages(cells.cells if cells is not None else None)
            self.map.recolour()  # it may have other kinds now
        self._show_legend()
        self._say()

    def set_current(self, offset: int) -> None:
        """Mark the unit of a byte, and say what became of it."""
        if self._cells is not None:
            self._mark(offset // self._cells.unit)

    def describe(self, number: int) -> str:
        """Say what became of the units of the point of a unit."""
        if self._cells is None:
            return ""
        bucket = self._cells.cells.bucket
        point, unit = number // bucket, self._cells.unit
        first = point * bucket * unit
        last = min(first + bucket * unit, self._cells.size) - 1
        kind = int(self._cells.cells.kinds[point])
        what = kind_words(since_base=self._cells.since_base)[kind]
        if bucket > 1 and kind:
            what = self.tr("%1 among them").replace("%1", what)
        return f"{first:#x}–{last:#x} · {what}"

    def _fill_map(self) -> None:
        if self.map is not None:
            self.map.setAccessibleName(self._title)
        QTimer.singleShot(0, self, self._fill)  # a turn of its own: the first picture takes longer than others

    def _fill(self) -> None:
        if self._cells is not None and self.map is not None:
            self.map.show_pages(self._cells.cells)
            self.map.set_current(self._current)
            self._say()

    def _chosen(self, number: int) -> None:
        self._current = number
        self._say()
        if self._cells is not None:
            self.chosen.emit(number * self._cells.unit)

    def _show_legend(self) -> None:
        if self._cells is None:
            return
        colours, counts = self._colours(self.palette()), self._cells.cells.counts
        self.legend.show_entries(
            [
                (colours[kind], f"{name} {numbers.count(counts[kind])}")
                for kind, name in enumerate(kind_words(since_base=self._cells.since_base))
                if counts[kind]
            ]
        )

    def _colours(self, palette: QPalette) -> list[QColor]:
        return kind_swatches(palette, since_base=self._cells is not None and self._cells.since_base)
