"""The list of jobs as a Qt table, the newest first."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.jobs import JobState
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Job, Jobs

FRACTION_ROLE = Qt.ItemDataRole.UserRole
"""How much is done, 0 to 1, of a job that runs and knows it; else None."""


class Column(enum.IntEnum):
    """The table's columns."""

    NAME = 0
    STATE = 1
    ELAPSED = 2
    DONE = 3
    RATE = 4


class JobsModel(FlatTable):
    """Follows `Jobs`: those that are not quiet."""

    columns = len(Column)
    at_right = (Column.ELAPSED, Column.DONE, Column.RATE)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._rows: list[Job] = list(reversed(jobs.jobs))
        jobs.changed.connect(self._follow)
        jobs.progressed.connect(self._refresh)

    def job(self, index: Index) -> Job | None:
        """Return the job at an index."""
        return self._rows[index.row()] if index.isValid() else None

    def refresh_running(self) -> None:
        """Show the time that passed."""
        for job in self._rows:
            if not job.state.is_over:
                self._refresh(job)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._rows)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Job"), self.tr("State"), self.tr("Time"), self.tr("Done"), self.tr("Rate"))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        job = self.job(index)
        if job is None:
            return None
        column = Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(job, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip([str(job.error)] if job.error is not None else [job.name, job.note()])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == FRACTION_ROLE:
            return fraction(job)
        return None

    def _text(self, job: Job, column: Column) -> str:
        if column is Column.NAME:
            return words.visible(job.name)
        if column is Column.STATE:
            return self._state(job)
        if column is Column.ELAPSED:
            return numbers.elapsed(job.elapsed)
        if column is Column.DONE:
            return numbers.size(job.done) if job.in_bytes and job.done else ""
        return rate(job)

    def _state(self, job: Job) -> str:
        if job.state is JobState.FAILED:
            return self.tr("failed: %1").replace("%1", words.visible(str(job.error)))
        share = fraction(job)
        told = [f"{share:.0%}"] if share is not None else []
        told += [words.visible(job.note())] if job.state is JobState.RUNNING and job.note() else []
        if told:
            return " · ".join(told)
        return {
            JobState.WAITING: self.tr("waiting"),
            JobState.RUNNING: self.tr("running"),
            JobState.CANCELLING: self.tr("stopping"),
            JobState.DONE: self.tr("done"),
            JobState.CANCELLED: self.tr("cancelled"),
        }[job.state]

    def _follow(self, job: Job) -> None:
        for old in [one for one in self._rows if one not in self._jobs.jobs]:
            row = self._rows.index(old)
            self.beginRemoveRows(QModelIndex(), row, row)
            del self._rows[row]
            self.endRemoveRows()
        if job in self._jobs.jobs and job not in self._rows:
            self.beginInsertRows(QModelIndex(), 0, 0)
            self._rows.insert(0, job)
            self.endInsertRows()
        self._refresh(job)

    def _refresh(self, job: Job) -> None:
        if job in self._rows:
            row = self._rows.index(job)
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(Column) - 1))


def fraction(job: Job) -> float | None:
    """Return how much of a running job is done, 0 to 1; None where that is not known."""
    if job.state is not JobState.RUNNING or job.total <= 0:
        return None
    return min(1.0, job.done / job.total)


def rate(job: Job) -> str:
    """Return a job's speed as "1.2 GiB/s"; empty where too little is known, and where it counts other things."""
    if not job.in_bytes or job.elapsed < 0.2 or job.done < 1 << 20:
        return ""
    return f"{numbers.size(int(job.done / job.elapsed))}/s"
