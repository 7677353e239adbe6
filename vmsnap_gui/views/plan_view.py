"""A plan, shown before anything is written: each file and what happens to it, what is in the way, what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.models.plan_rows import MUTED_ROLE, Column, Note, PlanModel, Row, Tone, notes_of, rows_of
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import MutedDelegate
from vmsnap_gui.views.memory_tables import prepare_table
from vmsnap_gui.views.pages import MessagePage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.control.plan import Plan

_MOST_ROWS = 8
"""A table is as high as its rows, up to so many."""


def heading(text: str, parent: QWidget) -> QLabel:
    """Make the heading of a dialog."""
    label = QLabel(text, parent, wordWrap=True)
    label.setObjectName("heading")
    label.setTextFormat(Qt.TextFormat.PlainText)
    font = QFont(parent.font())
    font.setPointSizeF(font.pointSizeF() * 1.2)
    font.setWeight(QFont.Weight.DemiBold)
    label.setFont(font)
    return label


def quiet(label: QLabel) -> QLabel:
    """Make a label's text a muted one."""
    palette = QPalette(QGuiApplication.palette())
    palette.setColor(QPalette.ColorRole.WindowText, theme.muted(palette))
    label.setPalette(palette)
    return label


def button_row(left: Sequence[QPushButton], right: QDialogButtonBox) -> QHBoxLayout:
    """Lay a dialog's buttons out: helpers at the left, what ends the dialog at the right."""
    row = QHBoxLayout()
    for button in left:
        button.setAutoDefault(False)
        row.addWidget(button)
    row.addStretch(1)
    row.addWidget(right)
    return row


class FileTable(QTreeView):
    """A table of files and what happens to them, as high as its rows."""

    def __init__(self, name: str, title: str, what: str, parent: QWidget) -> None:
        """Make it; `title` is for screen readers, `what` stands above what happens."""
        super().__init__(parent)
        self._model = PlanModel(what, self)
        prepare_table(self, name, title, self._model)
        self.setItemDelegate(MutedDelegate(MUTED_ROLE, self))
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        header = self.header()
        header.setObjectName("qt_file_columns")  # by this name it is not remembered: it fits what is shown
        header.setStretchLastSection(True)
        header.setSectionsMovable(False)
        header.resizeSection(Column.NUMBER, self.fontMetrics().averageCharWidth() * 7)
        header.setSectionResizeMode(Column.NUMBER, QHeaderView.ResizeMode.Fixed)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows, with the numbers of steps if there are some."""
        self._model.show(rows)
        self.setColumnHidden(Column.NUMBER, not any(row.number for row in rows))
        self.setVisible(bool(rows))
        wide = self.fontMetrics().averageCharWidth()
        self.header().resizeSection(Column.FILE, max(wide * 16, min(self.sizeHintForColumn(Column.FILE), wide * 36)))
        high = self.header().sizeHint().height() + min(len(rows), _MOST_ROWS) * theme.row_height(self.font())
        self.setFixedHeight(high + 2 * self.frameWidth() + 2)


class PlanView(QStackedWidget):
    """Shows a `Plan`, or why there is none yet."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plan")
        self.table = FileTable("plan_table", self.tr("What happens to each file"), self.tr("What happens"), self)
        self.notes = NoteList(self)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self.table)
        layout.addWidget(self.notes)
        layout.addStretch(1)
        area = QScrollArea()
        area.setObjectName("plan_area")
        area.setAccessibleName(self.tr("The plan"))
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inner)
        self._area, self._inner = area, inner
        self.page = MessagePage("plan_page", self)
        self.addWidget(area)
        self.addWidget(self.page)
        self.show_waiting()

    def show_plan(self, plan: Plan) -> None:
        """Show a plan; that of a repair has no steps where nothing is wrong."""
        if not plan.steps and not plan.blockers:
            text = self.tr("The check found no damage, and all snapshots read as they should.")
            self.page.show_message("done", self.tr("There is nothing to do"), text)
            self.setCurrentWidget(self.page)
            return
        self.table.show_rows(rows_of(plan))
        self.notes.show_notes(notes_of(plan))
        self.setCurrentIndex(0)

    def cut_off(self) -> int:
        """Return how many pixels of the plan's height are out of sight."""
        port = self._area.viewport()
        wanted = max(self._inner.heightForWidth(port.width()), self._inner.sizeHint().height())
        return max(0, wanted - port.height())

    def show_waiting(self) -> None:
        """Say that the plan is being made."""
        self.page.show_message("reading", self.tr("Looking at the disks"), "")
        self.setCurrentWidget(self.page)

    def show_failure(self, text: str) -> None:
        """Say why there can be no plan."""
        self.page.show_message("failed", self.tr("This cannot be planned"), text)
        self.setCurrentWidget(self.page)


class NoteList(QWidget):
    """Notes below each other: an icon, what is so, and in a quieter line what to do about it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plan_notes")
        self._notes: tuple[Note, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 0, 2, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(1, 1)

    def show_notes(self, notes: Sequence[Note]) -> None:
        """Show these notes."""
        if tuple(notes) != self._notes:
            self._notes = tuple(notes)
            self._fill()

    def notes(self) -> tuple[Note, ...]:
        """Return the notes that are shown."""
        return self._notes

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._fill()

    def _fill(self) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for row, note in enumerate(self._notes):
            self._grid.addWidget(self._picture(note), row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(self._text(note), row, 1)
        self.setVisible(bool(self._notes))

    def _picture(self, note: Note) -> QLabel:
        picture = QLabel()
        picture.setPixmap(theme.icon(note.tone.value).pixmap(QSize(16, 16), self.devicePixelRatioF()))
        picture.setAccessibleName(self._spoken(note.tone))
        picture.setToolTip(self._spoken(note.tone))
        return picture

    def _text(self, note: Note) -> QWidget:
        both = QWidget()
        lines = QVBoxLayout(both)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(1)
        for text in filter(None, (note.text, note.more)):
            label = QLabel(text, wordWrap=True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setAccessibleName(f"{self._spoken(note.tone)}: {text}")
            if text is note.more or note.tone is Tone.NOTE:
                quiet(label)
            lines.addWidget(label)
        return both

    def _spoken(self, tone: Tone) -> str:
        return {
            Tone.BLOCKER: self.tr("In the way"),
            Tone.WARNING: self.tr("Warning"),
            Tone.LOSS: self.tr("Lost"),
            Tone.NOTE: self.tr("To know"),
        }[tone]
