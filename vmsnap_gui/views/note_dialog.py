"""The dialog in which a person writes about a snapshot."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QPlainTextEdit, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.note_store import LONGEST_LABEL, Note

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.notes import Notes
    from vmsnap_gui.reading import ImageInfo


class NoteDialog(QDialog):
    """Asks for a label and a note; both empty is no note.

    Attributes:
        label, text: What is typed.
        save, cancel: The button that keeps it, and that which does not.
    """

    def __init__(self, notes: Notes, info: ImageInfo, snapshot: Snapshot, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("note_dialog")
        self.setWindowTitle(self.tr("Note on %1").replace("%1", words.snapshot_name(snapshot)))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._notes, self._info, self._snapshot = notes, info, snapshot
        now = notes.on(info, snapshot)
        self.label = QLineEdit(now.label)
        self.label.setObjectName("note_label")
        self.label.setMaxLength(LONGEST_LABEL)
        self.label.setPlaceholderText(self.tr("A word or a few: before the update"))
        self.text = QPlainTextEdit(now.text)
        self.text.setObjectName("note_text")
        self.text.setTabChangesFocus(True)
        about = QLabel(self.tr("Kept among your own data, for this snapshot alone. The image is never changed by it."))
        about.setTextFormat(Qt.TextFormat.PlainText)
        about.setWordWrap(True)
        buttons = QDialogButtonBox()
        self.save = buttons.addButton(self.tr("&Save note"), QDialogButtonBox.ButtonRole.AcceptRole)
        # Not the standard button: that of a theme may have no mnemonic.
        self.cancel = buttons.addButton(self.tr("&Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):  # Return alone is a line of the note
            QShortcut(QKeySequence(keys), self, self.accept)
        form = QFormLayout(self)
        form.addRow(self.tr("&Label:"), self.label)
        form.addRow(self.tr("&Note:"), self.text)
        form.addRow(about)
        form.addRow(buttons)
        for first, second in pairwise((self.label, self.text, self.save, self.cancel)):
            self.setTabOrder(first, second)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * 72)

    def accept(self) -> None:
        """Override QDialog::accept: keep what was typed."""
        self._notes.put(self._info, self._snapshot, Note.of(self.label.text(), self.text.toPlainText()))
        super().accept()
