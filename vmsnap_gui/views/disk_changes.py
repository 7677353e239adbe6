"""The comparison's Disk tab: ranges that differ, a map of them, and the bytes of both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

from vmsnap_gui.models import numbers
from vmsnap_gui.models.changed_ranges import OUTCOME_ROLE, ChangedRangesModel, Column
from vmsnap_gui.views.byte_source import JobSource
from vmsnap_gui.views.compare_bytes import CompareBytes
from vmsnap_gui.views.delegates import OutcomeDelegate
from vmsnap_gui.views.memory_tables import long_table

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex
    from PySide6.QtGui import QShowEvent
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.change_cells import ChangedCells
    from vmsnap_gui.sides import Side


class DiskChanges(CompareBytes):
    """What became of the disk; it is compared when this is first looked at."""

    def __init__(self, session: CompareSession, jobs: Jobs, parent: QWidget | None = None) -> None:
        self.model = ChangedRangesModel()
        self.ranges = long_table("changed_ranges", self.tr("Ranges of the disk that differ"), self.model)
        self.ranges.setItemDelegateForColumn(Column.CHANGE, OutcomeDelegate(OUTCOME_ROLE, self.ranges))
        super().__init__("disk_changes", self.tr("Disk"), self.tr("Compare disks"), self.ranges, session, jobs, parent)
        self.model.setParent(self)
        self.ranges.horizontalHeader().setObjectName("changed_range_columns")
        for column, characters in zip(Column, (28, 20, 16), strict=True):
            self.ranges.horizontalHeader().resizeSection(column, self.fontMetrics().averageCharWidth() * characters)
        self.read_data = QAction(self.tr("Compare the content"), self)
        self.read_data.setObjectName("read_data")
        self._button = self.notice.add_button(self.read_data)
        self.read_data.triggered.connect(session.compare_disk_content)
        self.ranges.selectionModel().currentChanged.connect(self._range_chosen)
        self.bytes.moved.connect(self._moved)
        self.follow(session.disk, session.compare_disk)
        self.setFocusProxy(self.ranges)

    def step(self, *, back: bool) -> bool:
        """Go to the next range, or to the one before; False where there is none."""
        return self.has_result() and self.bytes.step(back=back)

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first range, or to the last; False where there is none."""
        return self.has_result() and self.bytes.go_to_end(back=back)

    def why_empty(self) -> tuple[str, str, str] | None:
        """See ComparePart."""
        compared, disk = self.session.compared, self.session.disk.result
        if compared is not None and None in [side.snapshot.disk_size for side in compared.sides.all]:
            return "image", self.tr("There is no disk to compare"), self.tr("At least one side is a saved state only.")
        if disk is None or disk.differs:
            return None
        text = self.tr("All %1 are the same in both.").replace("%1", numbers.size(disk.size))
        return "compare", self.tr("The disks do not differ"), text

    def look(self) -> None:
        """See ComparePart."""
        disk, outcomes = self.session.disk.result, self.session.outcomes
        if disk is None:
            return

        def work(_progress: Progress) -> ChangedCells:
            from vmsnap_gui.models.change_cells import look_at_disk

            return look_at_disk(disk, outcomes)

        self.run_quietly(work, self._show_ranges)

    def clear(self) -> None:
        """See ComparePart."""
        self.model.show(None)
        self.bytes.show_cells(None)

    def _show_ranges(self, cells: ChangedCells) -> None:
        compared, disk = self.session.compared, self.session.disk.result
        if compared is None or disk is None:
            return
        self.model.show(cells)
        sides = compared.sides
        self.bytes.show_cells(
            cells,
            self._source(sides.a, disk.disk.size_a, "a"),
            self._source(sides.b, disk.disk.size_b, "b"),
            self._source(sides.base, disk.base_size, "base") if sides.base is not None else None,
        )
        text = self.tr(
            "Told by the image's tables, without reading data: clusters that lie at different places may still hold "
            "the same."
        )
        self.notice.show_message("in-use", "" if disk.read_data else text)
        self.show_content()

    def _source(self, side: Side, size: int, letter: str) -> JobSource | None:
        compared = self.session.compared
        if compared is None:
            return None
        sides = compared.sides

        def read(offset: int, length: int) -> bytes:
            return sides.image(side).disk(side.snapshot).read(offset, length)

        return JobSource(self.jobs, self.session.lane(f"disk {letter}"), self.tr("Reading the disk"), size, read)

    def _range_chosen(self, where: QModelIndex) -> None:
        start = self.model.start(where)
        if start is not None:
            self.bytes.go_to_change(start)

    def _moved(self, offset: int) -> None:
        """Select the row of the range that the cursor is in."""
        row = self.model.row_at(offset)
        if row is not None and row != self.ranges.currentIndex().row():
            blocked = self.ranges.selectionModel().blockSignals(True)
            self.ranges.setCurrentIndex(self.model.index(row, 0))
            self.ranges.selectionModel().blockSignals(blocked)
            self.ranges.viewport().update()

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: now the comparison is wanted."""
        super().showEvent(event)
        self.want()
