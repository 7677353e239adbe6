"""Keeps the columns of fields in the snapshot table filled: values are read in a worker, for every snapshot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from vmsnap_gui.models import words
from vmsnap_gui.models.cells import FieldColumn
from vmsnap_gui.views.action_making import context_menu

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QMenu

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.models.cells import Cell
    from vmsnap_gui.session import Session
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.views.snapshot_table import SnapshotTable

_LANE = "columns"


class FieldColumns(QObject):
    """The columns that the person added; remembered between runs.

    Signals:
        message: (str) Why values are missing.
    """

    message = Signal(str)

    def __init__(self, session: Session, jobs: Jobs, settings: Settings, table: SnapshotTable) -> None:
        super().__init__(table)
        self._settings = settings
        self._session = session
        self._jobs = jobs
        self._table = table
        self._columns: list[FieldColumn] = []
        self._job: Job | None = None
        self._read: tuple[Path, tuple[Snapshot, ...]] | None = None
        session.selection_changed.connect(self._follow)
        table.menu_wanted.connect(self._fill_menu)
        header = table.table.header()
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_menu)
        for device, path in settings.columns:
            self._append(FieldColumn(device, path))
        self._fill()

    def add(self, device: str, path: str) -> None:
        """Add a column for a field, unless it is there."""
        column = FieldColumn(device, path)
        if column not in self._columns:
            self._append(column)
            self._remember()
            self._fill()

    def remove(self, column: FieldColumn) -> None:
        """Take a column away."""
        number = self._columns.index(column)
        self._stop()
        del self._columns[number]
        self._table.model.remove_column(number)
        self._remember()
        self._fill()

    def _append(self, column: FieldColumn) -> None:
        self._columns.append(column)
        self._table.add_column(words.visible(column.title))

    def _remember(self) -> None:
        self._settings.columns = [(column.device, column.path) for column in self._columns]

    def _fill_menu(self, menu: QMenu) -> None:
        if self._columns:
            menu.addSeparator()
        for column in self._columns:
            text = self.tr("&Remove the column %1").replace("%1", words.visible(column.title).replace("&", "&&"))
            menu.addAction(text).triggered.connect(partial(self._remove_later, column))

    def _remove_later(self, column: FieldColumn, _checked: bool = False) -> None:
        self.remove(column)

    def _show_menu(self, place: QPoint) -> None:
        if self._columns:
            menu = context_menu(self._table)
            self._fill_menu(menu)
            menu.popup(self._table.table.header().mapToGlobal(place))

    def _follow(self) -> None:
        entry = self._session.entry()
        here = (entry.path, entry.info.snapshots) if entry is not None and entry.info is not None else None
        if here != self._read:
            self._fill()

    def _fill(self) -> None:
        """Have the values read; cells are blank until then."""
        self._stop()
        entry = self._session.entry()
        self._read = None
        if entry is None or entry.info is None:
            return
        path, snapshots, columns = entry.path, entry.info.snapshots, list(self._columns)
        self._read = (path, snapshots)
        for number in range(len(columns)):
            self._table.model.set_cells(number, ())

        def read(progress: Progress) -> list[list[Cell]]:
            from vmsnap_gui.models.field_columns import read_columns

            return read_columns(path, snapshots, columns, progress)

        if columns:
            titles = ", ".join(words.visible(column.title) for column in columns)
            self._job = self._jobs.run(
                self.tr("Reading %1 of all snapshots").replace("%1", titles),
                read,
                lane=_LANE,
                success=self._show,
                failure=self._failed,
                in_bytes=False,
            )

    def _show(self, cells: list[list[Cell]]) -> None:
        self._job = None
        for number, column in enumerate(cells):
            self._table.model.set_cells(number, column)

    def _failed(self, error: Exception) -> None:
        self._job = None
        self.message.emit(self.tr("The column cannot be filled: %1").replace("%1", words.visible(str(error))))

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
