"""Layouts for states that do not describe themselves: asked for, read (or asked of a QEMU) in a job, then used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.jobs import SCAN
from vmsnap_gui.models import words
from vmsnap_gui.telling import Report, sentence

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.vmstate.layouts import LayoutSource


class LayoutsJob(QObject):
    """What *Use layouts from a QEMU binary* does.

    Signals:
        message: (str) What was done.
        problem: (Report) What went wrong.
    """

    message = Signal(str)
    problem = Signal(object)

    def __init__(self, window: QMainWindow, session: Session, jobs: Jobs) -> None:
        super().__init__(window)
        self._window, self._session, self._jobs = window, session, jobs

    def ask(self) -> None:
        """Ask where the layouts are."""
        from vmsnap_gui.views import dialogs

        image = self._session.image
        dialogs.ask_layouts(self._window, image.parent if image is not None else None, lambda paths: self.use(paths[0]))

    def use(self, path: Path) -> None:
        """Read layouts, from a QEMU binary by running it, and use them for the session."""
        loaded = self._session.loaded
        machine = loaded.vmstate.machine if loaded is not None else None

        def work(progress: Progress) -> LayoutSource:
            from vmsnap_gui.layout_files import layouts_from

            return layouts_from(path, machine, progress)

        self._jobs.run(
            self.tr("Reading layouts from %1").replace("%1", words.name_text(path)),
            work,
            lane=SCAN,
            success=self._ready,
            failure=self._failed,
        )

    def _ready(self, source: LayoutSource) -> None:
        self._session.use_layouts(source)
        text = self.tr("Layouts from %1 are used for states that do not describe themselves")
        self.message.emit(text.replace("%1", words.visible(source.name)))

    def _failed(self, error: Exception) -> None:
        path = getattr(error, "path", None)
        where = f"{words.path_text(path)}: " if path is not None else ""
        text = self.tr("%1 Nothing else is affected.").replace("%1", f"{where}{words.sentence(sentence(error))}")
        details = getattr(error, "details", "") or repr(error)
        self.problem.emit(Report(self.tr("There are no layouts to use"), text, details))
