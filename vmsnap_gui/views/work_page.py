"""A page that stands where something will be shown once a job has made it: how that comes along, or why it did not."""

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


class WorkPage(QWidget):
    """A message, a progress bar and a button that cancels or begins.

    Signals:
        start_wanted: Begin.
        cancel_wanted: Stop.
    """

    start_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, name: str, verb: str, parent: QWidget | None = None) -> None:
        """Make a page; `name` begins the object names of its parts, `verb` is on the button that begins."""
        super().__init__(parent)
        self.setObjectName(f"{name}_work")
        self._message = MessagePage(f"{name}_page", self)
        self._bar = QProgressBar()
        self._bar.setObjectName(f"{name}_progress")
        self._bar.setAccessibleName(self.tr("Progress"))
        self._bar.setRange(0, _STEPS)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(self.fontMetrics().averageCharWidth() * 44)
        cancel = QAction(self.tr("Cancel"), self)
        cancel.setObjectName(f"cancel_{name}")
        cancel.triggered.connect(self.cancel_wanted)
        start = QAction(verb, self)
        start.setObjectName(f"start_{name}")
        start.triggered.connect(self.start_wanted)
        self._cancel = self._message.add_button(cancel)
        self._start = self._message.add_button(start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._message)
        self._message.add_widget(self._bar)

    def message(self) -> tuple[str, str]:
        """Return the heading and the text that are shown."""
        return self._message.message()

    def show_still(self, icon: str, title: str, text: str = "", *, can_start: bool = False) -> None:
        """Say something while nothing is being done."""
        self._message.show_message(icon, title, text)
        self._bar.hide()
        self._cancel.hide()
        self._start.setVisible(can_start)

    def show_job(self, icon: str, title: str, job: Job) -> None:
        """Show how far a job is."""
        share = job.done / job.total if job.total else 0.0
        amount = self.tr("%1 of %2").replace("%1", numbers.size(job.done)).replace("%2", numbers.size(job.total))
        parts = [f"{share:.0%}", amount if job.in_bytes else "", rate(job)]
        self._message.show_message(icon, title, " · ".join(part for part in parts if part))
        self._bar.setValue(round(min(1.0, share) * _STEPS))
        self._bar.show()
        self._cancel.show()
        self._start.hide()
