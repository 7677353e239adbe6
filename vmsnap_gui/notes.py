"""Labels and notes on snapshots in the window: here at once, with undo, and written in a lane of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from vmsnap_gui.entries import speakable
from vmsnap_gui.note_store import KnownNotes, Note, NoteStore, moment_of, notes_file
from vmsnap_gui.telling import Report

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.reading import ImageInfo

_LANE = "notes"
_SETTLE_MS = 300  # what is written in one go is read once


class Notes(QObject):
    """The notes on all snapshots.

    Signals:
        changed: Some are others than before.
        problem: (Report) They cannot be read or written.
    """

    changed = Signal()
    problem = Signal(object)

    def __init__(self, jobs: Jobs, stack: QUndoStack, parent: QObject | None = None) -> None:
        """Read them; changes go on `stack`, to be undone with a person's other changes in their order."""
        super().__init__(parent)
        self.setObjectName("notes")
        self._jobs = jobs
        self._stack = stack
        self._known = KnownNotes()
        self._store = NoteStore(notes_file())
        self._writes: set[Job] = set()
        self._files = QFileSystemWatcher(self)
        self._settle = QTimer(self, interval=_SETTLE_MS, singleShot=True)
        self._settle.timeout.connect(self.read)
        self._files.fileChanged.connect(lambda _path: self._settle.start())
        self._files.directoryChanged.connect(self._folder_changed)
        self._awaited = self._store.file
        self.read()

    def stop(self) -> None:
        """Read them no more."""
        self._unwatch()
        self._settle.stop()

    def read(self) -> None:
        """Read them again: another window, or `vmsnap note`, may have written some."""
        self._unwatch()
        file = self._store.file
        for place in filter(speakable, (file, *file.parents)):
            if self._files.addPath(str(place)):
                break  # else it is not there yet, and a folder above tells when something comes
            self._awaited = place
        self._jobs.run(
            self.tr("Reading notes"),
            lambda _progress: self._store.read(),
            lane=_LANE,
            success=self._was_read,
            failure=self._failed,
            quiet=True,
        )

    def _folder_changed(self, _path: str) -> None:
        """Read them if it may be the file that came: other things come to a person's folders, too."""
        if self._awaited.exists():
            self._settle.start()

    def _unwatch(self) -> None:
        watched = [*self._files.files(), *self._files.directories()]
        if watched:
            self._files.removePaths(watched)

    def of(self, info: ImageInfo) -> tuple[Note, ...]:
        """Return the notes on the snapshots of an image; nothing where there is none at all."""
        return self._known.of(info.path, info.stamp, info.snapshots)

    def on(self, info: ImageInfo, snapshot: Snapshot) -> Note:
        """Return the note on a snapshot of an image; an empty one where there is none."""
        return self._on(info.path, info.stamp, snapshot)

    def put(self, info: ImageInfo, snapshot: Snapshot, note: Note) -> None:
        """Write another note on a snapshot; that can be undone."""
        if note != self.on(info, snapshot):
            self._stack.push(_Change(self, info.path, info.stamp, snapshot, note))

    def _on(self, path: Path, stamp: Stamp, snapshot: Snapshot) -> Note:
        return next(iter(self._known.of(path, stamp, [snapshot])), Note())

    def _set(self, path: Path, stamp: Stamp, snapshot: Snapshot, note: Note) -> Note:
        """Replace the note on a snapshot; returns what it was."""
        before = self._on(path, stamp, snapshot)
        self._known.add(os.fsencode(path), str(stamp.inode), moment_of(snapshot, stamp), note)
        job = self._jobs.run(
            self.tr("Writing a note"),
            lambda _progress: self._store.write(path, stamp, snapshot, note),
            lane=_LANE,
            success=lambda _done: None,
            failure=self._failed,
            quiet=True,
            writes=True,  # a window that is closed waits for it
        )
        self._writes = {one for one in (*self._writes, job) if not one.state.is_over}
        self.changed.emit()
        return before

    def _was_read(self, known: KnownNotes) -> None:
        if any(not one.state.is_over for one in self._writes):
            self.read()  # what is written meanwhile is not in it
        elif known != self._known:
            self._known = known
            self.changed.emit()

    def _failed(self, error: Exception) -> None:
        text = self.tr("%1. No image was changed.").replace("%1", str(error))
        self.problem.emit(Report(self.tr("Notes cannot be read or written"), text, repr(error)))


class _Change(QUndoCommand):
    """The note on a snapshot becomes another."""

    def __init__(self, notes: Notes, path: Path, stamp: Stamp, snapshot: Snapshot, note: Note) -> None:
        super().__init__(notes.tr("note on %1").replace("%1", snapshot.tag or path.name))
        self._owner, self._place, self._other = notes, (path, stamp, snapshot), note

    def redo(self) -> None:
        """Override QUndoCommand::redo."""
        self._other = self._owner._set(*self._place, self._other)

    def undo(self) -> None:
        """Override QUndoCommand::undo."""
        self._other = self._owner._set(*self._place, self._other)
