"""Exporting the shown state as a stream, with the person's edits; undoing those."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence

from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import numbers, words
from vmsnap_gui.session import Report, sentence

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session


class ExportActions(QObject):
    """What the window offers.

    Signals:
        message: (str) What was done.
        problem: (Report) What went wrong.

    Attributes:
        export: Write the shown state as a stream.
        undo, redo: Of edits.
    """

    message = Signal(str)
    problem = Signal(object)

    def __init__(self, window: QMainWindow, session: Session, jobs: Jobs) -> None:
        super().__init__(window)
        self._window, self._session, self._jobs = window, session, jobs
        self.export = QAction(self.tr("E&xport as a stream…"), window)
        self.export.setObjectName("export_stream")
        self.export.setShortcut(QKeySequence("Ctrl+E"))
        self.export.triggered.connect(self.ask)
        stack = session.edits.stack
        self.undo = stack.createUndoAction(window, self.tr("&Undo"))
        self.undo.setObjectName("undo_edit")
        self.undo.setShortcuts(QKeySequence.StandardKey.Undo)
        self.redo = stack.createRedoAction(window, self.tr("&Redo"))
        self.redo.setObjectName("redo_edit")
        self.redo.setShortcuts(QKeySequence.StandardKey.Redo)
        for action in (self.export, self.undo, self.redo):
            window.addAction(action)
        for signal in (session.state_loaded, session.state_cleared, session.state_failed):
            signal.connect(self._enable)
        self._enable()

    def ask(self) -> None:
        """Ask where to write the stream."""
        from vmsnap_gui.views import dialogs

        state = self._session.loaded
        if state is not None:
            tag = words.snapshot_name(state.snapshot)
            name = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{state.key.path.stem}-{tag}")
            dialogs.ask_stream(self._window, state.key.path.parent, name, self.write)

    def write(self, path: Path) -> None:
        """Write the shown state, with the person's edits, to a file."""
        state = self._session.loaded
        if state is None:
            return
        edits = self._session.edits.of(state)

        def work(progress: Progress) -> int:
            from vmsnap_gui.exporting import export_stream

            return export_stream(path, state.vmstate, edits, state.key.path, progress)

        self._jobs.run(
            self.tr("Exporting a state of %1").replace("%1", words.name_text(state.key.path)),
            work,
            lane=lane_of(state.key.path, "export"),
            success=partial(self._done, path, len(edits)),
            failure=self._failed,
        )

    def _done(self, path: Path, edits: int, size: int) -> None:
        text = self.tr("Exported %1 to %2").replace("%1", numbers.size(size)).replace("%2", words.path_text(path))
        if edits:
            text += self.tr(", with %1 edited").replace("%1", words.fields(edits))
        self.message.emit(text)

    def _failed(self, error: Exception) -> None:
        text = self.tr("%1 No image was changed, and no other file.").replace("%1", words.sentence(sentence(error)))
        self.problem.emit(Report(self.tr("The state was not exported"), text, repr(error)))

    def _enable(self, *_: object) -> None:
        ready = self._session.loaded is not None
        self.export.setEnabled(ready)
        tip = self.tr("Write this saved state to a file that QEMU loads with -incoming (Ctrl+E)")
        self.export.setToolTip(tip if ready else self.tr("Select a snapshot that holds a state of the machine"))
