"""Bytes with what belongs to them: a heading, where the cursor is, and what stands there as numbers and text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import QHeaderView, QLabel, QSizePolicy, QSplitter, QTreeView, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.inspection import LONGEST, InspectionModel
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import RowDelegate
from vmsnap_gui.views.hex_actions import HexActions
from vmsnap_gui.views.hex_view import HexView

if TYPE_CHECKING:
    from collections.abc import Callable


class BytesPanel(QWidget):
    """A hex view with a status line and a data inspector below it.

    Attributes:
        hex: The hex view.
        heading: What the bytes belong to.
        status: Where the cursor is, and how much is selected.
        inspector: What stands at the cursor.
    """

    def __init__(self, name: str, title: str, where: Callable[[int], str], parent: QWidget | None = None) -> None:
        """Make a panel.

        Args:
            name: Begins the object names of its parts.
            title: The hex view's accessible name.
            where: Says for people where an offset of the source is.
            parent: The widget it belongs to.
        """
        super().__init__(parent)
        self.setObjectName(f"{name}_panel")
        self._where = where
        self._refusal = ""
        self.hex = HexView(name, title, self)
        self.actions_of_hex = HexActions(self.hex)
        self.heading = _line(f"{name}_heading")
        self.status = _line(f"{name}_status")
        self._values = InspectionModel(self)
        self.inspector = self._make_inspector(name)
        self._lay_out(name)
        self.setFocusProxy(self.hex)
        self.hex.selection_changed.connect(self._moved)
        self.hex.bytes_arrived.connect(self._inspect)
        self.actions_of_hex.refused.connect(self._refused)
        self._inspect()

    def set_heading(self, text: str, details: str = "") -> None:
        """Say what the bytes belong to; `details` are shown as a tool tip."""
        self.heading.setText(words.visible(text))
        self.heading.setToolTip(words.plain_tip([details]))

    def _make_inspector(self, name: str) -> QTreeView:
        table = QTreeView(self)
        table.setObjectName(f"{name}_inspector")
        table.setAccessibleName(self.tr("Values at the cursor"))
        table.setModel(self._values)
        table.setFont(theme.tabular(table.font()))
        table.setItemDelegate(RowDelegate(parent=table))
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setAllColumnsShowFocus(True)
        table.setTabKeyNavigation(False)
        table.setFrameShape(QTreeView.Shape.NoFrame)
        header = table.header()
        header.setObjectName(f"{name}_inspector_columns")
        header.setSectionsMovable(False)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(self.fontMetrics().averageCharWidth() * 12)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        return table

    def _lay_out(self, name: str) -> None:
        above = QWidget()
        column = QVBoxLayout(above)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        strong = QFont(self.font())
        strong.setWeight(QFont.Weight.DemiBold)
        self.heading.setFont(strong)
        self.status.setFont(theme.tabular(self.font()))
        column.addWidget(self.heading)
        column.addWidget(self.hex, 1)
        column.addWidget(self.status)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setObjectName(f"{name}_splitter")
        splitter.addWidget(above)
        splitter.addWidget(self.inspector)
        splitter.setCollapsible(0, False)
        splitter.setStretchFactor(0, 1)
        height = theme.row_height(self.font()) * (self._values.rowCount() + 1) + 6
        splitter.setSizes([3 * height, height])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        self._colour()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "inspector"):
            self._colour()

    def _colour(self) -> None:
        quiet = QPalette(self.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        self.status.setPalette(quiet)

    def _moved(self) -> None:
        self._refusal = ""
        self._inspect()

    def _refused(self, why: str) -> None:
        self._refusal = why
        self._say()

    def _inspect(self) -> None:
        """Show what stands at the cursor, and where that is."""
        view = self.hex
        self._values.show(view.bytes_at(view.selected.start, LONGEST) if view.source.size else b"")
        self._say()

    def _say(self) -> None:
        view = self.hex
        text = ""
        if view.source.size:
            text = self._where(view.selected.start)
            if len(view.selected) > 1:
                text += " · " + self.tr("%1 selected").replace("%1", numbers.exact_size(len(view.selected)))
        if view.error is not None:
            text = self.tr("These bytes cannot be read: %1").replace("%1", words.visible(str(view.error)))
        self.status.setText(self._refusal or text)
        self.hex.setAccessibleDescription(f"{text} · {self._spoken()}" if text else "")

    def _spoken(self) -> str:
        data = self.hex.bytes_at(self.hex.cursor_offset, 1)
        return f"0x{data[0]:02x}" if data else ""


def _line(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setContentsMargins(8, 4, 8, 4)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return label
