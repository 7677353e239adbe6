"""The list of jobs: one line each, with cancel where it works and the error in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QHeaderView, QPushButton, QTreeView, QVBoxLayout, QWidget

from vmsnap_gui.jobs import JobState
from vmsnap_gui.models.jobs import Column, JobsModel
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import RowDelegate

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Job, Jobs

_TICK_MS = 500


class JobsPanel(QWidget):
    """All jobs of this run that are not mere routine, the newest first."""

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("jobs_panel")
        self._jobs = jobs
        self.model = JobsModel(jobs, self)
        self.table = self._make_table()
        self.cancel = self._button("jobs_cancel", self.tr("Cancel job"), self._cancel)
        self.copy_details = self._button("jobs_copy_details", self.tr("Copy details"), self._copy)
        self.clear = self._button("jobs_clear", self.tr("Clear finished"), jobs.forget_finished)
        line = QHBoxLayout()
        line.setContentsMargins(8, 4, 8, 4)
        for button in (self.cancel, self.copy_details):
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(self.clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.table, 1)
        layout.addLayout(line)
        self._tick = QTimer(self, interval=_TICK_MS)
        self._tick.timeout.connect(self.model.refresh_running)
        self.table.selectionModel().selectionChanged.connect(self._enable)
        jobs.changed.connect(self._enable)
        self._enable()

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: the times tick only while they are seen."""
        super().showEvent(event)
        self._tick.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Override QWidget::hideEvent."""
        super().hideEvent(event)
        self._tick.stop()

    def _make_table(self) -> QTreeView:
        table = QTreeView(self)
        table.setObjectName("jobs_table")
        table.setAccessibleName(self.tr("Jobs"))
        table.setModel(self.model)
        table.setFont(theme.tabular(table.font()))
        table.setItemDelegate(RowDelegate(parent=table))
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setAllColumnsShowFocus(True)
        table.setTabKeyNavigation(False)
        table.setFrameShape(QTreeView.Shape.NoFrame)
        header = table.header()
        header.setObjectName("jobs_columns")
        header.setStretchLastSection(False)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        wide = self.fontMetrics().averageCharWidth()
        for column, characters in zip(Column, (48, 36, 10, 13, 13), strict=True):
            header.resizeSection(column, wide * characters)
        return table

    def _button(self, name: str, text: str, act: object) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.clicked.connect(act)
        return button

    def _selected(self) -> Job | None:
        return self.model.job(self.table.currentIndex())

    def _enable(self, *_: object) -> None:
        job = self._selected()
        running = job is not None and not job.state.is_over and job.state is not JobState.CANCELLING
        writes = job is not None and job.writes and running
        self.cancel.setEnabled(running and not writes)
        if writes:
            self.cancel.setToolTip(self.tr("It writes to an image: stopped half-way, it would damage it"))
        else:
            self.cancel.setToolTip("" if running else self.tr("Select a job that is running"))
        failed = job is not None and job.error is not None
        self.copy_details.setEnabled(failed)
        self.copy_details.setToolTip("" if failed else self.tr("Select a job that failed"))
        self.clear.setEnabled(any(one.state.is_over for one in self._jobs.jobs))

    def _cancel(self) -> None:
        job = self._selected()
        if job is not None:
            job.cancel()

    def _copy(self) -> None:
        job = self._selected()
        if job is not None and job.error is not None:
            QGuiApplication.clipboard().setText(f"{job.name}\n{job.error}\n\n{job.details}")
