"""What is open: keeps the library's lines true by reading, scanning and watching what is in it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.entries import Entries, Entry, EntryState
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image_cache import ImageCache, cache_file
from vmsnap_gui.jobs import SCAN
from vmsnap_gui.reading import Found, look_at
from vmsnap_gui.scanning import FolderScan
from vmsnap_gui.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.reading import ImageInfo
    from vmsnap_gui.scanning import Seen


class Library(QObject):
    """The open images and folders.

    Signals:
        entries_added: (list[Path]) Entries came, all in one folder or all without one.
        entry_changed, entry_removed: (Path) A line changed or went.
        was_read: (Path, ImageInfo | None, ImageInfo | None) A line was read (again): what was known of it before,
            and what is known now.

    Attributes:
        entries: The lines; look at them, but change them only through this class.
        cache: What was read of images in folders, kept for the next start; for workers.
    """

    entries_added = Signal(object)
    entry_changed = Signal(object)
    entry_removed = Signal(object)
    was_read = Signal(object, object, object)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entries = Entries()
        self.cache = ImageCache(cache_file())
        self._jobs = jobs
        self._attention: Path | None = None
        self._scans: dict[Path, FolderScan] = {}
        self._newest: dict[Path, int] = {}
        self._attached: set[Path] = set()
        self._folders: dict[Path, frozenset[Path]] = {}
        self._watcher = Watcher(jobs, self.entries, self)
        self._watcher.changed.connect(self._changed)
        self._watcher.in_use_changed.connect(self.reload)

    def open(self, *paths: Path) -> None:
        """Add images and folders, those that are not there."""
        new = []
        for path in paths:
            old = self.entries.get(path)
            if old is None or old.attached:
                self.entries.add(Entry(path) if old is None else replace(old, attached=False))
                new.append(path)
        if new:
            self.entries_added.emit(new)
            self._watch()
        for path in new:
            self._look(path)

    def close(self, *paths: Path) -> None:
        """Take images, and folders with their images, out."""
        gone = []
        for path in paths:
            self._stop_scan(path)
            self._folders.pop(path, None)
            gone += self.entries.remove(path)
        for one in gone:
            self._newest.pop(one, None)
            self.entry_removed.emit(one)
        self._watch()
        self._attach_missing()

    def attach(self, paths: Iterable[Path]) -> None:
        """Keep these images, the disks of machines, and no others beside those that were opened."""
        before, self._attached = self._attached, set(paths)
        for path in before - self._attached:
            entry = self.entries.get(path)
            if entry is None or not entry.attached:
                continue
            if path == self._attention:
                self.open(path)  # its machine ended, but somebody looks at it
            else:
                self.close(path)
        self._attach_missing()

    def _attach_missing(self) -> None:
        for path in self._attached:
            if path not in self.entries:
                self.entries.add(Entry(path, attached=True))
                self.entries_added.emit([path])
                self._look(path)

    def reload(self, path: Path) -> None:
        """Read an image or a folder again."""
        if path in self.entries:
            self._watcher.forget(path)
            self._change(path, state=EntryState.READING)
            self._look(path)

    def _changed(self, path: Path) -> None:
        """Read again what changed; a folder that was found in another one: that one, since images came or went."""
        if path not in self.entries:
            path = next((one for one, below in self._folders.items() if path in below), path)
        self.reload(path)

    def note_machines(self, path: Path, machines: tuple[str, ...], info: ImageInfo) -> None:
        """Keep the machine types that were read of an image, as long as it is as it was in `info`."""
        entry = self.entries.get(path)
        if entry is not None and entry.info is not None and entry.info.holds_still(info):
            self._change(path, info=replace(entry.info, machines=machines))

    def check(self) -> None:
        """Look now for images that changed, or that somebody began or ended to use; it is done now and then anyway."""
        self._watcher.poll()

    def touch(self, path: Path) -> None:
        """Read an image again soon: it is known to have changed."""
        self._watcher.touch(path)

    def hold(self, paths: Iterable[Path]) -> None:
        """Do not read these images, and no others, again by itself for now: they are being written to."""
        self._watcher.hold(paths)

    def doubt(self, path: Path, doubtful: bool) -> None:
        """Note that an image may only be checked and repaired, or that it is free again."""
        self._change(path, doubtful=doubtful)

    def attend(self, path: Path | None) -> None:
        """Watch this image, the one that is looked at, even if it was only found in a folder."""
        self._attention = path
        self._watch()

    def is_scanning(self) -> bool:
        """Whether a folder is being looked through."""
        return bool(self._scans)

    def stop(self) -> None:
        """Read and watch nothing any more."""
        self._watcher.stop()
        for path in list(self._scans):
            self._stop_scan(path)

    def _look(self, path: Path) -> None:
        self._jobs.run(
            self.tr("Reading %1").replace("%1", path.name),
            lambda _progress: look_at(path),
            lane=SCAN,
            success=self._found,
            failure=partial(self._not_looked_at, path, time.monotonic_ns()),
            quiet=True,
        )

    def _not_looked_at(self, path: Path, began: int, error: Exception) -> None:
        """Say that a reading broke in a way that nobody foresaw; the line must not say "reading" for ever."""
        self._found(Found(path, None, error=ImageError(f"it cannot be read: {error!r}", path=path), began=began))

    def _found(self, found: Found) -> None:
        path = found.path
        old = self.entries.get(path)
        # Two threads read, and a folder's scan besides: an older reading may arrive after a newer one.
        if old is None or found.began < self._newest.get(path, 0):
            return
        self._newest[path] = found.began
        state = _state(found)
        info = _with_machines_of(old.info, found.info)
        changed = self.entries.update(
            path, state=state, is_folder=found.is_folder, info=info, error=found.error, stamp=found.stamp
        )
        if old.parent is None or path == self._attention:
            self._watch()
        # First what decides, then what shows: the selection must fit before anybody looks at the new snapshots.
        self.was_read.emit(path, old.info, info)
        if changed and not (old.state is EntryState.READING and state is EntryState.READY and info == old.info):
            self.entry_changed.emit(path)
        if found.is_folder:
            self._scan(path)

    def _scan(self, folder: Path) -> None:
        self._stop_scan(folder)
        scan = self._scans[folder] = FolderScan(self._jobs, folder, self.cache, self)
        scan.found.connect(partial(self._found_in, folder))
        scan.ended.connect(partial(self._scanned, folder))
        scan.start()

    def _stop_scan(self, folder: Path) -> None:
        scan = self._scans.pop(folder, None)
        if scan is not None:
            scan.stop()

    def _found_in(self, folder: Path, several: list[Found]) -> None:
        ours, new, lines = [], [], []
        for found in several:
            old = self.entries.get(found.path)
            if old is None:  # with all that is known of it: there may be thousands, and each change is told
                self.entries.add(_entry(found, folder))
                self._newest[found.path] = found.began
                new.append(found)
            elif old.attached:
                self.entries.add(replace(old, parent=folder, attached=False))
                ours.append(found)
            elif old.parent == folder and not found.cached:  # else it was opened itself, too, or was read already
                ours.append(found)
                continue
            else:
                continue
            lines.append(found.path)
        if lines:
            self.entries_added.emit(lines)
        for found in new:
            self.was_read.emit(found.path, None, found.info)
        for found in ours:
            self._found(found)

    def _scanned(self, folder: Path, seen: Seen, error: Exception | None) -> None:
        self._stop_scan(folder)
        self._folders[folder] = seen.folders
        gone = [child.path for child in self.entries.children(folder) if str(child.path) not in seen.names]
        self.close(*gone)  # which watches what there is now
        state = EntryState.READY if error is None else EntryState.FAILED
        self._change(folder, state=state, error=error)
        self.was_read.emit(folder, None, None)

    def _change(self, path: Path, **changes: object) -> None:
        if self.entries.update(path, **changes):
            self.entry_changed.emit(path)

    def _watch(self) -> None:
        paths = set(self.entries.opened()).union(*self._folders.values())
        if self._attention is not None:
            paths.add(self._attention)
        self._watcher.watch(paths)


def _state(found: Found) -> EntryState:
    if found.is_folder or (found.cached and found.info is not None):
        return EntryState.READING  # until it has been looked through, or at
    return EntryState.READY if found.info is not None else EntryState.FAILED


def _entry(found: Found, folder: Path) -> Entry:
    """Return the line of an image that was found in a folder."""
    state = _state(found)
    return Entry(found.path, folder, state, info=found.info, error=found.error, stamp=found.stamp)


def _with_machines_of(old: ImageInfo | None, new: ImageInfo | None) -> ImageInfo | None:
    """Return what was read, with the machine types that are known of the same snapshots."""
    if old is None or new is None or new.machines is not None or not new.holds_still(old):
        return new
    return replace(new, machines=old.machines)
