"""A map of what changed, with its legend; pyqtgraph is imported when it is first wanted."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.change_words import kind_words
from vmsnap_gui.views.gentle_import import GentleImport
from vmsnap_gui.views.legend import Legend
from vmsnap_gui.views.page_colours import kind_swatches

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPalette

    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.change_cells import ChangedCells
    from vmsnap_gui.views.page_map import PageMap


class ChangeMap(QWidget):
    """Shows one block of memory, or a disk.

    Signals:
        chosen: (int) The person chose the unit that begins at this byte.
    """

    chosen = Signal(object)

    def __init__(self, name: str, title: str, jobs: Jobs, parent: QWidget | None = None) -> None:
        """Make an empty map with the object name `name` and the accessible name `title`."""
        super().__init__(parent)
        self.setObjectName(f"{name}_panel")
        self.map: PageMap | None = None
        self.legend = Legend(f"{name}_legend", self)
        self._name, self._title = name, title
        self._jobs = jobs
        self._wanted = False
        self._cells: ChangedCells | None = None
        self._current = 0
        self._waiting = QLabel(self.tr("Preparing the map"), alignment=Qt.AlignmentFlag.AlignCenter)
        self._import = GentleImport("pyqtgraph", self)
        self._import.finished.connect(self._make_map)
        self._import.failed.connect(lambda error: self._waiting.setText(words.visible(str(error))))
        self._about = QLabel()
        self._stack = QStackedWidget()
        self._lay_out()

    def show_cells(self, cells: ChangedCells | None) -> None:
        """Show what changed; None: nothing."""
        self._cells, self._current = cells, 0
        if cells is not None and not self._wanted:
            self._wanted = True
            self._jobs.import_module("numpy", lambda _module: self._import.start())
        if self.map is not None:
            self.map.show_pages(cells.cells if cells is not None else None)
            self.map.recolour()  # it may have other kinds now
        self._show_legend()
        self._say()

    def set_current(self, offset: int) -> None:
        """Mark the unit of a byte, and say what became of it."""
        if self._cells is not None:
            self._current = offset // self._cells.unit
            if self.map is not None:
                self.map.set_current(self._current)
            self._say()

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

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_about"):
            self._show_legend()

    def _lay_out(self) -> None:
        self._about.setObjectName(f"{self._name}_about")
        self._about.setContentsMargins(0, 2, 0, 4)
        self._about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._stack.addWidget(self._waiting)
        self._stack.setMinimumHeight(self.fontMetrics().height() * 5)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 0)
        layout.setSpacing(2)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.legend)
        layout.addWidget(self._about)

    def _make_map(self) -> None:
        from vmsnap_gui.views.page_map import PageMap

        gc.freeze()  # as in the inspector: pyqtgraph stays
        self.map = PageMap(self.describe, self, name=self._name, colours=self._colours)
        self.map.setAccessibleName(self._title)
        self.map.page_chosen.connect(self._chosen)
        self._stack.addWidget(self.map)
        self._stack.setCurrentWidget(self.map)
        QTimer.singleShot(0, self, self._fill_map)  # a turn of its own: the first picture takes longer than others

    def _fill_map(self) -> None:
        if self._cells is not None and self.map is not None:
            self.map.show_pages(self._cells.cells)
            self.map.set_current(self._current)
            self._say()

    def _chosen(self, number: int) -> None:
        self._current = number
        self._say()
        if self._cells is not None:
            self.chosen.emit(number * self._cells.unit)

    def _say(self) -> None:
        text = self.describe(self._current)
        self._about.setText(text)
        if self.map is not None:
            self.map.setAccessibleDescription(text)

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
