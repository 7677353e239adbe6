"""The comparison's Memory tab: blocks, a map of what changed, and the bytes of both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.changed_blocks import MUTED_ROLE, ChangedBlocksModel, Column
from vmsnap_gui.views import theme
from vmsnap_gui.views.byte_source import JobSource
from vmsnap_gui.views.columns import FittingColumns, Room
from vmsnap_gui.views.compare_bytes import CompareBytes
from vmsnap_gui.views.delegates import MutedDelegate
from vmsnap_gui.views.memory_tables import plain_table

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex
    from PySide6.QtGui import QShowEvent
    from PySide6.QtWidgets import QTreeView, QWidget

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.comparing import MemoryCompared
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.change_cells import ChangedCells
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_ROOMS = (
    *(Room(22, 30, 60), Room(9, 12), Room(13, 15), Room(13, 15)),
    *(Room(9, 12), Room(9, 12), Room(11, 13), Room(11, 13), Room(13, 16)),
)
"""Of the columns: names such as "0000:00:02.0/vga.vram", and counts of pages of some gigabytes."""
_SINCE_ROOMS = (
    *(Room(22, 30, 60), Room(9, 12), Room(9, 12), Room(9, 12)),
    *(Room(13, 15), _ROOMS[5], _ROOMS[6], Room(11, 13), Room(13, 16)),
)
"""Of the same columns where there is a base."""


class MemoryChanges(CompareBytes):
    """What became of the memory; it is compared when this is first looked at."""

    def __init__(self, session: CompareSession, jobs: Jobs, parent: QWidget | None = None) -> None:
        self.model = ChangedBlocksModel()
        self.blocks = plain_table("changed_blocks", self.tr("Blocks of memory"), self.model, None)
        super().__init__(
            "memory_changes", self.tr("Memory"), self.tr("Compare memory"), self.blocks, session, jobs, parent
        )
        self.model.setParent(self)
        self._columns = self._size_columns(self.blocks)
        self._name = ""
        self.blocks.selectionModel().currentChanged.connect(self._block_chosen)
        self.follow(session.memory, session.compare_memory)
        self.setFocusProxy(self.blocks)

    def step(self, *, back: bool) -> bool:
        """Go to the next change, or to the one before, through all blocks; False where there is none."""
        if not self.has_result():
            return False
        return self.bytes.step(back=back) or self._step_from(self.blocks.currentIndex().row(), back=back)

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first change, or to the last; False where there is none."""
        return self.has_result() and self._step_from(self.model.rowCount() if back else -1, back=back)

    def why_empty(self) -> tuple[str, str, str] | None:
        """See ComparePart."""
        compared = self.session.compared
        if compared is not None and compared.fields is None:
            text = self.tr("At least one of the two snapshots holds only a disk, no state of the machine.")
            return "memory", self.tr("There is no memory to compare"), text
        memory = self.session.memory.result
        if memory is None or memory.differs:
            return None
        pages = sum(block.pages for block in memory.ram.blocks)
        text = self.tr("%1 in %2 blocks were compared.").replace("%1", words.pages(pages))
        text = text.replace("%2", numbers.count(len(memory.ram.blocks)))
        return "compare", self.tr("No page differs"), "\n".join([text, *map(words.sentence, memory.problems)])

    def look(self) -> None:
        """See ComparePart."""
        memory, outcomes = self.session.memory.result, self.session.outcomes
        if memory is None:
            return

        def work(progress: Progress) -> list[ChangedCells]:
            from vmsnap_gui.models.change_cells import look_at_memory

            return look_at_memory(memory, progress, outcomes)

        self.run_quietly(work, lambda cells: self._show_blocks(memory, cells))

    def clear(self) -> None:
        """See ComparePart."""
        self.model.show((), (), ())
        self.bytes.show_cells(None)

    def _show_blocks(self, memory: MemoryCompared, cells: list[ChangedCells]) -> None:
        names = memory.names
        self.model.show(names, cells, memory.bytes)
        self.notice.show_message("problem", " ".join(map(words.sentence, memory.problems)))
        unused = self.model.unused()
        for column in Column:
            self.blocks.setColumnHidden(column, column in unused)
        self._columns.fit(_SINCE_ROOMS if self.model.has_base else _ROOMS)
        row = names.index(self._name) if self._name in names else self.model.most_changed()
        self.blocks.setCurrentIndex(self.model.index(row, 0))
        self.show_content()

    def _block_chosen(self, where: QModelIndex) -> None:
        memory = self.session.memory.result
        if memory is None or not where.isValid():
            return
        self._name = memory.names[where.row()]
        a, b, base = memory.blocks(where.row())
        self.bytes.show_cells(
            self.model.cells[where.row()],
            self._source(memory.a, a, "a"),
            self._source(memory.b, b, "b"),
            self._source(memory.since.base, base, "base") if memory.since is not None else None,
        )
        self.bytes.go_to_end(back=False)  # not to a page in which nothing changed

    def _source(self, index: RamIndex, block: RamBlock | None, side: str) -> JobSource | None:
        if block is None:
            return None
        lane, name = self.session.lane(f"memory {side}"), self.tr("Reading memory")
        return JobSource(self.jobs, lane, name, block.length, lambda offset, length: index.read(block, offset, length))

    def _step_from(self, row: int, *, back: bool) -> bool:
        rows = range(row - 1, -1, -1) if back else range(row + 1, self.model.rowCount())
        for other in rows:
            if len(self.model.cells[other].starts):
                self.blocks.setCurrentIndex(self.model.index(other, 0))
                return self.bytes.go_to_end(back=back)
        return False

    def _size_columns(self, table: QTreeView) -> FittingColumns:
        table.setItemDelegate(MutedDelegate(MUTED_ROLE, table))
        table.setFont(theme.tabular(table.font()))
        table.header().setObjectName("changed_block_columns")
        return FittingColumns(table, _ROOMS, always=2)

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: now the comparison is wanted."""
        super().showEvent(event)
        self.want()
