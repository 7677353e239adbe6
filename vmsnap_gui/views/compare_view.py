"""The Compare tab: two snapshots side by side. Sides and summary above; fields, memory and disk below as tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from vmsnap_gui.views.changes_view import ChangesView
from vmsnap_gui.views.compare_header import CompareHeader

if TYPE_CHECKING:
    from vmsnap_gui.comparison import Comparison
    from vmsnap_gui.jobs import Jobs


class CompareView(QWidget):
    """What differs between two snapshots.

    Signals:
        message: (str) Something to say in passing.
    """

    message = Signal(str)

    def __init__(self, comparison: Comparison, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compare")
        self.setAccessibleName(self.tr("Compare"))
        self._comparison = comparison
        self.header = CompareHeader(comparison, jobs, self)
        self.fields = ChangesView(comparison, jobs, self)
        self.tabs = QTabWidget(self)
        self.tabs.setObjectName("compare_tabs")
        self.tabs.setAccessibleName(self.tr("Parts of the comparison"))
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.fields, self.tr("Fields"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.tabs, 1)
        self.setFocusProxy(self.fields)

    def set_filter(self, text: str) -> str | None:
        """Filter the fields; returns what is wrong with the filter, or None."""
        wrong = self.fields.set_filter(text)
        if wrong is None and text.strip():
            self.tabs.setCurrentWidget(self.fields)
        return wrong

    def step(self, *, back: bool) -> None:
        """Go to the next difference, or to the one before, through all tabs; say so where there is none."""
        if not self.fields.tree.step(back=back):
            text = self.tr("This is the first difference.") if back else self.tr("This is the last difference.")
            self.message.emit(text)
