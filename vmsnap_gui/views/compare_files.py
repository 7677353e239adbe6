"""What the comparison writes, and only when asked: reports, and the person's own noise rules."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.jobs import SCAN
from vmsnap_gui.models import words
from vmsnap_gui.reporting import noise_file, noise_rules, save_noise, write_report
from vmsnap_gui.telling import Report, sentence
from vmsnap_gui.views import dialogs

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.compare.noise import NoiseRules
    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.jobs import Jobs


class CompareFiles(QObject):
    """Saves reports and rules.

    Signals:
        message: (str) What was done.
        problem: (Report) What went wrong.
    """

    message = Signal(str)
    problem = Signal(object)

    def __init__(self, session: CompareSession, jobs: Jobs, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._session = session
        self._jobs = jobs

    def ask_report(self) -> None:
        """Ask where to save a report of what is shown."""
        compared = self._session.compared
        if compared is not None:
            a, b = (words.snapshot_name(side.snapshot) for side in (compared.sides.a, compared.sides.b))
            name = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{a}-{b}")
            dialogs.ask_report(self._parent, compared.sides.a.path.parent, name, self.save_report)

    def save_report(self, path: Path) -> None:
        """Save a report of what was compared so far; the form is that of the file's name."""
        session = self._session
        compared, memory, disk = session.compared, session.memory.result, session.disk.result
        if compared is None:
            return
        parts = [(compared.fields, self.tr("fields")), (memory, self.tr("memory")), (disk, self.tr("disk"))]
        told = ", ".join(name for part, name in parts if part is not None)
        text = self.tr("Saved %1 (%2)").replace("%1", words.path_text(path)).replace("%2", told)
        self._jobs.run(
            self.tr("Saving a report"),
            lambda _progress: write_report(path, compared, memory, disk),
            lane=session.lane("rows"),
            success=lambda _none: self.message.emit(text),
            failure=lambda error: self._failed(self.tr("The report was not saved"), error),
        )

    def show_rules(self) -> None:
        """Show the noise rules, once they are read."""
        self._jobs.run(
            self.tr("Reading the noise rules"),
            lambda _progress: noise_rules(),
            lane=SCAN,
            success=self._show_rules,
            quiet=True,
        )

    def _show_rules(self, rules: NoiseRules) -> None:
        from vmsnap_gui.views.noise_dialog import NoiseDialog

        NoiseDialog(rules, noise_file(), partial(self._save_rules, rules), self._parent).open()

    def _save_rules(self, rules: NoiseRules, disabled: set[str]) -> None:
        if disabled != rules.disabled:
            self._jobs.run(
                self.tr("Saving the noise rules"),
                lambda _progress: save_noise(rules, disabled),
                lane=SCAN,
                success=lambda _none: self._session.again(),
                failure=lambda error: self._failed(self.tr("The noise rules were not saved"), error),
            )

    def _failed(self, title: str, error: Exception) -> None:
        text = self.tr("%1 No image was changed, and no other file.").replace("%1", words.sentence(sentence(error)))
        self.problem.emit(Report(title, text, repr(error)))
