"""The dialog that starts a stopped machine by its launch profile: the command line is shown before its first run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QPlainTextEdit, QWidget

from vmsnap_gui.control.terms import Verb
from vmsnap_gui.models import words
from vmsnap_gui.views import theme
from vmsnap_gui.views.plan_dialog import PlanDialog, verb_text

if TYPE_CHECKING:
    from vmsnap_gui.acting import Draft
    from vmsnap_gui.control.profile import LaunchProfile

_MOST_LINES = 8


class StartDialog(PlanDialog):
    """Asks whether a machine is to be started, from a snapshot or as its disks are.

    Signals:
        profile_confirmed: (LaunchProfile) The person saw its command line and lets it be run.
    """

    profile_confirmed = Signal(object)

    def __init__(self, draft: Draft, title: str, profile: LaunchProfile, parent: QWidget) -> None:
        self._profile = profile
        self._seen = profile.confirmed
        super().__init__(draft, title, verb_text(Verb.START, 1), parent, safe=True)
        self.command = QPlainTextEdit(command_text(profile))
        self.command.setObjectName("start_command")
        self.command.setAccessibleName(self.tr("Command line"))
        self.command.setReadOnly(True)
        self.command.setTabChangesFocus(True)
        self.command.setFont(theme.monospaced())
        lines = min(self.command.blockCount(), _MOST_LINES)
        around = 2 * self.command.frameWidth() + round(self.command.document().documentMargin())
        self.command.setFixedHeight(self.command.fontMetrics().lineSpacing() * lines + around)
        self.form.addWidget(self.command)
        if not profile.confirmed:
            seen = QCheckBox(self.tr("I know this command line, and want it to be &run"))
            seen.setObjectName("start_seen")
            seen.toggled.connect(self._see)
            self.form.addWidget(seen)
        if draft.wish.words:
            safety = QCheckBox(self.tr("Take a &safety snapshot first: what is on the disks now is kept"))
            safety.setObjectName("start_safety")
            safety.setChecked(draft.wish.options.safety)
            safety.toggled.connect(lambda on: self.ask(safety=on))
            self.form.addWidget(safety)
            paused = QCheckBox(self.tr("Leave the machine &paused if its snapshot cannot be loaded"))
            paused.setObjectName("start_keep_paused")
            paused.setToolTip(self.tr("So that you can look at it; else it is ended"))
            paused.setChecked(draft.wish.options.keep_paused)
            paused.toggled.connect(lambda on: self.ask(keep_paused=on))
            self.form.addWidget(paused)
        self.enable()

    def enable(self) -> None:
        """Override PlanDialog: an unknown command line is not run."""
        super().enable()
        if not self._seen:
            self.confirm.setEnabled(False)
            self.confirm.setToolTip(self.tr("Read the command line first, and say that you want it to be run"))

    def accept(self) -> None:
        """Override QDialog::accept."""
        if not self._profile.confirmed:
            self.profile_confirmed.emit(self._profile.confirm())
        super().accept()

    def _see(self, seen: bool) -> None:
        self._seen = seen
        wish = self.draft.wish
        profile = self._profile.confirm() if seen else self._profile
        self.draft.ask(replace(wish, whom=replace(wish.whom, profile=profile)))


def command_text(profile: LaunchProfile) -> str:
    """Return a profile's command line as one would type it, an option on each line."""
    program, *rest = map(shlex.quote, profile.arguments)
    lines = [*(f"{name}={shlex.quote(value)}" for name, value in profile.environment), program]
    for word in rest:
        if word.startswith("-"):
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return " \\\n    ".join(words.visible(line) for line in lines)
