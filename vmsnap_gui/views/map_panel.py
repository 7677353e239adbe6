"""A map with its legend and what is said about one place in it; pyqtgraph is imported when it is first wanted."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QStackedWidget, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.views.gentle_import import GentleImport
from vmsnap_gui.views.legend import Legend

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPalette

    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.views.page_map import PageMap


class MapPanel(QWidget):
    """What the maps have in common; a panel lays out `_stack`, `legend` and `_about`, and says what they show.

    Attributes:
        map: The map, once it is made.
        legend: What its colours mean.
    """

    def __init__(self, name: str, jobs: Jobs, parent: QWidget | None) -> None:
        """Make an empty map with the object name `name`."""
        super().__init__(parent)
        self.setObjectName(f"{name}_panel")
        self.map: PageMap | None = None
        self.legend = Legend(f"{name}_legend", self)
        self._name = name
        self._jobs = jobs
        self._wanted = False
        self._current = 0
        self._waiting = QLabel(self.tr("Preparing the map"), alignment=Qt.AlignmentFlag.AlignCenter)
        self._about = QLabel()
        self._about.setObjectName(f"{name}_about")
        self._about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for label in (self._waiting, self._about):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._waiting)
        self._stack.setMinimumHeight(self.fontMetrics().height() * 5)
        self._import = GentleImport("pyqtgraph", self)
        self._import.finished.connect(self._make_map)
        self._import.failed.connect(lambda error: self._waiting.setText(words.visible(str(error))))

    def prepare(self) -> None:
        """Import pyqtgraph, unless that is done: the map will be wanted."""
        if not self._wanted:
            self._wanted = True
            self._jobs.import_module("numpy", lambda _module: self._import.start())

    def describe(self, number: int) -> str:
        """Say what the point of a page or unit stands for."""
        raise NotImplementedError

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_import"):
            self._show_legend()

    def _mark(self, number: int) -> None:
        """Mark a page or unit, and say what it is."""
        self._current = number
        if self.map is not None:
            self.map.set_current(number)
        self._say()

    def _make_map(self) -> None:
        from vmsnap_gui.views.page_map import PageMap

        gc.freeze()  # as in the inspector: pyqtgraph stays
        self.map = PageMap(self.describe, self, name=self._name, colours=self._colours)
        self.map.page_chosen.connect(self._chosen)
        self._stack.addWidget(self.map)
        self._stack.setCurrentWidget(self.map)
        self._fill_map()

    def _say(self) -> None:
        text = self.describe(self._current)
        self._about.setText(text)
        if self.map is not None:
            self.map.setAccessibleDescription(text)

    def _chosen(self, number: int) -> None:
        """Tell that the person chose a page or unit."""
        raise NotImplementedError

    def _fill_map(self) -> None:
        """Name the new map, and show in it what is to be shown."""
        raise NotImplementedError

    def _show_legend(self) -> None:
        raise NotImplementedError

    def _colours(self, palette: QPalette) -> list[QColor]:
        """Return a colour for each kind, and that of points that are nothing."""
        raise NotImplementedError
