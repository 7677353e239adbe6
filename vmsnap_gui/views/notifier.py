"""Tells by the desktop that a long job has ended, when the window is not in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from vmsnap_gui.jobs import JobState
from vmsnap_gui.models import words

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.settings import Settings

LONG = 10.0
"""Seconds from which on a job is a long one."""
_LANE = "notify"


class Notifier(QObject):
    """Watches the jobs of a window. What ends after the window was closed is told in any case."""

    def __init__(self, window: QWidget, jobs: Jobs, settings: Settings) -> None:
        super().__init__(window)
        self._window = window
        self._jobs = jobs
        self._settings = settings
        jobs.changed.connect(self._follow)

    def busy(self) -> bool:
        """Whether something is just being told."""
        return bool(self._jobs.unfinished(_LANE))

    def _follow(self, job: Job) -> None:
        if job.quiet or job.state not in (JobState.DONE, JobState.FAILED) or not self._settings.notify:
            return
        unseen = job.writes and not self._window.isVisible()
        if unseen or (job.elapsed > LONG and not self._window.isActiveWindow()):
            self.tell(job)

    def tell(self, job: Job) -> None:
        """Tell that a job has ended; a failure stays on the screen until it is dismissed."""
        failed = job.state is JobState.FAILED
        title = (self.tr("Failed: %1") if failed else self.tr("Done: %1")).replace("%1", words.visible(job.name))
        text = words.visible(str(job.error)) if failed else ""

        def tell(_progress: object) -> None:
            from vmsnap_gui.notifying import notify  # not above: it loads sockets, for which the first paint would wait

            notify(title, text, lasting=failed)

        self._jobs.run(
            self.tr("Telling that a job has ended"),
            tell,
            lane=_LANE,
            success=lambda _none: None,
            failure=lambda _error: None,  # there is no desktop that could show it: the job list has it
            quiet=True,
        )
