"""Closing the window: never while an image is written, and not before edits are exported or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.views.export_actions import ExportActions
    from vmsnap_gui.views.notifier import Notifier


class Leaving(QObject):
    """Says whether the window may be closed now, and closes it later where that is wanted."""

    def __init__(self, window: QMainWindow, jobs: Jobs, exporting: ExportActions, notifier: Notifier) -> None:
        super().__init__(window)
        self._window = window
        self._jobs = jobs
        self._exporting = exporting
        self._notifier = notifier
        self._is_wanted = False

    def leave(self) -> None:
        """Close the window without a question: if an image is being written, as soon as that has ended."""
        self._leave_soon()
        self._window.close()

    def _leave_soon(self) -> None:
        if not self._is_wanted:
            self._is_wanted = True
            self._jobs.changed.connect(self._leave_when_written)

    def may_close(self) -> bool:
        """Whether the window may be closed now; else the person is asked, or it is closed later.

        Edits that were not exported would be lost: the person is asked.
        A write goes on to its end, and so does this process: it then knows, and says in the journal, that all is well.
        """
        if not self._is_wanted and not self._exporting.settled(self._window.close):
            return False
        writing = self._jobs.writing()
        if writing and all(job.quiet for job in writing):  # no image, but a note: it is over in a moment
            self._leave_soon()
        if writing and self._is_wanted:
            self._window.hide()
        elif writing:
            self._ask([job.name for job in writing])
        return not writing

    def _leave_when_written(self, _job: Job) -> None:
        if not self._jobs.writing() and not self._notifier.busy():
            self._jobs.changed.disconnect(self._leave_when_written)
            self._window.close()

    def _ask(self, names: list[str]) -> None:
        from vmsnap_gui.views import dialogs

        if self._window.findChild(QWidget, "leave") is None:
            dialogs.ask_to_leave(self._window, names, self.leave)
