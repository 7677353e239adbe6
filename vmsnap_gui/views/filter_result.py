"""What a filter left of the device tree: how much that is, the tree itself, or a page where nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.views.pages import MessagePage

if TYPE_CHECKING:
    from vmsnap_gui.models.field_filter import Filtered
    from vmsnap_gui.views.device_tree import DeviceTreeView

_LONGEST = 80  # characters of a filter in the page's heading


class FilterResult(QWidget):
    """The device tree with a line above it while it is filtered, and a page in its place while it is empty.

    Signals:
        clear_wanted: The person wants to see all fields again.
    """

    clear_wanted = Signal()

    def __init__(self, tree: DeviceTreeView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tree = tree
        self._result = QLabel()
        self._result.setObjectName("filter_result")
        self._result.setTextFormat(Qt.TextFormat.PlainText)
        self._strip = QWidget()
        self._stack = QStackedWidget()
        self.page = MessagePage("filter_page", self)
        clear = QAction(self.tr("Clear filter"), self)
        clear.setObjectName("clear")
        clear.triggered.connect(self.clear_wanted)
        self._clear = self.page.add_button(clear)
        self._lay_out(clear)
        self.setFocusProxy(tree)

    def text(self) -> str:
        """Return what is said about the filter: "12 of 441 fields"; empty without one."""
        return self._result.text()

    def show_result(self, filtered: Filtered | None, wanted: str) -> None:
        """Say what the filter `wanted` left in the tree; None: there is no filter."""
        text = ""
        if filtered is not None:
            text = self.tr("%1 of %2 fields").replace("%1", numbers.count(filtered.fields))
            text = text.replace("%2", numbers.count(filtered.of))
        self._result.setText(text)
        nothing = filtered is not None and not self._tree.fields.rowCount()
        self._strip.setVisible(filtered is not None and not nothing)
        self._stack.setCurrentWidget(self.page if nothing else self._tree)
        self.setFocusProxy(self._clear if nothing else self._tree)
        if nothing and filtered is not None:
            shown = wanted if len(wanted) <= _LONGEST else f"{wanted[:_LONGEST]}…"
            heading = self.tr("No field matches “%1”").replace("%1", words.visible(shown))
            of = self.tr("This saved state has %1.").replace("%1", words.fields(filtered.of))
            self.page.show_message("filter", heading, of)

    def _lay_out(self, clear: QAction) -> None:
        button = QPushButton(clear.text())
        button.setObjectName("clear_filter")
        button.clicked.connect(clear.trigger)
        across = QHBoxLayout(self._strip)
        across.setContentsMargins(8, 3, 4, 3)
        across.addWidget(self._result, 1)
        across.addWidget(button)
        self._strip.hide()
        self._stack.addWidget(self._tree)
        self._stack.addWidget(self.page)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._strip)
        column.addWidget(self._stack, 1)
