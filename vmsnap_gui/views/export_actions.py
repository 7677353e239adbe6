"""Exporting the shown state as a stream, with the person's edits; undoing those."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from vmsnap_gui.edits import name_of
from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import numbers, words
from vmsnap_gui.telling import Report, sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow

    from vmsnap_gui.edits import StateName
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.session import Session
    from vmsnap_gui.vmstate.editing import Edit


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
        self.export.triggered.connect(lambda: self.ask())
        self._waiting: tuple[StateName, Callable[[], object]] | None = None
        session.state_loaded.connect(self._ask_for_waiting)
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

    def ask(self, then: Callable[[], object] | None = None) -> None:
        """Ask where to write the stream; `then` is called when it was written."""
        from vmsnap_gui.views import dialogs

        state = self._session.loaded
        if state is not None:
            tag = words.snapshot_name(state.snapshot)
            name = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{state.key.path.stem}-{tag}")
            dialogs.ask_stream(self._window, state.key.path.parent, name, lambda path: self.write(path, then))

    def settled(self, then: Callable[[], object]) -> bool:
        """Whether no edit would be lost now; else ask, and call `then` once one state is exported or all are given up.

        `then` has to ask again: edits of other states may be left.
        """
        from vmsnap_gui.views import dialogs

        edits = self._session.edits
        left = edits.unexported()
        if left and self._window.findChild(QWidget, "edits_left") is None:

            def discard() -> None:
                edits.settle(left)
                then()

            dialogs.ask_about_edits(
                self._window,
                [_told(path, snapshot, len(changed)) for (path, snapshot), changed in left.items()],
                lambda: self._export(next(iter(left)), then),
                discard,
            )
        return not left

    def _export(self, name: StateName, then: Callable[[], object]) -> None:
        """Ask where to write this state, once it is shown."""
        state = self._session.loaded
        if state is not None and name_of(state) == name:
            self.ask(then)
        else:
            self._waiting = name, then
            self._session.select_state(*name)

    def _ask_for_waiting(self, state: LoadedState) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and name_of(state) == waiting[0]:
            self.ask(waiting[1])

    def write(self, path: Path, then: Callable[[], object] | None = None) -> None:
        """Write the shown state, with the person's edits, to a file; `then` is called when it was written."""
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
            success=partial(self._done, path, {name_of(state): edits}, then),
            failure=self._failed,
        )

    def _done(
        self, path: Path, exported: dict[StateName, tuple[Edit, ...]], then: Callable[[], object] | None, size: int
    ) -> None:
        self._session.edits.settle(exported)
        (edits,) = exported.values()
        text = self.tr("Exported %1 to %2").replace("%1", numbers.size(size)).replace("%2", words.path_text(path))
        if edits:
            text += self.tr(", with %1 edited").replace("%1", words.fields(len(edits)))
        self.message.emit(text)
        if then is not None:
            then()

    def _failed(self, error: Exception) -> None:
        text = self.tr("%1 No image was changed, and no other file.").replace("%1", words.sentence(sentence(error)))
        self.problem.emit(Report(self.tr("The state was not exported"), text, repr(error)))

    def _enable(self, *_: object) -> None:
        ready = self._session.loaded is not None
        self.export.setEnabled(ready)
        tip = self.tr("Write this saved state to a file that QEMU loads with -incoming (Ctrl+E)")
        self.export.setToolTip(tip if ready else self.tr("Select a snapshot that holds a state of the machine"))


def _told(path: Path, snapshot: Snapshot, edits: int) -> str:
    from vmsnap_gui.models.plan_rows import placed  # not before the first paint

    text = QCoreApplication.translate("ExportActions", "%1 of '%2' of %3 edited")
    return placed(text, words.fields(edits), words.snapshot_name(snapshot), words.name_text(path))
