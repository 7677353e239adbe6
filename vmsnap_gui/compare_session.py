"""The one comparison that is shown: which two snapshots, what is known of them, and what is being found out.

What was found stays until the next comparison is ready. Memory and disk are compared when somebody wants to see them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.comparing import Sides, compare_disk, compare_memory, compare_sides
from vmsnap_gui.jobs import PART
from vmsnap_gui.session import sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.comparing import Compared, MemoryCompared, Side
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.settings import Settings

_LANE = "compare"


T = TypeVar("T")


class Part(QObject, Generic[T]):
    """A part of the comparison that is made when it is first wanted.

    Signals:
        changed: It was started, ended, failed, was cancelled or forgotten.

    Attributes:
        result: What was found, once it is.
        failure: Why nothing was; empty where nothing failed.
        job: The job that makes it, if one runs.
    """

    changed = Signal()

    def __init__(self, jobs: Jobs, parent: QObject) -> None:
        super().__init__(parent)
        self.result: T | None = None
        self.failure = ""
        self.job: Job | None = None
        self._jobs = jobs

    def start(self, name: str, lane: str, work: Callable[[Progress], T]) -> None:
        """Have `work` done in a worker, unless it was, or is under way."""
        if self.result is None:
            self.start_again(name, lane, work)

    def start_again(self, name: str, lane: str, work: Callable[[Progress], T]) -> None:
        """Have `work` done in a worker, unless it is under way; what was found before stays until then."""
        if self.job is not None:
            return
        self.failure = ""
        self.job = self._jobs.run(name, work, lane=lane, success=self.put, failure=self._failed)
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the work; what was found before stays."""
        if self.job is not None:
            self.job.cancel()
            self.job = None
            self.changed.emit()

    def forget(self) -> None:
        """Stop the work and forget what was found."""
        self.cancel()
        self.result, self.failure = None, ""
        self.changed.emit()

    def put(self, result: T) -> None:
        """Take a result."""
        self.job, self.result = None, result
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self.job, self.failure = None, sentence(error)
        self.changed.emit()


class CompareSession(QObject):
    """Two snapshots side by side.

    Signals:
        changed: Other snapshots are chosen or marked, or work began or ended.
        ready: What became of the fields is known: see `compared`; memory and disk are forgotten.

    Attributes:
        marked: The snapshot that the person marked as side A of a comparison to come.
        sides: The snapshots that are to be shown: perhaps they are still being compared.
        compared: What is shown; it may still be that of other snapshots.
        failure: Why the last comparison that was asked for is not shown; empty where it is.
        job: The job that compares, if one runs.
        noise: Whether noise rules apply; remembered between runs.
        memory, disk: The parts that are made when they are wanted.
    """

    changed = Signal()
    ready = Signal()

    def __init__(self, jobs: Jobs, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparison")
        self._settings = settings
        self.marked: Side | None = None
        self.sides: tuple[Side, Side] | None = None
        self.compared: Compared | None = None
        self.failure = ""
        self.job: Job | None = None
        self.noise = settings.noise
        self.memory: Part[MemoryCompared] = Part(jobs, self)
        self.disk: Part[DiskComparison] = Part(jobs, self)
        self._jobs = jobs
        self._number = 0
        self._lane = ""
        self._coming: tuple[str, Sides] | None = None

    def mark(self, side: Side | None) -> None:
        """Mark a snapshot as side A of a comparison to come."""
        self.marked = side
        self.changed.emit()

    def compare(self, a: Side, b: Side) -> None:
        """Compare two snapshots; what is shown stays until that is done."""
        self._drop_coming()
        self.sides, self.failure = (a, b), ""
        self._number += 1
        lane, sides, noise = f"{_LANE} {self._number}", Sides(a, b), self.noise
        self._coming = lane, sides
        name = self.tr("Comparing two states of %1").replace("%1", a.path.name)
        if a.path != b.path:
            name = self.tr("Comparing %1 and %2").replace("%1", a.path.name).replace("%2", b.path.name)
        self.job = self._jobs.run(
            name,
            lambda progress: compare_sides(sides, noise, progress),
            lane=lane,
            success=partial(self._done, lane),
            failure=self._failed,
        )
        self.changed.emit()

    def swap(self) -> None:
        """Let A and B change places."""
        if self.sides is not None:
            self.compare(*reversed(self.sides))

    def again(self) -> None:
        """Compare the same snapshots again: the rules are others."""
        if self.sides is not None:
            self.compare(*self.sides)

    def set_noise(self, on: bool) -> None:
        """Apply the noise rules, or not."""
        if on != self.noise:
            self.noise = self._settings.noise = on
            self.again()

    def cancel(self) -> None:
        """Stop comparing; what is shown stays."""
        if self.job is not None:
            self._drop_coming()
            shown = self.compared.sides if self.compared is not None else None
            self.sides = (shown.a, shown.b) if shown is not None else None
            if self.compared is not None:
                self.noise = self._settings.noise = self.compared.noise
            self.changed.emit()

    def close(self) -> None:
        """Show nothing any more."""
        self._drop_coming()
        self._drop_shown()
        self.sides, self.failure = None, ""
        self.changed.emit()

    def forget(self, path: Path) -> None:
        """Let go of an image that was closed."""
        if self.marked is not None and self.marked.path == path:
            self.mark(None)
        if self.sides is not None and path in (self.sides[0].path, self.sides[1].path):
            self.close()

    def lane(self, part: str) -> str:
        """Return the side lane `part` for reading from the sides that are shown."""
        return f"{self._lane}{PART}{part}"

    def compare_memory(self) -> None:
        """Compare the memory of the states that are shown, unless that is done or under way."""
        compared = self.compared
        if compared is None or compared.fields is None:
            return
        fields = compared.fields
        lane = self.lane("memory")
        self.memory.start(self.tr("Comparing memory"), lane, lambda progress: compare_memory(fields, progress))

    def compare_disk(self) -> None:
        """Compare the disks, unless that is done or under way; of one image without reading data."""
        compared = self.compared
        if compared is not None:
            work = partial(compare_disk, compared.sides, False)
            self.disk.start(self.tr("Comparing disks"), self.lane("disk"), work)

    def compare_disk_content(self) -> None:
        """Compare the disks again, by what they hold; what is shown stays until that is done."""
        compared = self.compared
        if compared is not None:
            work = partial(compare_disk, compared.sides, True)
            self.disk.start_again(self.tr("Comparing disks by content"), self.lane("disk"), work)

    def _done(self, lane: str, compared: Compared) -> None:
        self._coming = self.job = None
        self._drop_shown()
        self._lane, self.compared = lane, compared
        self.ready.emit()
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        failure = sentence(error)
        self._drop_coming()
        self.failure = failure
        self.changed.emit()

    def _drop_coming(self) -> None:
        coming, self._coming, self.job = self._coming, None, None
        if coming is not None:
            self._jobs.release(coming[0], coming[1].close)

    def _drop_shown(self) -> None:
        shown, self.compared = self.compared, None
        self.memory.forget()
        self.disk.forget()
        if shown is not None:
            self._jobs.release(self._lane, shown.sides.close)
