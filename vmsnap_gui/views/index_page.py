"""The page that stands where memory will be: how its index comes along, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers
from vmsnap_gui.models.jobs import rate
from vmsnap_gui.views.pages import MessagePage
from vmsnap_gui.views.state_message import why_no_state

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Job
    from vmsnap_gui.session import Session

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

    def show_reason(self, session: Session, failure: str, *, has_blocks: bool) -> None:
        """Show why there is no memory to see.

        Args:
            session: What is selected, and how far it is read.
            failure: Why the memory could not be indexed; empty if that was not tried.
            has_blocks: Whether the state holds memory.
        """
        if session.loaded is None:
            self._show(*why_no_state(session))
        elif not has_blocks:
            self._show("memory", self.tr("This saved state holds no memory"))
        elif failure:
            self._show("failed", self.tr("The memory cannot be read"), failure, can_start=True)
        elif session.ram_job is not None and not session.ram_job.cancelled:
            self._show_job(session.ram_job)
        else:
            text = self.tr("To show it, all of the saved state is read once.")
            self._show("memory", self.tr("The memory is not indexed"), text, can_start=True)

    def message(self) -> tuple[str, str]:
        """Return the heading and the text that are shown."""
        return self._message.message()

    def _show(self, icon: str, title: str, text: str = "", *, can_start: bool = False) -> None:
        self._message.show_message(icon, title, text)
        self._bar.hide()
        self._cancel.hide()
        self._start.setVisible(can_start)

    def _show_job(self, job: Job) -> None:
        """Show how far the index is."""
        share = job.done / job.total if job.total else 0.0
        amount = self.tr("%1 of %2").replace("%1", numbers.size(job.done)).replace("%2", numbers.size(job.total))
        parts = [f"{share:.0%}", amount, rate(job)]
        self._message.show_message("memory", self.tr("Indexing the memory"), " · ".join(part for part in parts if part))
        self._bar.setValue(round(min(1.0, share) * _STEPS))
        self._bar.show()
        self._cancel.show()
        self._start.hide()
