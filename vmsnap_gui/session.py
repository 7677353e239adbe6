"""What is open and what is selected: the one place that decides, and that tells the views what changed.

Views call the session's methods and listen to its signals; they never open a file. Everything that reads runs in the
session's jobs, and what a view needs is made ready there (`LoadedState`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.edits import Edits
from vmsnap_gui.entries import normal
from vmsnap_gui.jobs import SCAN
from vmsnap_gui.library import Library
from vmsnap_gui.library_search import LibrarySearch
from vmsnap_gui.machines import Machines
from vmsnap_gui.notes import Notes
from vmsnap_gui.settings import Choice
from vmsnap_gui.state_loader import StateLoader
from vmsnap_gui.telling import Report
from vmsnap_gui.vms import demo_machine_image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vmsnap_gui.entries import Entry
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.reading import ImageInfo, LoadedState, StateKey
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.ram import RamIndex


class Session(QObject):
    """What is open and selected.

    Signals:
        selection_changed: Another image or snapshot is selected (or none), or the selected image was read again.
        state_loading: (StateKey) A saved state is being read.
        state_loaded: (LoadedState) It is ready: `loaded` holds it.
        state_failed: (StateKey, str) It cannot be read; the sentence says why. `failure` holds the exception.
        state_cleared: No saved state is shown any more (also before another one is loaded).
        ram_indexed: (StateKey, RamIndex) The memory of the loaded state is indexed: `ram` holds the index.
        ram_failed: (StateKey, str) It cannot be indexed; the sentence says why.
        field_wanted: (int, str) Show the field: index into `LoadedState.trees`, field path ("" for the section).
        problem: (Report) Tell the person.

    Attributes:
        library: What is open; it has signals of its own.
        machines: The virtual machines that are known; their images are in the library, too.
        edits: Other values for fields, until they are exported or given up.
        notes: What the person wrote about snapshots.
        search: What the person searches for in the library, and what was found.
        image: The selected image or folder.
        snapshot: The selected snapshot, as a position in its image's table.
    """

    selection_changed = Signal()
    field_wanted = Signal(int, str)
    problem = Signal(object)

    def __init__(self, jobs: Jobs, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("session")
        self.library = Library(jobs, self)
        self.edits = Edits(jobs, self)
        self.notes = Notes(jobs, self.edits.stack, self)
        self.search = LibrarySearch(jobs, self.library, self.notes, self)
        self.machines = Machines(jobs, self.library, self)
        self._state = StateLoader(jobs, self)
        self.image: Path | None = None
        self.snapshot: int | None = None
        self._jobs = jobs
        self._settings = settings
        self._wanted: Choice | None = None
        self._stale: set[Path] = set()
        self._unseen: set[Path] = set()  # opened in this run, and not found so far
        self._mistyped: set[Path] = set()  # of these, what is not there
        self._expected: Path | None = None
        self.state_loading = self._state.state_loading
        self.state_loaded = self._state.state_loaded
        self.state_failed = self._state.state_failed
        self.state_cleared = self._state.state_cleared
        self.ram_indexed = self._state.ram_indexed
        self.ram_failed = self._state.ram_failed
        self._state.overtaken.connect(self._overtaken)
        self.notes.problem.connect(self.problem)
        self.library.was_read.connect(self._was_read)
        self.library.entry_removed.connect(self._removed)
        self.machines.changed.connect(self._turn_to_expected)

    @property
    def loading(self) -> StateKey | None:
        """The state that is being read, if one is."""
        return self._state.loading

    @property
    def loaded(self) -> LoadedState | None:
        """The state that is shown, if one is."""
        return self._state.loaded

    @property
    def failure(self) -> Exception | None:
        """Why the selected snapshot's state cannot be shown, if it cannot."""
        return self._state.failure

    @property
    def layouts(self) -> tuple[LayoutSource, ...]:
        """What states that do not describe themselves are read by, the first of them first."""
        return self._state.layouts

    @property
    def ram(self) -> RamIndex | None:
        """The index of the loaded state's memory, once it is made."""
        return self._state.ram

    @property
    def ram_job(self) -> Job | None:
        """The job that makes it, or made it, for its progress; it can be cancelled."""
        return self._state.ram_job

    # What people ask for

    def restore(self) -> None:
        """Open again what was open in the last run, with its selection."""
        opened = self._settings.opened
        self._wanted = self._settings.choice
        self.library.open(*opened)
        if self._wanted is not None:
            # An image in a folder is not there yet; it is selected when the folder's scan finds it.
            self.select_image(self._wanted.path)
        elif opened:
            self.select_image(opened[0])

    def open_paths(self, paths: Iterable[Path]) -> None:
        """Open images and folders, and select the first of them."""
        opened = [normal(path) for path in paths]
        for path in opened:
            entry = self.library.entries.get(path)
            if entry is not None and not entry.attached:
                self.library.reload(path)
            else:
                self._unseen.add(path)
        self.library.open(*opened)
        self._settings.add_recent(*opened)
        if opened:
            self._wanted = None
            self.select_image(opened[0])

    def open_demo(self) -> None:
        """Open the demo image."""
        from vmsnap_gui.demo import demo_image

        self._jobs.run(
            self.tr("Opening the demo"),
            lambda _progress: demo_image(),
            lane=SCAN,
            success=self._demo_ready,
            failure=self._demo_failed,
        )

    def show_demo_machine(self) -> None:
        """Set up the demo machine, with its launch profile, where it is not there yet, and select it."""
        self._jobs.run(
            self.tr("Setting up the demo machine"),
            lambda _progress: demo_machine_image(),
            lane=SCAN,
            success=self._demo_machine_ready,
            failure=self._demo_machine_failed,
        )

    def close_image(self, path: Path) -> None:
        """Take an image or a folder out of the library."""
        order = [entry.path for entry in self.library.entries]
        at = order.index(path) if path in order else 0
        had = self.image
        self.library.close(path)
        if self.image is None and had is not None:
            rest = [one for one in order[at:] + order[:at][::-1] if one in self.library.entries]
            self.select_image(rest[0] if rest else None)
        self._remember()

    def close_all(self) -> None:
        """Empty the library."""
        self.library.close(*self.library.entries.opened())
        self._remember()

    def reload(self, path: Path) -> None:
        """Read an image or a folder again, keeping the selection."""
        self._stale.add(path)
        self.library.reload(path)

    def select_image(self, path: Path | None) -> None:
        """Select an image (with the snapshot that was wanted of it, or its newest), a folder, or nothing."""
        entry = self.library.entries.get(path)
        if path == self.image or (path is not None and entry is None):
            return
        self._turn_to(path, None)
        if entry is not None and entry.info is not None:
            self._choose(entry.info)
        else:
            self.selection_changed.emit()

    def select_snapshot(self, path: Path, index: int | None) -> None:
        """Select a snapshot by its position in its image's table (None: only the image)."""
        entry = self.library.entries.get(path)
        if (path, index) == (self.image, self.snapshot) or entry is None or entry.info is None:
            return
        if index is not None and index >= len(entry.info.snapshots):
            return
        self._turn_to(path, index)
        self._wanted = None
        self._remember()
        self.selection_changed.emit()
        self._load(entry.info)

    def select_state(self, path: Path, snapshot: Snapshot) -> None:
        """Select a snapshot of an image, which is opened first where it is not; where it is gone, the newest."""
        wanted = Choice(path, snapshot.id, snapshot.tag, snapshot.date_sec)
        entry = self.library.entries.get(path)
        if entry is not None and entry.info is not None:
            self.select_snapshot(path, _find(entry.info, wanted))
        else:
            self.open_paths([path])
            self._wanted = wanted

    def index_ram(self) -> None:
        """Index the memory of the loaded state, unless that is done or under way; `ram_indexed` follows."""
        self._state.index_ram()

    def use_layouts(self, source: LayoutSource) -> None:
        """Use layouts for states that do not describe themselves, from now on; the selected image is read again."""
        self._state.use_layouts(source)
        if self.image is not None:
            self.reload(self.image)

    def expect(self, tag: str, id_: str | None = None) -> None:
        """Select the snapshot of this tag, and of this id if it is known, when the selected image is read next."""
        if self.image is not None:
            self._wanted = Choice(self.image, id_, tag, None)

    def show_field(self, section: int, path: str) -> None:
        """Have the Devices tab show a field."""
        self.field_wanted.emit(section, path)

    def entry(self) -> Entry | None:
        """Return the selected library entry."""
        return self.library.entries.get(self.image)

    def selected_snapshot(self) -> Snapshot | None:
        """Return the selected snapshot's entry."""
        entry = self.entry()
        if entry is None or entry.info is None or self.snapshot is None:
            return None
        # While the library tells of a new table, the selection may not have been put right in it yet.
        return entry.info.snapshots[self.snapshot] if self.snapshot < len(entry.info.snapshots) else None

    def shutdown(self) -> None:
        """Remember what is open, stop watching and close all files; the jobs are shut down afterwards."""
        self._remember()
        self.search.stop()
        self.notes.stop()
        self.machines.stop()
        self.library.stop()
        self._drop_state(close=True)

    # What the library tells

    def _was_read(self, path: Path, old: ImageInfo | None, new: ImageInfo | None) -> None:
        stale = path in self._stale
        self._stale.discard(path)
        self._see(path)
        if path == self.image:
            self._selected_was_read(old, new, stale=stale)
        elif self.image is None and self._wanted is not None and path == self._wanted.path:
            self.select_image(path)

    def _see(self, path: Path) -> None:
        """Find out whether what was opened is there at all; a mistyped name is none to remember."""
        entry = self.library.entries.get(path)
        if entry is not None and entry.stamp is not None:
            self._unseen.discard(path)
            self._mistyped.discard(path)
        elif path in self._unseen:
            self._mistyped.add(path)
            self._settings.forget_recent(path)

    def _selected_was_read(self, old: ImageInfo | None, new: ImageInfo | None, *, stale: bool) -> None:
        """Keep what is loaded of the selected image where it still holds; else load it again."""
        if new is None:
            if old is not None and self._wanted is None:
                self._wanted = self._choice(old)  # it may come back
            self._drop_state(close=True)
            self.snapshot = None
            self.selection_changed.emit()
        elif old is None:
            self._choose(new)
        elif stale or self._expects(new.path) or not new.holds_still(old):
            if not self._expects(new.path):
                self._wanted = self._choice(old)
            self._drop_state(close=True)
            self._choose(new)
        else:
            self.selection_changed.emit()

    def _expects(self, path: Path) -> bool:
        return self._wanted is not None and self._wanted.path == path

    def _removed(self, path: Path) -> None:
        if path == self.image:
            self._turn_to(None, None)
            self.selection_changed.emit()

    def _demo_ready(self, path: Path) -> None:
        path = normal(path)
        self.library.open(path)
        self._wanted = None
        self.select_image(path)

    def _demo_failed(self, error: Exception) -> None:
        text = self.tr("The demo image could not be made ready: %1. Nothing else is affected.")
        self.problem.emit(Report(self.tr("The demo cannot be opened"), text.replace("%1", str(error)), repr(error)))

    def _demo_machine_ready(self, path: Path) -> None:
        self._expected = normal(path)
        self._turn_to_expected()
        self.machines.refresh()

    def _turn_to_expected(self) -> None:
        """Select the image of the machine that was asked for, once the library has it."""
        if self._expected is not None and self._expected in self.library.entries:
            self.select_image(self._expected)
            self._expected = None

    def _demo_machine_failed(self, error: Exception) -> None:
        text = self.tr("%1. Nothing else is affected.").replace("%1", str(error))
        self.problem.emit(Report(self.tr("The demo machine cannot be set up"), text, repr(error)))

    # The selected state

    def _turn_to(self, image: Path | None, snapshot: int | None) -> None:
        self._drop_state(close=image != self.image)
        self.image, self.snapshot = image, snapshot
        self._expected = None
        self.library.attend(image)

    def _choose(self, info: ImageInfo) -> None:
        """Select the wanted snapshot of the selected image, or its newest, and load it."""
        wanted, self._wanted = self._wanted, None
        self.snapshot = _find(info, wanted) if wanted is not None and wanted.path == info.path else _newest(info)
        self._remember()
        self.selection_changed.emit()
        self._load(info)

    def _load(self, info: ImageInfo) -> None:
        if self.snapshot is not None:
            self._state.load(info.path, self.snapshot, info.snapshots[self.snapshot])

    def _overtaken(self, path: Path) -> None:
        """Have an image looked at again that changed while its state was read."""
        if self.loaded is None:
            self._stale.add(path)
        self.library.touch(path)

    def _drop_state(self, *, close: bool) -> None:
        """Cancel all work on the selected snapshot and forget its state; close the image if asked."""
        self._state.drop(self.image, close=close)

    def _choice(self, info: ImageInfo | None) -> Choice | None:
        if self.image is None:
            return None
        if info is None or self.snapshot is None:
            return Choice(self.image, None, None, None)
        snapshot = info.snapshots[self.snapshot]
        return Choice(self.image, snapshot.id, snapshot.tag, snapshot.date_sec)

    def _remember(self) -> None:
        entry = self.entry()
        self._settings.opened = [path for path in self.library.entries.opened() if path not in self._mistyped]
        if self._wanted is None:
            self._settings.choice = self._choice(entry.info if entry is not None else None)


def _newest(info: ImageInfo) -> int | None:
    dates = [(one.date_sec or 0, one.date_nsec, index) for index, one in enumerate(info.snapshots)]
    return max(dates)[2] if dates else None


def _find(info: ImageInfo, wanted: Choice) -> int | None:
    """Find the snapshot that is wanted: by id, tag and date, else by what is known of id and tag, else the newest."""
    names = [(one.id, one.tag, one.date_sec) for one in info.snapshots]
    exact = (wanted.id, wanted.tag, wanted.date_sec)
    if exact in names:
        return names.index(exact)
    near = [index for index, name in enumerate(names) if name[1] == wanted.tag and wanted.id in (None, name[0])]
    return near[-1] if near else _newest(info)
