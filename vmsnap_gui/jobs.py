"""Named background work: the one owner of worker threads, with progress, cancel and errors that are never lost.

Work runs in *lanes*. A lane is a string, normally an image's path (`lane_of`), and has one worker thread, so that
everything that touches one image happens in order. Results come back on the Qt thread, in any Qt loop (with or without
asyncio): workers put them in an inbox and wake the owner by a queued signal. Progress is only noted by the worker;
a timer of the owner reports it, so that no work can flood the window.
"""

from __future__ import annotations

import enum
import importlib
import threading
import time
import traceback
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from vmsnap_gui.image.errors import Cancelled, Progress
from vmsnap_gui.turns import give_way, qt_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    Work = Callable[[Progress], "T"]

T = TypeVar("T")

SCAN = "scan"
"""The lane for looking into many images: the only one with more than one thread."""
SCAN_THREADS = 2
PROGRESS_MS = 60
"""How often progress is reported: less than 20 times a second."""
TURN_S = 0.004
"""No further result is handed over in a turn of the event loop in which that took so long."""
KEPT = 50
"""How many finished jobs `Jobs.jobs` remembers."""
PART = "//"


def lane_of(path: Path, part: str = "") -> str:
    """Return the lane of an image, or the side lane `part` of it, which runs beside the main one.

    A side lane is for work that must not wait behind long work on the same image (reading memory during a search);
    `Jobs.release` treats it with its main lane. A normalised path never contains two slashes in a row.
    """
    return f"{path}{PART}{part}" if part else str(path)


class JobState(enum.Enum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Job:
    """One piece of background work. Its attributes change on the Qt thread, but for `done` and `total`.

    Attributes:
        name: What it does, for people: "Indexing memory of clean".
        lane: Where it runs.
        quiet: Whether it stays out of the job list (short and routine).
        writes: Whether it changes images. It cannot be cancelled: a tool that is stopped half-way damages an image.
        note: Asked for what it is at, for people; "" where there is nothing to say.
        in_bytes: Whether `done` and `total` are bytes; of other things only the share is worth showing.
        state: Where it stands.
        done: Units done.
        total: Units in all; 0 while unknown.
        error: What it failed with, without its traceback.
        details: What a tool said and the traceback as text, for reports.
    """

    def __init__(
        self,
        name: str,
        lane: str,
        owner: Jobs,
        *,
        quiet: bool,
        writes: bool,
        note: Callable[[], str],
        in_bytes: bool,
    ) -> None:
        self.name = name
        self.lane = lane
        self.quiet = quiet
        self.writes = writes
        self.note = note
        self.in_bytes = in_bytes
        self.state = JobState.WAITING
        self.done = 0
        self.total = 0
        self.error: BaseException | None = None
        self.details = ""
        self._owner = owner
        self._stop = threading.Event()
        self._began = self._ended = 0.0
        self._reported = (0, 0)

    def __repr__(self) -> str:
        return f"<Job {self.name!r} {self.state.value}>"

    @property
    def elapsed(self) -> float:
        """Seconds since it began to run; does not grow after its end."""
        if not self._began:
            return 0.0
        return (self._ended or time.monotonic()) - self._began

    @property
    def cancelled(self) -> bool:
        """Whether a cancel was asked for (its callbacks are not called any more)."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop; neither of its callbacks is called after this.

        Does nothing to a finished job, nor to one that writes.
        """
        self._owner._cancel(self)

    def _progress(self, done: int, total: int) -> None:
        """The work's progress callback, called in the worker thread."""
        if self._stop.is_set():
            raise Cancelled
        self.done, self.total = done, total
        give_way()


@dataclass(frozen=True, slots=True, eq=False)
class _Release:
    """A lane that is being given up: what is still to end, its threads, and what to call then."""

    pending: set[Job]
    executors: list[ThreadPoolExecutor]
    then: Callable[[], None] | None


class Jobs(QObject):
    """Owner of all background work of the application.

    Signals (all on the Qt thread, each with the job):
        changed: It was added or its state changed.
        progressed: Its done or total changed; at most every 60 ms.
        failed: It failed and its starter gave no `failure` callback; somebody must tell the person.
    """

    changed = Signal(object)
    progressed = Signal(object)
    failed = Signal(object)
    _wake = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("jobs")
        self.jobs: list[Job] = []
        """Jobs that are not quiet, oldest first, with the last finished ones."""
        self._open: dict[Job, Future[Any]] = {}
        self._executors: dict[str, ThreadPoolExecutor] = {}
        self._releases: list[_Release] = []
        self._inbox: deque[Callable[[], None]] = deque()
        self._shut = False
        self._turn = QTimer(self, interval=0)
        self._turn.timeout.connect(self._take_some)
        self._wake.connect(self._turn.start, Qt.ConnectionType.QueuedConnection)
        self._timer = QTimer(self, interval=PROGRESS_MS)
        self._timer.timeout.connect(self._report_progress)

    def run(
        self,
        name: str,
        work: Work[T],
        *,
        lane: str,
        success: Callable[[T], object],
        failure: Callable[[Exception], object] | None = None,
        quiet: bool = False,
        writes: bool = False,
        note: Callable[[], str] = str,
        in_bytes: bool = True,
    ) -> Job:
        """Run `work(progress)` in the lane's worker thread, after what is already queued there.

        Args:
            name: What it does, for people.
            work: Gets a progress callback that it must call now and then: that is where a cancel reaches it.
            lane: See `lane_of` and `SCAN`.
            success: Called with the result on the Qt thread; not after a cancel.
            failure: Called with the exception on the Qt thread; not after a cancel. Without it `failed` is emitted.
            quiet: Keep it out of the job list.
            writes: It changes images: it cannot be cancelled, and a shutdown waits for its end.
            note: Says at any time what it is at.
            in_bytes: What it counts in its progress are bytes.
        """
        job = Job(name, lane, self, quiet=quiet, writes=writes, note=note, in_bytes=in_bytes)
        if self._shut:
            job._stop.set()
            job.state = JobState.CANCELLED
            return job
        if not quiet:
            self._remember(job)
        future = self._executor(lane).submit(self._work, job, work)
        self._open[job] = future
        self._timer.start()
        self.changed.emit(job)
        # Last: it may be over already, and then this is called at once, here.
        future.add_done_callback(lambda ended: self._post(lambda: self._finish(job, ended, success, failure)))
        return job

    def import_module(self, name: str, success: Callable[[ModuleType], object]) -> Job:
        """Import a slow Python module in a worker thread, then call `success` with it on the Qt thread.

        Only for modules that make no Qt classes: PySide's table of types has no lock.
        """
        return self.run(
            name, lambda _progress: importlib.import_module(name), lane="import", success=success, quiet=True
        )

    def unfinished(self, lane: str | None = None) -> list[Job]:
        """Return the jobs that are not over: all, or those of a lane and its side lanes."""
        return [job for job in self._open if lane is None or _belongs(job.lane, lane)]

    def writing(self) -> list[Job]:
        """Return the jobs that are changing images, or are about to."""
        return [job for job in self._open if job.writes]

    def release(self, lane: str, then: Callable[[], None] | None = None) -> None:
        """Cancel everything in a lane and its side lanes, end their threads, then call `then` on the Qt thread.

        Work that is given to the lane afterwards does not wait for what was cancelled here.
        """
        names = [name for name in self._executors if _belongs(name, lane)]
        release = _Release(set(self.unfinished(lane)), [self._executors.pop(name) for name in names], then)
        for executor in release.executors:
            executor.shutdown(wait=False)
        self._releases.append(release)
        for job in release.pending:
            job.cancel()
        self._settle_releases()

    def shutdown(self) -> None:
        """Cancel everything and wait for all worker threads to end. Nothing runs afterwards."""
        self._shut = True
        for job in list(self._open):
            job.cancel()
        released = [executor for release in self._releases for executor in release.executors]
        for executor in [*self._executors.values(), *released]:
            executor.shutdown(wait=True)
        self._executors.clear()
        self._turn.stop()
        self._timer.stop()
        while self._inbox:
            self._take_some()

    def forget_finished(self) -> None:
        """Drop the finished jobs from the list."""
        for job in [job for job in self.jobs if job.state.is_over]:
            self.jobs.remove(job)
            self.changed.emit(job)

    def _executor(self, lane: str) -> ThreadPoolExecutor:
        if lane not in self._executors:
            threads = SCAN_THREADS if lane == SCAN else 1
            self._executors[lane] = ThreadPoolExecutor(threads, thread_name_prefix=f"vmsnap {lane}")
        return self._executors[lane]

    def _remember(self, job: Job) -> None:
        self.jobs.append(job)
        finished = [each for each in self.jobs if each.state.is_over]
        for old in finished[: max(0, len(self.jobs) - KEPT)]:
            self.jobs.remove(old)

    def _work(self, job: Job, work: Work[T]) -> T:
        """The body of a job, in the worker thread."""
        if job._stop.is_set():
            raise Cancelled
        self._post(lambda: self._begin(job))
        return work(job._progress)

    def _post(self, call: Callable[[], None]) -> None:
        """Have `call` called on the Qt thread; from any thread."""
        self._inbox.append(call)
        self._wake.emit()

    def _take_some(self) -> None:
        """Make calls from the inbox, but only as many as fit into a short turn of the event loop.

        Queued signals have none: Qt delivers all of them, also what arrives meanwhile, before anything else.
        """
        until = time.perf_counter() + TURN_S
        with qt_turn():
            while self._inbox:
                self._inbox.popleft()()
                if time.perf_counter() > until:
                    break
        if not self._inbox:
            self._turn.stop()

    def _begin(self, job: Job) -> None:
        job._began = time.monotonic()
        if job.state is JobState.WAITING:
            self._set_state(job, JobState.RUNNING)

    def _cancel(self, job: Job) -> None:
        future = self._open.get(job)
        if future is None or job.cancelled or job.writes:
            return
        job._stop.set()
        # A job that waits in its lane is over at once: the future then calls back here, through the inbox.
        future.cancel()
        self._set_state(job, JobState.CANCELLING)

    def _finish(
        self,
        job: Job,
        future: Future[T],
        success: Callable[[T], object],
        failure: Callable[[Exception], object] | None,
    ) -> None:
        """Settle a finished job on the Qt thread."""
        del self._open[job]
        job._ended = time.monotonic()
        if not self._open:
            self._timer.stop()
        try:
            self._conclude(job, future, success, failure)
        finally:
            self._settle_releases()

    def _conclude(
        self,
        job: Job,
        future: Future[T],
        success: Callable[[T], object],
        failure: Callable[[Exception], object] | None,
    ) -> None:
        error = None if future.cancelled() else future.exception()
        if job.cancelled or future.cancelled() or isinstance(error, Cancelled):
            self._set_state(job, JobState.CANCELLED)
            return
        if error is None:
            self._set_state(job, JobState.DONE)
            success(future.result())
            return
        # What a tool said tells more than where our code was.
        said = getattr(error, "details", "")
        job.details = "\n".join([*([said] if said else []), *traceback.format_exception(error)])
        # The traceback's frames would keep images and buffers alive.
        job.error = error.with_traceback(None)
        self._set_state(job, JobState.FAILED)
        if failure is not None and isinstance(error, Exception):
            failure(error)
        else:
            self.failed.emit(job)

    def _set_state(self, job: Job, state: JobState) -> None:
        job.state = state
        self.changed.emit(job)

    def _settle_releases(self) -> None:
        due = [release for release in self._releases if not release.pending & self._open.keys()]
        for release in due:
            self._releases.remove(release)
            for executor in release.executors:
                executor.shutdown(wait=True)  # their work is over: the threads are just ending
            if release.then is not None:
                release.then()

    def _report_progress(self) -> None:
        for job in list(self._open):
            now = (job.done, job.total)
            if now != job._reported:
                job._reported = now
                self.progressed.emit(job)


def _belongs(lane: str, main: str) -> bool:
    return lane == main or lane.startswith(main + PART)
