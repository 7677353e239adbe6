"""What can be done with a hex view by menu and shortcut: copy, select all, choose the width of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence

from vmsnap_gui.models import numbers
from vmsnap_gui.views.action_making import context_menu, view_action

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QMenu

    from vmsnap_gui.views.hex_view import HexView

MOST_COPIED = 1 << 20
"""The most bytes that are copied to the clipboard at once: more would be felt, and `vmsnap ram` writes it to a file."""
_AS_TEXT = bytes(byte if 0x20 <= byte < 0x7F or byte in b"\t\n" else 0x2E for byte in range(256))


class HexActions(QObject):
    """The actions of one hex view, and its context menu.

    Signals:
        refused: (str) Why nothing was copied.
    """

    refused = Signal(str)

    def __init__(self, view: HexView, *, columns: bool = True) -> None:
        """Make the actions of `view`; `columns`: the person can choose how many bytes are in a row."""
        super().__init__(view)
        self._columns = columns
        self._view = view
        keys, name = QKeySequence.StandardKey, view.objectName()
        self.copy_hex = view_action(
            view, f"{name}_copy_hex", self.tr("&Copy as hex"), keys.Copy, lambda: self._copy(as_text=False)
        )
        self.copy_text = view_action(
            view, f"{name}_copy_text", self.tr("Copy as &text"), "Ctrl+Shift+T", lambda: self._copy(as_text=True)
        )
        self.select_all = view_action(
            view, f"{name}_select_all", self.tr("Select &all"), keys.SelectAll, view.select_all
        )
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._show_menu)

    def _copy(self, *, as_text: bool) -> None:
        """Copy what is selected, once it has been read: it may be more than is in sight."""
        selected = self._view.selected
        if len(selected) > MOST_COPIED:
            text = self.tr("At most %1 can be copied at once; %2 are selected.")
            text = text.replace("%1", numbers.size(MOST_COPIED)).replace("%2", numbers.size(len(selected)))
            self.refused.emit(text)
        elif selected:
            self._view.source.request(selected.start, len(selected), lambda data: self._copied(data, as_text=as_text))

    def _copied(self, data: bytes | Exception, *, as_text: bool) -> None:
        if isinstance(data, Exception):
            self.refused.emit(self.tr("Nothing was copied: %1").replace("%1", str(data)))
        else:
            QGuiApplication.clipboard().setText(_text(data) if as_text else data.hex(" "))

    def _show_menu(self, place: QPoint) -> None:
        menu = context_menu(self._view, self._view.actions())
        if self._columns:
            self._add_columns(menu)
        menu.popup(self._view.mapToGlobal(place))

    def _add_columns(self, menu: QMenu) -> None:
        rows = menu.addMenu(self.tr("&Bytes in a row"))
        for columns, text in ((0, self.tr("As many as fit")), (8, "8"), (16, "16"), (32, "32")):
            action = rows.addAction(text)
            action.setCheckable(True)
            action.setChecked(columns == self._view.wanted_columns)
            action.triggered.connect(lambda _on, columns=columns: self._view.set_columns(columns))


def _text(data: bytes) -> str:
    return data.translate(_AS_TEXT).decode("ascii")  # in one go: this is the Qt thread, and these may be megabytes
