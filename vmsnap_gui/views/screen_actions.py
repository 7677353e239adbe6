"""Saving screens as PNG files: the one that is shown, that of a snapshot, those of all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction

from vmsnap_gui.models import words
from vmsnap_gui.telling import Report, sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow, QMenu

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.screens import Display
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.screens import SavedScreens
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.snapshot_table import SnapshotTable

_LANE = "save screens"
_NAMED = 3  # snapshots without a picture that a message names


class ScreenActions(QObject):
    """What the window offers.

    Signals:
        message: (str) What was saved.
        problem: (Report) What went wrong.

    Attributes:
        save: Write what the selected snapshot showed.
        save_all: Write what each of the image's snapshots showed.
    """

    message = Signal(str)
    problem = Signal(object)

    def __init__(self, window: QMainWindow, session: Session, jobs: Jobs, snapshots: SnapshotTable) -> None:
        super().__init__(window)
        self._window, self._session, self._jobs = window, session, jobs
        self.save = QAction(self.tr("Sa&ve screen…"), window)
        self.save.setObjectName("save_screen")
        self.save.triggered.connect(lambda: self.ask())
        self.save_all = QAction(self.tr("Save all screens…"), window)
        self.save_all.setObjectName("save_screens")
        self.save_all.triggered.connect(lambda: self.ask_all())
        session.selection_changed.connect(self._enable)
        snapshots.menu_wanted.connect(self._fill_menu)
        self._enable()

    def in_menu(self) -> list[QAction]:
        """Return what belongs into the Snapshot menu."""
        return [self.save, self.save_all]

    def ask(self) -> None:
        """Ask where to write what the selected snapshot showed."""
        path, snapshot = self._session.image, self._session.selected_snapshot()
        if path is None or snapshot is None:
            return

        def write(target: Path, progress: Progress) -> None:
            from vmsnap_gui.screens import save_screen

            save_screen(target, path, snapshot, progress)

        self._ask(path, snapshot, write)

    def ask_shown(self, display: Display, state: LoadedState) -> None:
        """Ask where to write a display of the loaded state."""
        path, pixels = state.key.path, display.pixels
        if pixels is None:
            return

        def write(target: Path, _progress: Progress) -> None:
            from vmsnap_gui.screens import write_picture

            write_picture(target, pixels, path)

        self._ask(path, state.snapshot, write)

    def ask_all(self) -> None:
        """Ask for a folder, and write what each of the image's snapshots showed into a new one in it."""
        from vmsnap_gui.views import dialogs

        path = self._session.image
        if path is not None:
            title = self.tr("Save all screens into a new folder in this one")
            dialogs.ask_target_folder(self._window, path.parent, title, lambda folder: self.save_into(path, folder))

    def save_into(self, path: Path, folder: Path) -> None:
        """Write what each snapshot of an image showed into a new folder in this one."""

        def work(progress: Progress) -> SavedScreens:
            from vmsnap_gui.screens import save_screens

            return save_screens(folder, path, progress)

        self._jobs.run(
            self.tr("Saving the screens of %1").replace("%1", words.name_text(path)),
            work,
            lane=_LANE,
            success=self._saved_all,
            failure=self._failed,
            in_bytes=False,
        )

    def _ask(self, image: Path, snapshot: Snapshot, write: Callable[[Path, Progress], None]) -> None:
        from vmsnap_gui.screens import screen_file_name
        from vmsnap_gui.views import dialogs

        name = f"{image.stem}-{screen_file_name(snapshot)}"
        dialogs.ask_picture(self._window, image.parent, name, lambda target: self._write(target, write))

    def _write(self, target: Path, write: Callable[[Path, Progress], None]) -> None:
        self._jobs.run(
            self.tr("Saving %1").replace("%1", words.name_text(target)),
            partial(write, target),
            lane=_LANE,
            success=lambda _: self.message.emit(self.tr("Saved %1").replace("%1", words.path_text(target))),
            failure=self._failed,
        )

    def _saved_all(self, saved: SavedScreens) -> None:
        number, folder = len(saved.paths), words.path_text(saved.folder)
        text = self.tr("Saved the screens of %1 to %2").replace("%1", words.snapshots(number)).replace("%2", folder)
        self.message.emit(text)
        if not saved.missing:
            return
        lines = [f"{words.snapshot_name(one)}: {words.sentence(why)}" for one, why in saved.missing]
        more = len(lines) - _NAMED
        shown = lines[:_NAMED] + ([self.tr("And %1 more.").replace("%1", str(more))] if more > 0 else [])
        report = Report(self.tr("Some snapshots have no picture"), "\n".join([f"{text}.", *shown]), "\n".join(lines))
        self.problem.emit(report)

    def _failed(self, error: Exception) -> None:
        text = self.tr("%1 No image was changed, and no other file.").replace("%1", words.sentence(sentence(error)))
        self.problem.emit(Report(self.tr("The screen was not saved"), text, repr(error)))

    def _fill_menu(self, menu: QMenu) -> None:
        menu.addSeparator()
        menu.addAction(self.save)

    def _enable(self) -> None:
        snapshot, entry = self._session.selected_snapshot(), self._session.entry()
        info = entry.info if entry is not None else None
        why = self.tr("Select a snapshot that holds a state of the machine")
        ready = snapshot is not None and bool(snapshot.vm_state_size)
        self.save.setEnabled(ready)
        self.save.setToolTip(self.tr("Write what the guest showed to a PNG file") if ready else why)
        some = info is not None and any(one.vm_state_size for one in info.snapshots)
        self.save_all.setEnabled(some)
        self.save_all.setToolTip(self.tr("Write what the guest showed at each snapshot to PNG files") if some else why)
