"""What came of an operation that did not go as planned, or that checked an image: the state of each disk now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.control.terms import Ending, Verb
from vmsnap_gui.models import words
from vmsnap_gui.models.outcome_rows import finishing_lines, heading_of, notes_of, rows_of, text_of
from vmsnap_gui.views import theme
from vmsnap_gui.views.plan_view import FileTable, NoteList, button_row, heading

if TYPE_CHECKING:
    from vmsnap_gui.control.plan import Outcome


class OutcomeDialog(QDialog):
    """Shows an `Outcome`.

    Signals:
        repair_wanted: Check and repair the images that are in quarantine.
    """

    repair_wanted = Signal()

    def __init__(self, outcome: Outcome, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("outcome_dialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.outcome = outcome
        title = heading_of(outcome)
        self.setWindowTitle(title)
        self.table = FileTable("outcome_table", self.tr("The state of each file now"), self.tr("State now"), self)
        self.table.show_rows(rows_of(outcome))
        self.notes = NoteList(self)
        self.notes.show_notes(notes_of(outcome))
        self.details = self._make_details(outcome.details)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(10)
        layout.addWidget(heading(title, self))
        layout.addWidget(self.notes)
        layout.addWidget(self.table)
        layout.addWidget(self.details, 1)
        if not outcome.details:
            layout.addStretch(1)
        layout.addLayout(self._make_buttons())
        wide = self.fontMetrics().averageCharWidth()
        self.resize(wide * 112, self.fontMetrics().height() * (24 if outcome.details else 16))

    def _make_details(self, text: str) -> QPlainTextEdit:
        details = QPlainTextEdit("\n".join(words.visible(line) for line in text.splitlines()))
        details.setObjectName("outcome_details")
        details.setAccessibleName(self.tr("What the tools said"))
        details.setReadOnly(True)
        details.setFont(theme.monospaced())
        details.setTabChangesFocus(True)
        details.setVisible(bool(text))
        return details

    def _make_buttons(self) -> QHBoxLayout:
        copy = QPushButton(self.tr("Copy details"))
        copy.setObjectName("outcome_copy")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text_of(self.outcome)))
        left = [copy]
        if any(disk.finish for disk in self.outcome.disks):
            finish = QPushButton(self.tr("Copy finishing commands"))
            finish.setObjectName("outcome_finish")
            finish.clicked.connect(self._copy_finish)
            left.append(finish)
        buttons = QDialogButtonBox()
        buttons.addButton(QDialogButtonBox.StandardButton.Close).setDefault(True)
        buttons.rejected.connect(self.reject)
        if any(disk.quarantined for disk in self.outcome.disks):
            repair = buttons.addButton(self.tr("Check and repair…"), QDialogButtonBox.ButtonRole.AcceptRole)
            repair.setObjectName("outcome_repair")
            buttons.accepted.connect(self._repair)
        return button_row(left, buttons)

    def _copy_finish(self) -> None:
        QGuiApplication.clipboard().setText(finishing_lines(self.outcome))

    def _repair(self) -> None:
        self.accept()
        self.repair_wanted.emit()


def is_worth_a_dialog(outcome: Outcome) -> bool:
    """Whether a person must see an outcome, rather than hear of it in passing."""
    return outcome.ending is not Ending.DONE or outcome.plan.verb is Verb.REPAIR
