"""Labelled facts in groups, with values that can be selected and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.models.facts import Fact

_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard


class FactsList(QScrollArea):
    """Two columns, label and value, under headings."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(self.tr("Facts"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * 30)
        self._groups: list[tuple[str, list[Fact]]] = []
        self._labels: list[QLabel] = []

    def show_groups(self, groups: Sequence[tuple[str, list[Fact]]]) -> None:
        """Show these groups: each a heading and its facts."""
        if list(groups) == self._groups and self.widget() is not None:
            return
        self._groups = list(groups)
        self._labels = []
        page = QWidget()
        page.setObjectName(f"{self.objectName()}_page")
        grid = QGridLayout(page)
        grid.setContentsMargins(12, 10, 12, 10)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        row = 0
        for title, facts in groups:
            row = self._add_group(grid, row, title, facts)
        grid.setRowStretch(row, 1)
        self.setWidget(page)
        self._colour()

    def text(self) -> str:
        """Return all that is shown, for tests and for copying."""
        lines = []
        for title, facts in self._groups:
            lines += [title, *(f"{fact.label}: {fact.value}" for fact in facts)]
        return "\n".join(lines)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _add_group(self, grid: QGridLayout, row: int, title: str, facts: list[Fact]) -> int:
        heading = QLabel(title)
        heading.setTextFormat(Qt.TextFormat.PlainText)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        heading.setFont(font)
        heading.setContentsMargins(0, 8 if row else 0, 0, 2)
        grid.addWidget(heading, row, 0, 1, 2)
        for fact in facts:
            row += 1
            label = QLabel(fact.label)
            value = QLabel(fact.value, wordWrap=True)
            for one in (label, value):
                one.setTextFormat(Qt.TextFormat.PlainText)
            value.setFont(theme.tabular(self.font()))
            value.setTextInteractionFlags(_SELECTABLE)
            value.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            value.setToolTip(words.plain_tip(fact.tip.splitlines()))
            value.setAccessibleName(f"{fact.label}: {fact.value}")
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
            self._labels.append(label)
        return row + 1

    def _colour(self) -> None:
        quiet = QPalette(QGuiApplication.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        for label in self._labels:
            label.setPalette(quiet)
