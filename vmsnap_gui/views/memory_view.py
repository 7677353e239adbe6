"""The Memory tab: RAM blocks, the page map, bytes, and a search."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QModelIndex, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import words
from vmsnap_gui.models.offsets import parse_offset
from vmsnap_gui.models.ram import BlocksModel
from vmsnap_gui.telling import sentence
from vmsnap_gui.views.byte_source import JobSource
from vmsnap_gui.views.bytes_panel import BytesPanel
from vmsnap_gui.views.find_bar import FindBar
from vmsnap_gui.views.index_page import IndexPage
from vmsnap_gui.views.memory_search import MemorySearch
from vmsnap_gui.views.memory_tables import blocks_table, hits_table
from vmsnap_gui.views.page_map_panel import PageMapPanel
from vmsnap_gui.views.pages import Notice

if TYPE_CHECKING:
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.models.page_cells import BlockPages
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.session import Session
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_Standard = QKeySequence.StandardKey


class MemoryView(QWidget):
    """Memory of the session's state. It is indexed when this is first looked at."""

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("memory")
        self.setAccessibleName(self.tr("Memory"))
        self._session = session
        self._jobs = jobs
        self._loaded: LoadedState | None = None
        self._block: RamBlock | None = None
        self._name = ""
        self._failure = ""
        self.model = BlocksModel(self)
        self.blocks = blocks_table(self.model, self)
        self.map = PageMapPanel(jobs, self)
        self.bytes = BytesPanel("memory_bytes", self.tr("Bytes of memory"), self._where, self)
        self.find_bar = FindBar(self)
        self.search = MemorySearch(jobs, self)
        self.hits = hits_table(self.search.hits, self)
        self.page = IndexPage(self)
        self.notice = Notice("memory_notice", self)
        self._stack = QStackedWidget(self)
        self._lay_out()
        self._connect()
        self._follow()

    @property
    def block(self) -> RamBlock | None:
        """The block that is shown."""
        return self._block

    def go_to(self, text: str) -> None:
        """Go to the offset that was typed, or say what is wrong with it."""
        index, block = self._session.ram, self._block
        if index is None or block is None:
            return
        try:
            cursor = self.bytes.hex.cursor_offset
            offset = parse_offset(text, size=block.length, page_size=index.page_size, cursor=cursor)
        except ValueError as error:
            self.find_bar.say(str(error), wrong=True)
            return
        self._say_search()
        self.bytes.hex.go_to(offset)
        self.bytes.hex.setFocus()

    def find_next(self, *, back: bool = False) -> None:
        """Go to the next (or previous) place of what is typed; search for it first if that was not done."""
        index, state, block, query = self._session.ram, self._session.loaded, self._block, self.find_bar.query()
        if index is None or state is None or block is None:
            return
        cursor = self.bytes.hex.selected.start
        if self.search.leads_on(query, cursor, back=back):
            self.search.go(cursor, back=back)
            return
        # A search that is begun again goes on behind the place that it showed last.
        start = cursor + 1 if self.search.is_at(query, cursor) else cursor
        try:
            self.search.start(lane_of(state.key.path, "search"), index, block, query, start)
        except ValueError as error:
            self.find_bar.say(str(error), wrong=True)

    def event(self, event: QEvent) -> bool:
        """Override QWidget::event: in this view, the keys to find something are about memory."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._is_mine(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent."""
        if _is_go_to(event):  # first: some desktops also take Ctrl+G for "find next"
            self.find_bar.focus_go_to()
        elif event.matches(_Standard.Find):
            self.find_bar.focus_find()
        elif event.matches(_Standard.FindNext) or event.matches(_Standard.FindPrevious):
            self.find_next(back=event.matches(_Standard.FindPrevious))
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: now the index is wanted."""
        super().showEvent(event)
        self._index()

    # Making

    def _lay_out(self) -> None:
        left = QSplitter(Qt.Orientation.Vertical)
        left.setObjectName("memory_lists")
        left.addWidget(self.blocks)
        left.addWidget(self.map)
        left.addWidget(self.hits)
        left.setChildrenCollapsible(False)
        for place, stretch in enumerate((2, 3, 2)):
            left.setStretchFactor(place, stretch)
        left.setSizes([160, 260, 160])
        left.setMinimumWidth(self.fontMetrics().averageCharWidth() * 56)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.find_bar)
        column.addWidget(self.bytes, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setObjectName("memory_splitter")
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(left)
        splitter.addWidget(right)
        # Sixteen bytes in a row; what is more goes to the map and the lists.
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 0)
        width = self.bytes.hex.width_for(16)
        splitter.setSizes([width * 3 // 4, width])
        self._stack.addWidget(splitter)
        self._stack.addWidget(self.page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice)
        layout.addWidget(self._stack, 1)
        self.setFocusProxy(self.blocks)
        in_order = (
            self.blocks,
            self.map.mode,
            self.hits,
            *self.find_bar.in_order(),
            self.bytes.hex,
            self.bytes.inspector,
        )
        for one, other in pairwise(in_order):
            QWidget.setTabOrder(one, other)

    def _connect(self) -> None:
        session, bar = self._session, self.find_bar
        for signal in (session.state_loading, session.state_loaded, session.state_failed, session.state_cleared):
            signal.connect(self._follow)
        session.selection_changed.connect(self._follow)
        session.ram_indexed.connect(self._indexed)
        session.ram_failed.connect(self._index_failed)
        self._jobs.progressed.connect(self._index_moved)
        self._jobs.changed.connect(self._index_moved)
        self.page.start_wanted.connect(self._index)
        self.page.cancel_wanted.connect(self._cancel_index)
        self.blocks.selectionModel().currentChanged.connect(self._block_chosen)
        self.map.page_chosen.connect(self._page_chosen)
        self.bytes.hex.selection_changed.connect(self._moved)
        bar.go_wanted.connect(self.go_to)
        bar.next_wanted.connect(self.find_next)
        bar.previous_wanted.connect(lambda: self.find_next(back=True))
        bar.cancel_wanted.connect(self.search.cancel)
        self.search.found.connect(self._show_hit)
        self.search.changed.connect(self._show_search)
        self.hits.selectionModel().currentChanged.connect(self._hit_chosen)
        self.hits.activated.connect(lambda _index: self.bytes.hex.setFocus())

    # Following the session

    def _follow(self, *_: object) -> None:
        """Show the blocks of the session's state, or why there are none."""
        loaded, index = self._session.loaded, self._session.ram
        if loaded is not None and loaded is self._loaded:
            return  # only the image around it changed: what was cancelled or failed is not begun again
        self._loaded = loaded
        self._failure = ""
        if index is not None and loaded is not None and not self.model.blocks:
            self.model.show(loaded.vmstate.ram_blocks)  # this view was made later than the index
            self._indexed(loaded.key, index)
        elif index is None:
            self._block = None
            self.search.clear()
            self.map.clear()
            self.bytes.hex.show_source(None)
            self.model.show(loaded.vmstate.ram_blocks if loaded is not None else ())
            self.notice.show_message("problem", "")
            self._stack.setCurrentIndex(1)
            self._say()
            if self.isVisible():
                self._index()

    def _say(self) -> None:
        self.page.show_reason(self._session, self._failure, has_blocks=bool(self.model.blocks))

    def _index(self) -> None:
        if self._session.loaded is not None and self._session.ram is None and self.model.blocks:
            self._failure = ""
            self._session.index_ram()
            self._say()

    def _cancel_index(self) -> None:
        if self._session.ram_job is not None:
            self._session.ram_job.cancel()
            self._say()

    def _index_moved(self, job: Job) -> None:
        if job is self._session.ram_job and self._session.ram is None and not job.state.is_over:
            self._say()

    def _index_failed(self, _key: object, why: str) -> None:
        self._failure = words.visible(why)
        self._say()

    def _indexed(self, _key: object, index: RamIndex) -> None:
        """Count the pages of the blocks; then everything can be shown."""
        state = self._session.loaded
        if state is None:
            return

        def look(progress: Progress) -> list[BlockPages]:
            from vmsnap_gui.models.page_cells import look_at_blocks

            return look_at_blocks(index, progress)

        self._jobs.run(
            self.tr("Looking at pages"),
            look,
            lane=lane_of(state.key.path, "memory"),
            success=self._show_pages,
            failure=lambda error: self._index_failed(None, sentence(error)),
            quiet=True,
        )

    def _show_pages(self, pages: list[BlockPages]) -> None:
        index = self._session.ram
        if index is None:
            return
        if [block.name for block in index.blocks] != [block.name for block in self.model.blocks]:
            self.model.show(index.blocks)  # a damaged stream may name other blocks later
        self.model.show_pages(pages)
        self.map.prepare()
        if index.problem is not None:
            text = self.tr("The memory could not be followed to its end: %1. Pages after that count as missing.")
            self.notice.show_message("problem", text.replace("%1", words.visible(index.problem)))
        self._stack.setCurrentIndex(0)
        row = self.model.row_of(self._name)
        where = self.model.index(row if row >= 0 else self.model.largest(), 0)
        self.blocks.setCurrentIndex(where)
        self._block_chosen(where)  # the table may have had it as its current one before the pages were known

    # What people choose

    def _block_chosen(self, where: QModelIndex) -> None:
        index, state = self._session.ram, self._session.loaded
        pages = self.model.pages_of(where.row()) if where.isValid() else None
        if index is None or state is None or pages is None:
            return
        block = index.blocks[where.row()]
        if block is self._block:
            return
        self._block, self._name = block, block.name
        self.search.clear()
        self.map.show_block(state.key.path, index, block, pages)
        source = JobSource(
            self._jobs,
            lane_of(state.key.path, "bytes"),
            self.tr("Reading memory"),
            block.length,
            lambda offset, length: index.read(block, offset, length),
        )
        self.bytes.hex.show_source(source)
        self.bytes.set_heading(block.name)

    def _page_chosen(self, page: int) -> None:
        if self._session.ram is not None:
            self.bytes.hex.go_to(page * self._session.ram.page_size, self._session.ram.page_size)

    def _moved(self) -> None:
        if self._session.ram is not None and self._block is not None:
            self.map.set_current(self.bytes.hex.selected.start // self._session.ram.page_size)
            self._say_search()

    def _where(self, offset: int) -> str:
        page_size = self._session.ram.page_size if self._session.ram is not None else 4096
        text = self.tr("Byte %1, page %2")
        return text.replace("%1", f"{offset:#x}").replace("%2", f"{offset // page_size} + {offset % page_size:#x}")

    # The search

    def _show_hit(self, offset: int, length: int) -> None:
        self.bytes.hex.select(offset, offset + length)
        row = self.search.hits.row_at(offset)
        if row is not None:
            self.hits.setCurrentIndex(self.search.hits.index(row, 0))

    def _hit_chosen(self, where: QModelIndex) -> None:
        if where.isValid() and self.search.hits.hit(where.row()).offset != self.bytes.hex.selected.start:
            self.search.show(where.row())

    def _show_search(self) -> None:
        """Show what the search has found."""
        search = self.search
        self.find_bar.show_searching(searching=search.running)
        self._say_search()
        self.hits.setVisible(search.hits.rowCount() > 0)
        self.bytes.hex.set_hits(search.hits.offsets, search.length)

    def _say_search(self) -> None:
        """Say how the search stands."""
        self.find_bar.say(self.search.status(self.bytes.hex.selected.start), wrong=self.search.error is not None)

    def _is_mine(self, event: QKeyEvent) -> bool:
        keys = (_Standard.Find, _Standard.FindNext, _Standard.FindPrevious)
        return any(event.matches(key) for key in keys) or _is_go_to(event)


def _is_go_to(event: QKeyEvent) -> bool:
    return event.key() == Qt.Key.Key_G and event.modifiers() == Qt.KeyboardModifier.ControlModifier
