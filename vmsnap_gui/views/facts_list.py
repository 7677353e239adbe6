"""Labelled facts in groups, with values that can be selected and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QFont, QGuiApplication, QPalette, QShowEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmsnap_gui.models.facts import Fact

_SPARE = 20
"""Lines that are made before they are needed, one at a time: more than a state and its image have facts."""
_SPARE_MS = 30
_SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard


class _Line:
    """One fact, label and value, in widgets that can show another fact: making them takes longer than all else."""

    def __init__(self, font: QFont, page: QWidget) -> None:
        self.label = QLabel(page)
        self.value = QLabel(page, wordWrap=True)
        for one in (self.label, self.value):
            one.setTextFormat(Qt.TextFormat.PlainText)
        self.value.setFont(font)
        self.value.setTextInteractionFlags(_SELECTABLE)
        self.value.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.row: int | None = None
        self._fact: Fact | None = None
        self._hidden = False

    def show(self, fact: Fact | None) -> None:
        """Show a fact; None: nothing."""
        if self._hidden != (fact is None):
            self._hidden = fact is None
            for one in (self.label, self.value):
                one.setHidden(self._hidden)
        if fact is None or fact == self._fact:
            return
        self._fact = fact
        self.label.setText(fact.label)
        self.value.setText(fact.value)
        self.value.setToolTip(words.plain_tip(fact.tip.splitlines()))
        self.value.setAccessibleName(f"{fact.label}: {fact.value}")


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
        self._headings: list[QLabel] = []
        self._lines: list[_Line] = []
        self._page = QWidget()
        self._page.setObjectName(f"{name}_page")
        self._grid = QGridLayout(self._page)
        self._grid.setContentsMargins(12, 10, 12, 10)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self.setWidget(self._page)
        self._spare = QTimer(self, interval=_SPARE_MS)
        self._spare.timeout.connect(self._make_spare)

    def show_groups(self, groups: Sequence[tuple[str, list[Fact]]]) -> None:
        """Show these groups: each a heading and its facts."""
        if list(groups) == self._groups:
            return
        self._grid.setEnabled(False)  # else each widget that appears has all laid out anew
        try:
            self._place(groups)
        finally:
            self._grid.setEnabled(True)
            self._grid.update()

    def _place(self, groups: Sequence[tuple[str, list[Fact]]]) -> None:
        self._grid.setRowStretch(self._rows(), 0)
        self._groups = list(groups)
        row = used = 0
        for number, (title, facts) in enumerate(groups):
            self._show_heading(number, row, title)
            for fact in facts:
                row += 1
                self._line(used, row).show(fact)
                used += 1
            row += 1
        for line in self._lines[used:]:
            line.show(None)
        for heading in self._headings[len(groups) :]:
            heading.hide()
        self._grid.setRowStretch(row, 1)

    def text(self) -> str:
        """Return all that is shown, for tests and for copying."""
        lines = []
        for title, facts in self._groups:
            lines += [title, *(f"{fact.label}: {fact.value}" for fact in facts)]
        return "\n".join(lines)

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: begin to make lines, so that the first facts are shown without that delay."""
        super().showEvent(event)
        self._spare.start()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._colour(line.label for line in self._lines)

    def _rows(self) -> int:
        return sum(1 + len(facts) for _, facts in self._groups)

    def _show_heading(self, number: int, row: int, title: str) -> None:
        if number == len(self._headings):
            made = QLabel()
            made.setTextFormat(Qt.TextFormat.PlainText)
            font = QFont(self.font())
            font.setWeight(QFont.Weight.DemiBold)
            made.setFont(font)
            made.setContentsMargins(0, 8 if row else 0, 0, 2)
            self._headings.append(made)
        heading = self._headings[number]
        heading.setText(title)
        self._grid.addWidget(heading, row, 0, 1, 2)  # one that is there already is moved
        heading.show()

    def _line(self, number: int, row: int) -> _Line:
        line = self._lines[number] if number < len(self._lines) else self._make_line()
        if line.row != row:  # what is there already is moved, which lays all out anew
            line.row = row
            self._grid.addWidget(line.label, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(line.value, row, 1)
        return line

    def _make_line(self) -> _Line:
        line = _Line(theme.tabular(self.font()), self._page)
        self._lines.append(line)
        self._colour([line.label])
        line.show(None)  # said, not left to Qt: that depends on whether the page is visible now
        return line

    def _make_spare(self) -> None:
        if len(self._lines) < _SPARE:
            self._make_line()
        else:
            self._spare.stop()

    def _colour(self, labels: Iterable[QLabel]) -> None:
        quiet = QPalette(QGuiApplication.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        for label in labels:
            label.setPalette(quiet)
