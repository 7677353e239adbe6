"""The saved state of the selected snapshot: it is read in the session's jobs, and its memory indexed when wanted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from vmsnap_gui.jobs import lane_of
from vmsnap_gui.reading import Changed, DiskOnly, Reader, StateKey
from vmsnap_gui.telling import sentence

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.ram import RamIndex

SOON_MS = 20
"""How long a snapshot is selected before its state is loaded."""


class StateLoader(QObject):
    """Loads one state at a time; what it says and holds is told by the session, see there.

    Signals:
        overtaken: (Path) The file changed while its state was read. If nothing is loaded, the snapshot is not there
            any more; else the parts of the state may not belong together.
    """

    state_loading = Signal(object)
    state_loaded = Signal(object)
    state_failed = Signal(object, str)
    state_cleared = Signal()
    ram_indexed = Signal(object, object)
    ram_failed = Signal(object, str)
    overtaken = Signal(object)

    def __init__(self, jobs: Jobs, parent: QObject) -> None:
        super().__init__(parent)
        self.loading: StateKey | None = None
        self.loaded: LoadedState | None = None
        self.failure: Exception | None = None
        self.ram: RamIndex | None = None
        self.ram_job: Job | None = None
        self._jobs = jobs
        self.layouts: tuple[LayoutSource, ...] = ()  # the last first
        self._reader: Reader | None = None
        self._snapshot: Snapshot | None = None
        self._readings = 0
        # Short: so that stepping through a list by its arrow keys loads only where it stops, and the list is painted
        # before the loading takes the interpreter's time.
        self._soon = QTimer(self, interval=SOON_MS, singleShot=True)
        self._soon.timeout.connect(self._load_now)

    def load(self, path: Path, index: int, snapshot: Snapshot) -> None:
        """Load the state of a snapshot, soon: `state_loaded` or `state_failed` follows, unless it is dropped before.

        Args:
            path: The image: the one of the state before, or that was dropped with `close`.
            index: The snapshot's position in the image's table.
            snapshot: Its entry there.
        """
        self._readings += 1
        key = StateKey(path, index, snapshot.id, snapshot.tag, self._readings)
        if not snapshot.vm_state_size:
            self._fail(key, DiskOnly(self.tr("This snapshot holds the disk only, no state of the machine"), path=path))
            return
        self.loading, self._snapshot = key, snapshot
        self.state_loading.emit(key)
        self._soon.start()

    def use_layouts(self, source: LayoutSource) -> None:
        """Use layouts for states that do not describe themselves, from the next one on."""
        self.layouts = (source, *(one for one in self.layouts if one.name != source.name))

    def index_ram(self) -> None:
        """Index the memory of the loaded state, unless that is done or under way; `ram_indexed` follows."""
        state = self.loaded
        running = self.ram_job is not None and not self.ram_job.state.is_over and not self.ram_job.cancelled
        if state is None or self.ram is not None or running:
            return
        self.ram_job = self._jobs.run(
            self.tr("Indexing memory of %1").replace("%1", state.key.path.name),
            state.vmstate.index_ram,
            lane=lane_of(state.key.path, "memory"),
            success=partial(self._ram_ready, state.key),
            failure=partial(self._ram_broke, state.key),
        )

    def drop(self, path: Path | None, *, close: bool) -> None:
        """Cancel all work on the snapshots of an image and forget the state; close the image if asked."""
        self._soon.stop()
        if path is not None:
            lane = lane_of(path)
            for job in self._jobs.unfinished(lane):
                job.cancel()
            if close:
                reader, self._reader = self._reader, None
                self._jobs.release(lane, reader.close if reader is not None else None)
        shown = self.loading or self.loaded or self.failure
        self.loading = self.loaded = self.failure = self.ram = self.ram_job = None
        if shown:
            self.state_cleared.emit()

    def _load_now(self) -> None:
        key, snapshot = self.loading, self._snapshot
        if key is None or snapshot is None:
            return
        if self._reader is None:
            self._reader = Reader(key.path)
        reader, layouts = self._reader, self.layouts
        self._jobs.run(
            self.tr("Reading the saved state of %1").replace("%1", key.path.name),
            lambda progress: reader.load(key, snapshot, progress, layouts),
            lane=key.lane,
            success=self._state_ready,
            failure=partial(self._state_broke, key),
        )

    def _state_ready(self, state: LoadedState) -> None:
        self.loading = None
        self.loaded = state
        self.state_loaded.emit(state)
        if state.torn:
            self.overtaken.emit(state.key.path)

    def _state_broke(self, key: StateKey, error: Exception) -> None:
        self.loading = None
        if isinstance(error, Changed):
            self.overtaken.emit(key.path)
        else:
            self._fail(key, error)

    def _fail(self, key: StateKey, error: Exception) -> None:
        self.failure = error
        self.state_failed.emit(key, sentence(error))

    def _ram_ready(self, key: StateKey, index: RamIndex) -> None:
        self.ram = index
        self.ram_indexed.emit(key, index)

    def _ram_broke(self, key: StateKey, error: Exception) -> None:
        self.ram_failed.emit(key, sentence(error))
