"""A search of memory under way: its job, its hits as they come in, next and previous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.hits import MOST, Hit, HitsModel, find

if TYPE_CHECKING:
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.views.find_bar import Query
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex


class MemorySearch(QObject):
    """Finds what a person looks for in one block.

    Signals:
        found: (int, int) Show this hit: its offset and length.
        changed: More hits, or the search began or ended.

    Attributes:
        hits: What was found so far.
        error: Why the search failed, or None.
    """

    found = Signal(object, int)
    changed = Signal()

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.hits = HitsModel(self)
        self.error: str | None = None
        self._jobs = jobs
        self._job: Job | None = None
        self._query: Query | None = None
        self._pending: list[Hit] = []
        self._taken = 0
        self._start = 0
        self._where = ""
        self._length = 0
        self._stopped = False
        self._unread = 0
        jobs.progressed.connect(self._progressed)

    @property
    def running(self) -> bool:
        """Whether it is still searching."""
        return self._job is not None

    @property
    def length(self) -> int:
        """Bytes of what is looked for; 0 if nothing is."""
        return self._length

    def leads_on(self, query: Query, offset: int, *, back: bool) -> bool:
        """Whether `go` shows the next place of `query` from `offset` on; else it has to be looked for (again).

        A search that was cut short only leads on to what it had found: behind that there may be more.
        """
        if query != self._query:
            return False
        if not self._stopped and self.error is None:
            return True
        rows = self.hits.rowCount()
        return rows > 0 and (self.hits.hit(0).offset < offset if back else self.hits.hit(rows - 1).offset > offset)

    def is_at(self, query: Query, offset: int) -> bool:
        """Whether a place of `query` was found at `offset`."""
        return query == self._query and self.hits.row_at(offset) is not None

    def start(self, lane: str, index: RamIndex, block: RamBlock, query: Query, start: int) -> None:
        """Look for something from `start` on.

        Raises:
            ValueError: with a sentence that says what is wrong with the query; then nothing changes.
        """
        pattern = query.pattern()
        self.clear()
        self._query, self._start, self._length = query, start, len(pattern.data)
        self._where = words.visible(block.name)  # of several blocks, only this one is searched
        pending = self._pending = []
        self._job = self._jobs.run(
            self.tr("Searching %1").replace("%1", words.visible(block.name)),
            lambda progress: find(index, block, pattern, start, pending, progress),
            lane=lane,
            success=self._ended,
            failure=self._failed,
        )
        self.changed.emit()

    def cancel(self) -> None:
        """Stop; the hits so far stay."""
        if self._job is not None:
            self._take()
            self._job.cancel()
            self._job = None
            self._stopped = True
            self.changed.emit()

    def clear(self) -> None:
        """Stop and forget everything."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._query, self._length, self.error, self._stopped, self._unread = None, 0, None, False, 0
        self._pending, self._taken = [], 0
        self.hits.clear()
        self.changed.emit()

    def go(self, offset: int, *, back: bool) -> None:
        """Show the next (or previous) hit from `offset` on, round the block's end."""
        if self.hits.rowCount():
            row = self.hits.previous_row(offset) if back else self.hits.next_row(offset)
            self.show(row)

    def show(self, row: int) -> None:
        """Show a hit."""
        self.found.emit(self.hits.hit(row).offset, self._length)

    def status(self, offset: int) -> str:
        """Say how it stands, for a cursor at `offset`."""
        if self._query is None:
            return ""
        if self.error is not None:
            return self.tr("The search failed: %1").replace("%1", self.error)
        count = self.hits.rowCount()
        row = self.hits.row_at(offset)
        nothing = self.tr("Nothing found in %1").replace("%1", self._where)
        text = nothing if not count else self.tr("%1 found").replace("%1", numbers.count(count))
        if row is not None:
            text = self.tr("%1 of %2 found").replace("%1", numbers.count(row + 1)).replace("%2", numbers.count(count))
        if self._job is not None:
            share = self._job.done / self._job.total if self._job.total else 0.0
            text = self.tr("Searching… %1").replace("%1", f"{share:.0%}") + (f" · {text}" if count else "")
        elif self._stopped:
            text = self.tr("Cancelled") + f" · {text}"
        elif count >= MOST:
            text += " · " + self.tr("the search ended there")
        if self._unread:
            text += " · " + self.tr("%1 cannot be read").replace("%1", words.pages(self._unread))
        return text

    def _progressed(self, job: object) -> None:
        if job is self._job:
            self._take()
            self.changed.emit()

    def _take(self) -> None:
        """Take over the hits that the worker has added; show the very first."""
        fresh = self._pending[self._taken :]
        first = not self._taken and fresh
        self._taken += len(fresh)
        self.hits.add(fresh, self._start)
        if first:
            self.found.emit(fresh[0].offset, self._length)

    def _ended(self, unread: int = 0) -> None:
        self._job = None
        self._unread = unread
        self._take()
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self.error = words.visible(str(error))
        self._ended()
