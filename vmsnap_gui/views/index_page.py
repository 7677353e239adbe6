"""The page that stands where memory will be: how its index comes along, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers
from vmsnap_gui.models.jobs import rate
from vmsnap_gui.views.pages import MessagePage

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Job

_STEPS = 1000


class IndexPage(QWidget):
    """A message, a progress bar and a button that cancels or begins.

    Signals:
        start_wanted: Index the memory.
        cancel_wanted: Stop that.
    """

    start_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("index_page")
        self._message = MessagePage("memory_page", self)
        self._bar = QProgressBar()
        self._bar.setObjectName("index_progress")
        self._bar.setAccessibleName(self.tr("Progress of indexing"))
        self._bar.setRange(0, _STEPS)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(self.fontMetrics().averageCharWidth() * 44)
        cancel = QAction(self.tr("Cancel"), self)
        cancel.setObjectName("cancel_index")
        cancel.triggered.connect(self.cancel_wanted)
        start = QAction(self.tr("Index memory"), self)
        start.setObjectName("start_index")
        start.triggered.connect(self.start_wanted)
        self._cancel = self._message.add_button(cancel)
        self._start = self._message.add_button(start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._message)
        self._message.add_widget(self._bar)

    def show_message(self, icon: str, title: str, text: str = "", *, can_start: bool = False) -> None:
        """Say why there is no memory to see, and offer to index it if that is possible."""
        self._message.show_message(icon, title, text)
        self._bar.hide()
        self._cancel.hide()
        self._start.setVisible(can_start)

    def show_job(self, job: Job) -> None:
        """Show how far the index is."""
        share = job.done / job.total if job.total else 0.0
        words = [f"{share:.0%}", self._amount(job)]
        speed = rate(job)
        text = " · ".join([*words, speed] if speed else words)
        self._message.show_message("memory", self.tr("Indexing the memory"), text)
        self._bar.setValue(round(min(1.0, share) * _STEPS))
        self._bar.show()
        self._cancel.show()
        self._start.hide()

    def message(self) -> tuple[str, str]:
        """Return the heading and the text that are shown."""
        return self._message.message()

    def _amount(self, job: Job) -> str:
        text = self.tr("%1 of %2").replace("%1", numbers.size(job.done))
        return text.replace("%2", numbers.size(job.total))
