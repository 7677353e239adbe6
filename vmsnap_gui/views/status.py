"""The status bar: what is shown at the left, what is going on at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.jobs import fraction, rate
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.session import Session


class StatusSummary(QLabel):
    """What the loaded state holds: "38 devices, 441 fields, 110 KiB"."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status_summary")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setFont(theme.tabular(self.font()))
        self.setContentsMargins(6, 0, 0, 0)
        self._session = session
        session.state_loaded.connect(self._follow)
        session.state_loading.connect(self._follow)
        session.state_failed.connect(self._follow)
        session.state_cleared.connect(self._follow)
        self._follow()

    def _follow(self, *_: object) -> None:
        loaded = self._session.loaded
        if loaded is not None:
            parts = [words.devices(loaded.devices), words.fields(loaded.fields), numbers.size(loaded.device_bytes)]
            if loaded.problems:
                from vmsnap_gui.models.problems import how_many  # not before the first paint

                parts.append(words.problems(*how_many(None, loaded)))
            self.setText(", ".join(parts))
            self.setToolTip(numbers.exact_size(loaded.device_bytes))
        else:
            self.setText(self.tr("Reading the saved state…") if self._session.loading is not None else "")
            self.setToolTip("")


_FELT_MS = 120
"""How long a job takes before anybody is told: what comes and goes at once would only flicker, and move its row."""


class JobStatus(QWidget):
    """The running job with its progress and a cancel button, and a button that shows all jobs."""

    def __init__(self, jobs: Jobs, show_jobs: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("job_status")
        self._jobs = jobs
        self._job: Job | None = None
        self._text = QLabel()
        self._text.setObjectName("job_text")
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setFont(theme.tabular(self._text.font()))
        self._bar = QProgressBar()
        self._bar.setObjectName("job_progress")
        self._bar.setAccessibleName(self.tr("Progress of the running job"))
        self._bar.setFixedWidth(self.fontMetrics().averageCharWidth() * 18)
        self._bar.setMaximumHeight(self.fontMetrics().height())
        self._bar.setTextVisible(False)
        self.cancel = QToolButton()
        self.cancel.setObjectName("job_cancel")
        self.cancel.setAutoRaise(True)
        self.cancel.setToolTip(self.tr("Cancel this job"))
        self.cancel.setAccessibleName(self.tr("Cancel the running job"))
        theme.set_icon(self.cancel, "close")
        self.cancel.clicked.connect(self._cancel)
        self.all = QToolButton()
        self.all.setObjectName("job_all")
        self.all.setAutoRaise(True)
        self.all.setDefaultAction(show_jobs)
        self.all.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        for widget in (self._text, self._bar, self.cancel, self.all):
            layout.addWidget(widget)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._soon = QTimer(self, interval=_FELT_MS, singleShot=True)
        self._soon.timeout.connect(self._follow)
        jobs.changed.connect(self._changed)
        jobs.progressed.connect(self._progressed)
        self._follow()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _changed(self, job: Job) -> None:
        if not job.quiet and not self._soon.isActive():  # there are many quiet ones, and none is shown
            self._soon.start()

    def _follow(self) -> None:
        running = [job for job in self._jobs.jobs if not job.state.is_over]
        self._job = running[-1] if running else None
        for widget in (self._text, self._bar, self.cancel):
            widget.setVisible(bool(running))
        if self._job is not None and self._job.writes:
            self.cancel.hide()  # it cannot be cancelled
        self.all.setVisible(bool(self._jobs.jobs))
        failed = sum(1 for job in self._jobs.jobs if job.error is not None)
        words_failed = self.tr("%1 failed").replace("%1", numbers.count(failed))
        self.all.defaultAction().setIconText(
            words.jobs(len(running)) if running else words_failed if failed else self.tr("Jobs")
        )
        if self._job is not None:
            self._progressed(self._job)

    def _progressed(self, job: Job) -> None:
        if job is not self._job:
            return
        share = fraction(job)
        self._bar.setRange(0, 0 if share is None else 1000)
        if share is not None:
            self._bar.setValue(round(share * 1000))
        parts = [words.visible(job.note() or job.name)]
        if share is not None:
            parts.append(f"{share:.0%}")
        if rate(job):
            parts.append(rate(job))
        self._text.setText("  ".join(parts))
