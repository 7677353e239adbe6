"""The one comparison that is shown: which two snapshots, what is known of them, and what is being found out.

What was found stays until the next comparison is ready. Memory, disk and screens are compared when somebody wants to
see them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.jobs import PART
from vmsnap_gui.sides import Sides
from vmsnap_gui.telling import sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.comparing import Compared, DiskCompared, MemoryCompared
    from vmsnap_gui.comparing_screens import ScreensCompared
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.sides import Side

_LANE = "compare"
ALL_OUTCOMES = frozenset(Outcome) - {Outcome.NONE}


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
    """Two snapshots side by side, perhaps with the one that both come from.

    Signals:
        changed: Other snapshots are chosen or marked, or work began or ended.
        ready: What became of the fields is known: see `compared`; memory and disk are forgotten.
        outcomes_changed: The person wants to see other `outcomes`.

    Attributes:
        marked: The snapshot that the person marked as side A of a comparison to come.
        sides: The snapshots that are to be shown: perhaps they are still being compared.
        base: The snapshot that both come from, for `sides`; None: they are compared without one.
        outcomes: What is shown of that which happened since the base.
        compared: What is shown; it may still be that of other snapshots.
        failure: Why the last comparison that was asked for is not shown; empty where it is.
        job: The job that compares, if one runs.
        noise: Whether noise rules apply; remembered between runs.
        memory, disk, screens: The parts that are made when they are wanted.
    """

    changed = Signal()
    ready = Signal()
    outcomes_changed = Signal()

    def __init__(self, jobs: Jobs, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("comparison")
        self._settings = settings
        self.marked: Side | None = None
        self.sides: tuple[Side, Side] | None = None
        self.base: Side | None = None
        self.outcomes = ALL_OUTCOMES
        self.compared: Compared | None = None
        self.failure = ""
        self.job: Job | None = None
        self.noise = settings.noise
        self.memory: Part[MemoryCompared] = Part(jobs, self)
        self.disk: Part[DiskCompared] = Part(jobs, self)
        self.screens: Part[ScreensCompared] = Part(jobs, self)
        self._jobs = jobs
        self._number = 0
        self._lane = ""
        self._coming: tuple[str, Sides] | None = None

    def mark(self, side: Side | None) -> None:
        """Mark a snapshot as side A of a comparison to come."""
        self.marked = side
        self.changed.emit()

    def compare(self, a: Side, b: Side, base: Side | None = None) -> None:
        """Compare two snapshots, perhaps with a base; what is shown stays until that is done."""
        from vmsnap_gui.comparing import compare_sides

        self._drop_coming()
        self.sides, self.base, self.failure = (a, b), base, ""
        self._number += 1
        lane, sides, noise = f"{_LANE} {self._number}", Sides(a, b, base), self.noise
        self._coming = lane, sides
        self.job = self._jobs.run(
            self._name(sides),
            lambda progress: compare_sides(sides, noise, progress),
            lane=lane,
            success=partial(self._done, lane),
            failure=self._failed,
            in_bytes=False,
        )
        self.changed.emit()

    def swap(self) -> None:
        """Let A and B change places."""
        if self.sides is not None:
            self.compare(self.sides[1], self.sides[0], self.base)

    def again(self) -> None:
        """Compare the same snapshots again: the rules are others."""
        if self.sides is not None:
            self.compare(*self.sides, self.base)

    def set_base(self, base: Side | None) -> None:
        """Compare the same snapshots with this base; None: without one."""
        if self.sides is not None and base != self.base:
            self.compare(*self.sides, base)

    def show_outcome(self, outcome: Outcome, *, shown: bool) -> None:
        """Show what became this since the base, or hide it."""
        self.outcomes = self.outcomes | {outcome} if shown else self.outcomes - {outcome}
        self.outcomes_changed.emit()

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
            self.base = shown.base if shown is not None else None
            if self.compared is not None:
                self.noise = self._settings.noise = self.compared.noise
            self.changed.emit()

    def close(self) -> None:
        """Show nothing any more."""
        self._drop_coming()
        self._drop_shown()
        self.sides, self.base, self.failure = None, None, ""
        self.changed.emit()

    def forget(self, path: Path) -> None:
        """Let go of an image that was closed."""
        if self.marked is not None and self.marked.path == path:
            self.mark(None)
        if self.sides is not None and path in (self.sides[0].path, self.sides[1].path):
            self.close()
        elif self.base is not None and self.base.path == path:
            self.set_base(None)

    def lane(self, part: str) -> str:
        """Return the side lane `part` for reading from the sides that are shown."""
        return f"{self._lane}{PART}{part}"

    def compare_memory(self) -> None:
        """Compare the memory of the states that are shown, unless that is done or under way."""
        compared = self.compared
        if compared is None or compared.fields is None:
            return
        from vmsnap_gui.comparing import compare_memory

        work = partial(compare_memory, compared)
        self.memory.start(self.tr("Comparing memory"), self.lane("memory"), work)

    def compare_disk(self) -> None:
        """Compare the disks, unless that is done or under way; of one image without reading data."""
        compared = self.compared
        if compared is not None:
            from vmsnap_gui.comparing import compare_disk

            work = partial(compare_disk, compared.sides, False)
            self.disk.start(self.tr("Comparing disks"), self.lane("disk"), work)

    def compare_disk_content(self) -> None:
        """Compare the disks again, by what they hold; what is shown stays until that is done."""
        compared = self.compared
        if compared is not None:
            from vmsnap_gui.comparing import compare_disk

            work = partial(compare_disk, compared.sides, True)
            self.disk.start_again(self.tr("Comparing disks by content"), self.lane("disk"), work)

    def compare_screens(self) -> None:
        """Compare the screens of the states that are shown, unless that is done or under way."""
        compared = self.compared
        if compared is not None and compared.fields is not None:
            from vmsnap_gui.comparing_screens import compare_screens_of

            work = partial(compare_screens_of, compared)
            self.screens.start(self.tr("Comparing screens"), self.lane("screens"), work)

    def _done(self, lane: str, compared: Compared) -> None:
        self._coming = self.job = None
        self._drop_shown()
        self._lane, self.compared = lane, compared
        if compared.sides.base is None:
            self.outcomes = ALL_OUTCOMES
        self.ready.emit()
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        failure = sentence(error)
        self._drop_coming()
        self.failure = failure
        self.changed.emit()

    def _name(self, sides: Sides) -> str:
        a, b = sides.a.path, sides.b.path
        if a != b:
            return self.tr("Comparing %1 and %2").replace("%1", a.name).replace("%2", b.name)
        text = self.tr("Comparing two states of %1")
        if sides.base is not None:
            text = self.tr("Comparing two states of %1 with their base")
        return text.replace("%1", a.name)

    def _drop_coming(self) -> None:
        coming, self._coming, self.job = self._coming, None, None
        if coming is not None:
            self._jobs.release(coming[0], coming[1].close)

    def _drop_shown(self) -> None:
        shown, self.compared = self.compared, None
        self.memory.forget()
        self.disk.forget()
        self.screens.forget()
        if shown is not None:
            self._jobs.release(self._lane, shown.sides.close)
