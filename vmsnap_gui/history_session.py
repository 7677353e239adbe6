"""How the snapshots of the selected image hang together: found out in a worker, kept while the image is the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from vmsnap_gui.entries import normal
from vmsnap_gui.history import History, look_into
from vmsnap_gui.jobs import PART
from vmsnap_gui.reading import Changed
from vmsnap_gui.telling import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PySide6.QtCore import SignalInstance

    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.reading import ImageInfo
    from vmsnap_gui.session import Session

_LANE = "history"
"""One of its own: those of an image are cleared whenever another of its snapshots is selected."""
_PAUSE_MS = 150
"""Until work begins: what was selected, and its state, are shown first."""
_KEPT = 32
"""Images whose results are kept."""


class HistorySession(QObject):
    """What is known of the histories of the selected image and of the other disks of its machine.

    Signals:
        changed: Something was found out or could not be, or work began or ended, or another image is selected.
        freed_changed: What deleting the chosen snapshots frees is known, or not any more.

    Attributes:
        freed: Bytes that deleting the chosen snapshots together gives back, on all disks, once it is known.
    """

    changed = Signal()
    freed_changed = Signal()

    def __init__(self, jobs: Jobs, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("history")
        self.freed: int | None = None
        self._jobs = jobs
        self._session = session
        self._found: dict[Path, History] = {}
        self._running: dict[Path, Job] = {}
        self._tried: dict[Path, tuple[Stamp, Sequence[object]]] = {}
        self._failures: dict[Path, str] = {}
        self._chosen: tuple[int, ...] = ()
        self._adding: Job | None = None
        self._goes_first: Callable[[], bool] = lambda: False
        self._soon = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._soon.timeout.connect(self._look_around)
        for signal in (
            session.selection_changed,
            session.state_loaded,
            session.state_failed,
            session.machines.changed,
        ):
            signal.connect(self._follow)
        session.library.entry_changed.connect(self._entry_changed)
        jobs.changed.connect(self._job_changed)

    def let_first(self, is_going: Callable[[], bool], over: SignalInstance) -> None:
        """Begin nothing by itself while something else is going on; `over` is emitted when it no longer is."""
        self._goes_first = is_going
        over.connect(self._soon.start)

    def history(self, path: Path | None = None) -> History | None:
        """Return what is known of an image, by default the selected one; perhaps from before its last change."""
        info = self._info(path or self._session.image)
        found = self._found.get(info.path) if info is not None else None
        if found is None or info is None or found.snapshots != info.snapshots:
            return None
        if found.at_least != info.in_use:
            found = self._found[info.path] = replace(found, at_least=info.in_use)
        return found if found.stamp.file == info.stamp.file else None

    def job(self) -> Job | None:
        """Return the job that is finding out about the selected image, if one is."""
        return self._running.get(self._session.image) if self._session.image is not None else None

    def failure(self) -> str:
        """Return why nothing can be found out about the selected image, a sentence; empty where nothing failed."""
        return self._failures.get(self._session.image, "") if self._session.image is not None else ""

    def is_outdated(self) -> bool:
        """Whether the selected image has been written to since what is known of it was found out."""
        found, info = self.history(), self._info(self._session.image)
        return found is not None and info is not None and found.stamp != info.stamp

    def is_waiting(self) -> bool:
        """Whether something is still being found out, or added up."""
        return bool(self._running) or self._adding is not None or self._soon.isActive()

    def disks(self) -> list[Path]:
        """Return the images of the disks of the selected one's machine that can hold snapshots; else only itself."""
        image = self._session.image
        vm = self._session.machines.of(image)
        paths = [normal(one.path) for one in vm.machine.fit_disks if one.path is not None] if vm is not None else []
        known = [path for path in paths if self._session.library.entries.get(path) is not None]
        return known if image in known else [image] if image is not None else []

    def start(self) -> None:
        """Find out about the selected image again."""
        info = self._info(self._session.image)
        if info is not None and info.path not in self._running:
            self._look_into(info)

    def hurry(self) -> None:
        """Find out what is not known yet, whatever else goes on: somebody looks."""
        if self._soon.isActive() or self._goes_first():
            self._soon.stop()
            self._look_around(waits=False)

    def cancel(self) -> None:
        """Stop finding out about the selected image."""
        job = self.job()
        if job is not None:
            job.cancel()

    def choose(self, positions: Sequence[int]) -> None:
        """Say what deleting these snapshots together frees, soon: `freed_changed` follows."""
        self._chosen = tuple(sorted(positions))
        self._add_up()

    def _info(self, path: Path | None) -> ImageInfo | None:
        entry = self._session.library.entries.get(path)
        return entry.info if entry is not None and entry.info is not None and entry.info.format == "qcow2" else None

    def _entry_changed(self, path: Path) -> None:
        if path in self.disks():
            self._follow()

    def _follow(self, *_: object) -> None:
        """Stop what is not shown any more; soon, look into what is."""
        wanted = self.disks()
        for path, job in list(self._running.items()):
            if path not in wanted:
                job.cancel()
        self._soon.start()
        self.changed.emit()

    def _look_around(self, *, waits: bool = True) -> None:
        """Look into what is shown and not known yet, once the selected state is there: that goes first."""
        if self._session.loading is not None or (waits and self._goes_first()):
            return
        for path in sorted(self.disks(), key=lambda one: one != self._session.image):
            info = self._info(path)
            if info is not None and self._is_new(info):
                self._look_into(info)

    def _is_new(self, info: ImageInfo) -> bool:
        """Whether an image is to be looked into; one that a machine writes to only when its snapshots change."""
        if not info.snapshots or info.path in self._running:
            return False
        if self._tried.get(info.path) == (info.stamp, info.snapshots):
            return False
        found = self.history(info.path)
        return found is None or (found.stamp != info.stamp and not info.in_use)

    def _look_into(self, info: ImageInfo) -> None:
        self._tried[info.path] = (info.stamp, info.snapshots)
        self._failures.pop(info.path, None)
        snapshots = info.snapshots
        self._running[info.path] = self._jobs.run(
            self.tr("Counting what the snapshots of %1 occupy").replace("%1", info.path.name),
            lambda progress: look_into(info.path, snapshots, progress),
            lane=_LANE,
            success=self._ready,
            failure=partial(self._failed, info.path),
            in_bytes=False,
        )
        self.changed.emit()

    def _ready(self, found: History) -> None:
        self._running.pop(found.path, None)
        self._found.pop(found.path, None)
        self._found[found.path] = found
        for path in list(self._found)[:-_KEPT]:
            del self._found[path]
        self._settle(found.path)

    def _failed(self, path: Path, error: Exception) -> None:
        self._running.pop(path, None)
        if isinstance(error, Changed):
            self._session.library.touch(path)
        else:
            self._failures[path] = sentence(error)
        self._settle(path)

    def _job_changed(self, job: Job) -> None:
        """Note that a job was cancelled, here or in the list of jobs: it calls nothing back then."""
        for path in [path for path, one in self._running.items() if one is job and job.cancelled]:
            del self._running[path]
            if path not in self.disks():
                self._tried.pop(path, None)  # nobody was against it: it is looked into when it is shown again
            self.changed.emit()

    def _settle(self, path: Path) -> None:
        self._follow()  # the image may have changed meanwhile
        if path in self.disks():
            self._add_up()

    def _add_up(self) -> None:
        if self._adding is not None:
            self._adding.cancel()
            self._adding = None
        parts = self._parts()
        if not parts:
            self._tell(None)
        elif all(len(positions) == 1 for _, positions in parts):
            self._tell(sum(found.frees[positions[0]] for found, positions in parts))
        else:
            self._adding = self._jobs.run(
                self.tr("Adding up"),
                lambda _progress: sum(found.freed_by(positions) for found, positions in parts),
                lane=f"{_LANE}{PART}sum",
                success=self._added_up,
                quiet=True,
            )

    def _parts(self) -> list[tuple[History, list[int]]]:
        """Return the chosen snapshots on each disk that has them, by their tags; nothing if not all are counted."""
        here, parts = self.history(), []
        if here is None or not self._chosen or self._chosen[-1] >= len(here.snapshots):
            return []
        tags = {here.snapshots[position].tag for position in self._chosen}
        for path in self.disks():
            found = self.history(path)
            info = self._info(path)
            if found is None and info is not None and not info.snapshots:
                continue  # it has none that could be deleted
            if found is None or found.usage is None:
                return []
            on = [number for number, one in enumerate(found.snapshots) if one.tag in tags]
            on = list(self._chosen) if found is here else on
            parts += [(found, on)] if on else []
        return parts

    def _added_up(self, freed: int) -> None:
        self._adding = None
        self._tell(freed)

    def _tell(self, freed: int | None) -> None:
        self.freed = freed
        self.freed_changed.emit()
