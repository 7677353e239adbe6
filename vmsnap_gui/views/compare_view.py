"""The Compare tab: two snapshots side by side. Sides and summary above; fields, memory, disk and screen below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from vmsnap_gui.views.changes_view import ChangesView
from vmsnap_gui.views.compare_header import CompareHeader
from vmsnap_gui.views.compare_part import ComparePart
from vmsnap_gui.views.disk_changes import DiskChanges
from vmsnap_gui.views.memory_changes import MemoryChanges
from vmsnap_gui.views.screen_changes import ScreenChanges

if TYPE_CHECKING:
    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session


class CompareView(QWidget):
    """What differs between two snapshots. It is empty until `make_next` has made all of its parts.

    Signals:
        message: (str) Something to say in passing.

    Attributes:
        header: The sides and the summary.
        tabs: The parts of the comparison.
        fields, memory, disk, screens: These parts.
    """

    message = Signal(str)
    header: CompareHeader
    fields: ChangesView
    memory: MemoryChanges
    disk: DiskChanges
    screens: ScreenChanges

    def __init__(self, comparison: CompareSession, session: Session, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compare")
        self.setAccessibleName(self.tr("Compare"))
        self._comparison = comparison
        self._session = session
        self._jobs = jobs
        self.tabs = QTabWidget(self)
        self.tabs.setObjectName("compare_tabs")
        self.tabs.setAccessibleName(self.tr("Parts of the comparison"))
        self.tabs.setDocumentMode(True)
        self._parts: list[ChangesView | ComparePart] = []
        self._pending: tuple[int, int, bool] | None = None
        self._to_make = [self._make_header, self._make_fields, self._make_memory, self._make_disk, self._make_screens]
        self.tabs.currentChanged.connect(self._turned)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)

    def make_next(self) -> bool:
        """Make the next part; False where all are there. Each takes up to 20 ms, so that they are not made at once."""
        if not self._to_make:
            return False
        self._to_make.pop(0)()
        return True

    def _make_header(self) -> None:
        self.header = CompareHeader(self._comparison, self._session, self._jobs, self)
        self._layout.addWidget(self.header)
        self._layout.addWidget(self.tabs, 1)

    def _make_fields(self) -> None:
        self.fields = ChangesView(self._comparison, self._jobs, self)
        self._add(self.fields, self.tr("Fields"))
        self.setFocusProxy(self.fields)

    def _make_memory(self) -> None:
        self.memory = MemoryChanges(self._comparison, self._jobs, self)
        self._add(self.memory, self.tr("Memory"))
        self.memory.settled.connect(self._settled)

    def _make_disk(self) -> None:
        self.disk = DiskChanges(self._comparison, self._jobs, self)
        self._add(self.disk, self.tr("Disk"))
        self.disk.settled.connect(self._settled)

    def _make_screens(self) -> None:
        self.screens = ScreenChanges(self._comparison, self._jobs, self)
        self._add(self.screens, self.tr("Screen"))
        self.screens.settled.connect(self._settled)

    def _add(self, part: ChangesView | ComparePart, title: str) -> None:
        self._parts.append(part)
        self.tabs.addTab(part, title)

    def set_filter(self, text: str) -> str | None:
        """Filter the fields; returns what is wrong with the filter, or None."""
        wrong = self.fields.set_filter(text)
        if wrong is None and text.strip():
            self.tabs.setCurrentWidget(self.fields)
        return wrong

    def _turned(self) -> None:
        """Forget where somebody wanted to go who now goes elsewhere."""
        if self._pending is not None and self._pending[1] != self.tabs.currentIndex():
            self._pending = None

    def step(self, *, back: bool) -> None:
        """Go to the next difference, or to the one before, through all tabs; say so where there is none."""
        here = self.tabs.currentIndex()
        if not self._parts[here].step(back=back):
            self._go_on(here, here, back=back)

    def _go_on(self, start: int, here: int, *, back: bool) -> None:
        """Go to the first difference (or the last) of the next tab that has one, once it is known."""
        self._pending = None
        following = here - 1 if back else here + 1
        if not 0 <= following < len(self._parts):
            self.tabs.setCurrentIndex(start)
            text = self.tr("This is the first difference.") if back else self.tr("This is the last difference.")
            self.message.emit(text)
            return
        part = self._parts[following]
        self.tabs.setCurrentIndex(following)
        if isinstance(part, ComparePart) and part.is_waiting():
            self._pending = (start, following, back)
        elif not part.go_to_end(back=back):
            self._go_on(start, following, back=back)

    def _settled(self) -> None:
        """Go where somebody wanted to go while it was not known yet what differs there."""
        pending, self._pending = self._pending, None
        if pending is not None:
            start, here, back = pending
            if not self._parts[here].go_to_end(back=back):
                self._go_on(start, here, back=back)
