"""The inspector: Overview, Devices, Memory, Screen and Disk as tabs. They are only made once the window is there.

Their code is half of all that the window needs; importing it before the first paint would double the time until
something is seen. What knows no Qt is imported in a worker, the rest module by module, each in a turn of its own of the
event loop. Not in a worker: PySide keeps the Python types of Qt classes in a table without a lock, and a thread that
makes such types while the window is used crashes now and then (4 of 120 runs, PySide6 6.11 on Python 3.11).
"""

from __future__ import annotations

import gc
import importlib
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QTabWidget, QWidget

from vmsnap_gui.reading import prepare
from vmsnap_gui.turns import qt_turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.history_session import HistorySession
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.devices_view import DevicesView
    from vmsnap_gui.views.disk_view import DiskView
    from vmsnap_gui.views.memory_view import MemoryView
    from vmsnap_gui.views.overview import Overview
    from vmsnap_gui.views.screen_view import ScreenView
    from vmsnap_gui.views.snapshot_table import SnapshotTable

_WITHOUT_QT = ("vmsnap_gui.guest.filter", "numpy")
_MODULES = {
    "overview": (
        "models.facts", "models.problems", "models.sizes", "views.facts_list", "views.share_bar", "views.overview",
    ),
    "devices": (
        "models.field_nodes", "models.fields", "views.hex_area", "views.hex_view", "views.bytes_panel",
        "views.device_tree", "views.field_actions", "views.filter_result", "views.devices_view",
    ),
    "memory": (
        "models.ram", "models.hits", "views.find_bar", "views.memory_search", "views.page_map_panel",
        "views.memory_view",
    ),
    "screen": ("pictures", "models.screens", "views.picture_area", "views.zoom_buttons", "views.screen_view"),
    "disk": (
        "models.usage", "models.disk_matrix", "views.history_view", "views.usage_bars", "views.stack_delegate",
        "views.disk_view",
    ),
}  # fmt: skip


class Inspector(QTabWidget):
    """What is inside the selected image and snapshot.

    Signals:
        made: (QWidget) A view of a tab was made.
        completed: All of them are.
    """

    made = Signal(object)
    completed = Signal()

    def __init__(
        self,
        session: Session,
        jobs: Jobs,
        history: HistorySession,
        snapshots: SnapshotTable,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self.setAccessibleName(self.tr("Inspector"))
        self.setDocumentMode(True)
        self._session = session
        self._jobs = jobs
        self._history = history
        self._snapshots = snapshots
        self._without_qt = list(_WITHOUT_QT)
        self._prepared = False
        self._overview: Overview | None = None
        self._devices: DevicesView | None = None
        self._memory: MemoryView | None = None
        self._screen: ScreenView | None = None
        self._disk: DiskView | None = None
        titles = (
            self.tr("Overview"),
            self.tr("Devices"),
            self.tr("Memory"),
            self.tr("Screen"),
            self.tr("Disk"),
        )
        for name, text in zip(_MODULES, titles, strict=True):
            place = QWidget()
            place.setObjectName(name)
            self.addTab(place, text)
        self.currentChanged.connect(self._make_current)

    @property
    def overview(self) -> Overview:
        """The Overview tab's view; made now if it is not there yet."""
        if self._overview is None:
            from vmsnap_gui.views.overview import Overview

            self._overview = Overview(self._session)
            self._put(self._overview)
        return self._overview

    @property
    def devices(self) -> DevicesView:
        """The Devices tab's view; made now if it is not there yet."""
        if self._devices is None:
            from vmsnap_gui.views.devices_view import DevicesView

            self._devices = DevicesView(self._session, self._jobs)
            self._put(self._devices)
        return self._devices

    @property
    def memory(self) -> MemoryView:
        """The Memory tab's view; made now if it is not there yet."""
        if self._memory is None:
            from vmsnap_gui.views.memory_view import MemoryView

            self._memory = MemoryView(self._session, self._jobs)
            self._put(self._memory)
        return self._memory

    @property
    def screen_tab(self) -> ScreenView:
        """The Screen tab's view; made now if it is not there yet."""
        if self._screen is None:
            from vmsnap_gui.views.screen_view import ScreenView

            self._screen = ScreenView(self._session, self._jobs)
            self._put(self._screen)
        return self._screen

    @property
    def disk(self) -> DiskView:
        """The Disk tab's view; made now if it is not there yet."""
        if self._disk is None:
            from vmsnap_gui.views.disk_view import DiskView

            self._disk = DiskView(self._history, self._session, self._jobs, self._snapshots)
            self._put(self._disk)
        return self._disk

    def has(self, name: str) -> bool:
        """Whether the view of the tab `name` is made."""
        views = (self._overview, self._devices, self._memory, self._screen, self._disk)
        return dict(zip(_MODULES, views, strict=True))[name] is not None

    def complete(self) -> None:
        """Make the views that are not there yet, one after the other, without keeping the window waiting."""
        if not self._prepared:
            self._prepared = True
            self._jobs.run(
                self.tr("Making ready to decode"),
                lambda _progress: prepare(),
                lane="import",
                success=lambda _: self.complete(),
                quiet=True,
            )
            return
        if self._without_qt:
            self._jobs.import_module(self._without_qt.pop(0), lambda _module: self.complete())
            return
        missing = [name for name in _MODULES if not self.has(name)]
        if missing:
            name = self.current_tab() if self.current_tab() in missing else missing[0]
            self._import(name, list(_MODULES[name]))
        else:
            # What stays until the end need not be looked at in every full collection: 35 ms with all threads stopped.
            gc.freeze()
            self.completed.emit()

    def _import(self, name: str, modules: list[str]) -> None:
        """Import one module of a tab's view; when all are there, make it and go on with the next tab."""
        if modules:
            with qt_turn():
                importlib.import_module(f"vmsnap_gui.{modules.pop(0)}")
            QTimer.singleShot(0, self, partial(self._import, name, modules))
        else:
            with qt_turn():
                self._make(name)
            QTimer.singleShot(0, self, self.complete)

    def show_tab(self, name: str) -> None:
        """Show the tab `name`."""
        for index in range(self.count()):
            page = self.widget(index)
            if page is not None and page.objectName() == name:
                self.setCurrentIndex(index)

    def current_tab(self) -> str:
        """Return the name of the tab that is shown."""
        page = self.currentWidget()
        return page.objectName() if page is not None else ""

    def _make_current(self) -> None:
        self._make(self.current_tab())

    def _make(self, name: str) -> QWidget:
        views: dict[str, Callable[[], QWidget]] = {
            "devices": lambda: self.devices,
            "memory": lambda: self.memory,
            "screen": lambda: self.screen_tab,
            "disk": lambda: self.disk,
        }
        return views.get(name, lambda: self.overview)()

    def _put(self, view: QWidget) -> None:
        """Put a view in the place that was kept for it."""
        places = [self.widget(index) for index in range(self.count())]
        index = [place.objectName() if place is not None else "" for place in places].index(view.objectName())
        text, current = self.tabText(index), self.currentIndex()
        place = places[index]
        blocked = self.blockSignals(True)
        self.removeTab(index)
        self.insertTab(index, view, text)
        self.setCurrentIndex(current)
        self.blockSignals(blocked)
        if place is not None:
            place.deleteLater()
        self.made.emit(view)
