"""The dialog that gives a field another value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.views import theme
from vmsnap_gui.views.pages import Notice
from vmsnap_gui.vmstate.editing import editable_text

if TYPE_CHECKING:
    from vmsnap_gui.edits import Edits
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.vmstate.fields import Field


class EditDialog(QDialog):
    """Asks for the value, and stays until it is one that fits."""

    def __init__(self, edits: Edits, state: LoadedState, section: str, path: str, now: Field, parent: QWidget) -> None:
        """Ask for a value of the field `path` of a section; `now` is the field with the value that it has now."""
        super().__init__(parent)
        self.setObjectName("edit_dialog")
        self.setWindowTitle(self.tr("Edit value"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._edits, self._state, self._section, self._path, self._now = edits, state, section, path, now
        name = QLabel(words.visible(f"{section}.{path}"), wordWrap=True)
        kind = QLabel(f"{words.visible(now.type)}, {numbers.exact_size(now.size)}")
        about = QLabel(self.tr("Only a stream that you export gets this value. The image is never changed by it."))
        about.setWordWrap(True)
        for label in (name, kind, about):
            label.setTextFormat(Qt.TextFormat.PlainText)
        name.setFont(theme.monospaced())
        self.value = QLineEdit(editable_text(now))
        self.value.setObjectName("edit_value")
        self.value.setAccessibleName(self.tr("Value"))
        self.value.setFont(theme.monospaced())
        self.value.setMaxLength(1 << 14)
        self.value.selectAll()
        self.notice = Notice("edit_notice", self)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.change = self.buttons.addButton(self.tr("Change value"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self._ask)
        self.buttons.rejected.connect(self.reject)
        self.value.textEdited.connect(lambda: self.notice.show_message("failed", ""))
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        for widget in (name, kind, self.value, self.notice, about):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self.buttons)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * 72)
        self.adjustSize()

    def _ask(self) -> None:
        self.change.setEnabled(False)
        self._edits.ask(self._state, self._section, self._path, self._now, self.value.text().strip(), self._answered)

    def _answered(self, why_not: str) -> None:
        if not why_not:
            self.accept()
            return
        self.change.setEnabled(True)
        self.notice.show_message("failed", words.sentence(words.visible(why_not)))
        self.adjustSize()
        self.value.setFocus()
