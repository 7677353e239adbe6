"""Noticing that images change under us: the file watcher for promptness, a slow poll for all that it cannot see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from vmsnap_gui.control.locks import in_use
from vmsnap_gui.entries import EntryState, speakable
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.jobs import SCAN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmsnap_gui.entries import Entries, Entry
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs

SETTLE_MS = 300
"""A changed file is looked at after this time, so that a burst of writes is one change."""
POLL_MS = 4000
"""How often images are asked whether they changed and whether somebody uses them."""
POLLED = 500
"""Images of folders that are asked at once; of more, each time the next ones."""

Seen = tuple[Stamp | None, bool]
"""Stamp of a file (None: it is not there) and whether it is in use."""


class Watcher(QObject):
    """Tells when images or folders change.

    Signals:
        changed: (Path) The file or folder was changed, replaced, removed, or is there again.
        in_use_changed: (Path, bool) Somebody began or ended to use an image.
    """

    changed = Signal(object)
    in_use_changed = Signal(object, bool)

    def __init__(self, jobs: Jobs, entries: Entries, parent: QObject | None = None) -> None:
        """Watch nothing yet; poll (with `jobs`) what is in `entries`."""
        super().__init__(parent)
        self._jobs = jobs
        self._entries = entries
        self._poll: Job | None = None
        self._turn = 0
        self._pending: dict[Path, None] = {}
        self._held: frozenset[Path] = frozenset()
        self._wanted: set[Path] = set()
        self._files = QFileSystemWatcher(self)
        self._files.fileChanged.connect(self._noticed)
        self._files.directoryChanged.connect(self._noticed)
        self._settle = QTimer(self, interval=SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self._tell)
        self._clock = QTimer(self, interval=POLL_MS)
        self._clock.timeout.connect(self.poll)

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch exactly these files and folders; poll while there are any."""
        self._wanted = {path for path in paths if speakable(path)}
        watched = {*self._files.files(), *self._files.directories()}
        wanted = {str(path) for path in self._wanted}
        if watched - wanted:
            self._files.removePaths(sorted(watched - wanted))
        if wanted - watched:
            self._files.addPaths(sorted(wanted - watched))
        if wanted and not self._clock.isActive():
            self._clock.start()
        elif not wanted:
            self._clock.stop()

    def forget(self, path: Path) -> None:
        """Do not tell what was noticed of `path` so far: it is being read now."""
        self._pending.pop(path, None)

    def hold(self, paths: Iterable[Path]) -> None:
        """Tell nothing of exactly these images for now, under whatever name; what changes is told when they are let go.

        An image of which a snapshot is taken changes all the time, and each reading of it costs the window a turn.
        """
        self._held = frozenset(paths)
        if self._pending:
            self._settle.start()

    def stop(self) -> None:
        """Watch nothing any more and tell nothing any more."""
        self.watch(())
        self._settle.stop()
        self._pending.clear()
        if self._poll is not None:
            self._poll.cancel()

    def touch(self, path: Path) -> None:
        """Take `path` as changed: tells so after the settling time."""
        self._pending[path] = None
        if not self._settle.isActive():
            self._settle.start()

    def poll(self) -> None:
        """Look at the known images now, in a worker: at those that are watched, and in turn at the others."""
        if self._poll is not None and not self._poll.state.is_over:
            return
        entries = self._due()

        def work(progress: Progress) -> list[Seen]:
            return [_look(entry, progress) for entry in entries]

        self._poll = self._jobs.run(
            self.tr("Looking for changes"),
            work,
            lane=SCAN,
            success=lambda seen: self._compare(entries, seen),
            quiet=True,
        )

    def _due(self) -> list[Entry]:
        ready = [entry for entry in self._entries if entry.state is not EntryState.READING]
        watched = [entry for entry in ready if entry.path in self._wanted]
        others = [entry for entry in ready if entry.path not in self._wanted]
        start = self._turn if self._turn < len(others) else 0
        self._turn = start + POLLED
        return watched + others[start : start + POLLED]

    def _noticed(self, name: str) -> None:
        self.touch(Path(name))

    def _tell(self) -> None:
        pending, held = self._pending, self._held_files()
        self._pending = {path: None for path in pending if self._is_held(path, held)}
        # A replaced file is no longer watched; watch its successor before it is read, so that nothing is missed.
        self.watch(self._wanted)
        for path in pending:
            if path not in self._pending:
                self.changed.emit(path)

    def _compare(self, entries: list[Entry], seen: list[Seen]) -> None:
        held = self._held_files()
        for entry, (stamp, used) in zip(entries, seen, strict=True):
            if self._entries.get(entry.path) is not entry:
                continue  # it was read again or closed meanwhile
            if stamp != entry.stamp:
                self.touch(entry.path)
            elif used != entry.in_use and not self._is_held(entry.path, held):
                self.in_use_changed.emit(entry.path, used)

    def _held_files(self) -> set[tuple[int, int]]:
        """Return which files are held: QEMU may have been told another name of one than the person opened."""
        entries = (self._entries.get(path) for path in self._held)
        return {entry.stamp.file for entry in entries if entry is not None and entry.stamp is not None}

    def _is_held(self, path: Path, held: set[tuple[int, int]]) -> bool:
        entry = self._entries.get(path)
        same = entry is not None and entry.stamp is not None and entry.stamp.file in held
        return same or path in self._held


def _look(entry: Entry, progress: Progress) -> Seen:
    """Take a file's stamp and probe its locks; in a worker."""
    progress(0, 0)
    try:
        stamp = Stamp.of(entry.path.stat())
        return stamp, entry.info is not None and in_use(entry.path)
    except (OSError, ValueError, ImageError):
        return None, False
