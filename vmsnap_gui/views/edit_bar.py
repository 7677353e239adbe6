"""The line below the device tree while fields have other values: which, and what can be done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.vmstate.fields import show

if TYPE_CHECKING:
    from vmsnap_gui.session import Session

_MOST_LISTED = 50


class EditBar(QWidget):
    """Says how many fields of the shown state have another value; hidden while none has.

    Signals:
        wanted: (Edit) The person wants to see this one.
        export_wanted: The person wants to export the state with them.
    """

    wanted = Signal(object)
    export_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("edit_bar")
        self._session = session
        self.text = QLabel()
        self.text.setObjectName("edit_count")
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setToolTip(self.tr("Only a stream that you export gets these values. The image is never changed."))
        self.list = QToolButton()
        self.list.setObjectName("edit_list")
        self.list.setText(self.tr("List"))
        self.list.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.list)
        self.menu.setObjectName("edit_menu")
        self.menu.aboutToShow.connect(self._fill)
        self.list.setMenu(self.menu)
        self.discard = self._button("edit_discard", self.tr("Give up"))
        self.discard.setToolTip(self.tr("Forget all new values of this state; Undo brings them back"))
        self.discard.clicked.connect(self._discard)
        export = self._button("edit_export", self.tr("Export…"))
        export.setToolTip(self.tr("Write the state with these values as a stream that QEMU loads"))
        export.clicked.connect(self.export_wanted)
        across = QHBoxLayout(self)
        across.setContentsMargins(8, 3, 4, 3)
        across.addWidget(self.text, 1)
        for button in (self.list, self.discard, export):
            across.addWidget(button)
        session.edits.changed.connect(self.follow)
        self.follow()

    def follow(self) -> None:
        """Say what the shown state has."""
        count = len(self._session.edits.of(self._session.loaded))
        self.setVisible(count > 0)
        self.text.setText(self.tr("%1 edited").replace("%1", words.fields(count)))

    def _button(self, name: str, text: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        return button

    def _fill(self) -> None:
        """List the edits, each with both values; choosing one shows it."""
        self.menu.clear()
        edits = self._session.edits.of(self._session.loaded)
        for edit in edits[:_MOST_LISTED]:
            text = f"{edit.section}.{edit.path} = {show(edit.field)}"
            action = self.menu.addAction(words.visible(text).replace("&", "&&"))
            action.triggered.connect(lambda _checked=False, edit=edit: self.wanted.emit(edit))
        if len(edits) > _MOST_LISTED:
            self.menu.addAction(self.tr("and %1 more").replace("%1", str(len(edits) - _MOST_LISTED))).setEnabled(False)

    def _discard(self) -> None:
        state = self._session.loaded
        if state is not None:
            self._session.edits.discard(state, *self._session.edits.of(state))
