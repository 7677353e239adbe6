"""The tree of what became of the fields, as a widget: what is open and selected in it is remembered by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QStyle, QTreeView, QWidget

from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.models.changes import ChangesModel, Column
from vmsnap_gui.views import theme
from vmsnap_gui.views.columns import FittingColumns, Room
from vmsnap_gui.views.page_colours import outcome_colours
from vmsnap_gui.views.text_cells import Look, TextDelegate

if TYPE_CHECKING:
    from PySide6.QtGui import QColor, QPalette

    from vmsnap_gui.models.change_rows import ChangeRows

Index = QModelIndex | QPersistentModelIndex

_ROOMS = (
    *(Room(28, 38, 60), Room(10, 24, 40), Room(14, 20, 30)),
    *(Room(20, 29, 36), Room(20, 29, 36), Room(18, 32, 50), Room(12, 18, 60)),
)
"""Of the columns: paths, names, values, how they differ, and the name of a noise rule."""
_SINCE_ROOMS = (
    *(Room(24, 38, 60), Room(10, 18, 40), Room(14, 20, 30)),
    *(Room(14, 24, 36), Room(14, 24, 36), Room(16, 29, 50), Room(23, 24, 60)),
)
"""Of the same columns where there is a base."""


def _outcome_colour(outcome: Outcome, palette: QPalette) -> QColor:
    return outcome_colours(palette)[outcome]


_COLOUR_OF = {outcome: partial(_outcome_colour, outcome) for outcome in Outcome}
FEW = 200
"""So many rows, or fewer, are shown expanded."""


class ChangeDelegate(TextDelegate):
    """Values in a font of one width; what differs in the accent colour behind its sign, what does not quietly."""

    _FIXED = (Column.BASE, Column.A, Column.B, Column.DIFFERENCE)

    def __init__(self, tree: ChangeTree) -> None:
        super().__init__(tree)
        self._changes = tree.changes

    def look(self, index: Index) -> Look:
        """Override TextDelegate.look."""
        is_field, status, outcome, text = self._changes.look(index)
        column = index.column()
        # What a section counts is told quietly; with a base also where its fields changed, which is of many colours.
        counts = {Column.DIFFERENCE, Column.STATUS} if self._changes.has_base and not outcome else {Column.DIFFERENCE}
        colour = None
        if status is not None and (not status.differs or (column in counts and not is_field)):
            colour = theme.muted
        elif status is not None and column == Column.STATUS:
            colour = _COLOUR_OF[outcome] if outcome else theme.accent
        # what tells paths apart stands at their end
        elide = Qt.TextElideMode.ElideMiddle if column == Column.FIELD else Qt.TextElideMode.ElideRight
        return Look(text, fixed=is_field and column in self._FIXED, colour=colour, elide=elide)


class ChangeTree(QTreeView):
    """The tree. `show_rows` keeps what was opened and selected, also in another comparison."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.changes = ChangesModel(self)
        self._opened: dict[str, bool] = {}
        self._noting = True
        self.setObjectName("change_tree")
        self.setAccessibleName(self.tr("Fields that changed"))
        self.setModel(self.changes)
        self.setItemDelegate(ChangeDelegate(self))
        self.setFont(theme.tabular(self.font()))
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QTreeView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setIndentation(self.style().pixelMetric(QStyle.PixelMetric.PM_SmallIconSize))
        self._size_columns()
        self.expanded.connect(lambda index: self._note(index, opened=True))
        self.collapsed.connect(lambda index: self._note(index, opened=False))

    def show_rows(self, rows: ChangeRows | None) -> None:
        """Show what became of the fields, opened as it was before; a few are opened anyway."""
        key, path = self._name(self.currentIndex())
        self._noting = False
        try:
            self.changes.show(rows)
            self.setColumnHidden(Column.BASE, not self.changes.has_base)
            self._columns.fit(_SINCE_ROOMS if self.changes.has_base else _ROOMS)
            sections = rows.sections if rows is not None else ()
            few = rows is not None and rows.fields + len(sections) <= FEW
            for number, section in enumerate(sections):
                if self._opened.get(section.change.key, few):
                    self.expand(self.changes.index(number, 0))
        finally:
            self._noting = True
        if sections:
            self.setCurrentIndex(self._find(key, path))
            self.scrollTo(self.currentIndex())

    def step(self, *, back: bool) -> bool:
        """Go to the next difference, or to the one before; False where there is none."""
        return self._go(self.changes.step(self.currentIndex().siblingAtColumn(0), back=back))

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first difference, or to the last; False where there is none."""
        return self._go(self.changes.step(QModelIndex(), back=back))

    def _go(self, index: QModelIndex) -> bool:
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)
        return index.isValid()

    def _find(self, key: str, path: str) -> QModelIndex:
        """Return the row of a field that was selected before, or of its section, or the first one."""
        rows = self.changes.rows
        for number, section in enumerate(rows.sections if rows is not None else ()):
            if section.change.key == key:
                places = (place for place, row in enumerate(section.rows) if row.path == path)
                return self.changes.index_of(number, next(places, -1) if path else -1)
        return self.changes.index(0, 0)

    def _name(self, index: Index) -> tuple[str, str]:
        section, change = self.changes.section(index), self.changes.change(index)
        return (section.change.key if section is not None else "", change.path if change is not None else "")

    def _note(self, index: QModelIndex, *, opened: bool) -> None:
        section = self.changes.section(index)
        if self._noting and section is not None and not index.parent().isValid():
            self._opened[section.change.key] = opened

    def _size_columns(self) -> None:
        header = self.header()
        header.setObjectName("change_columns")
        header.setStretchLastSection(False)
        header.setFirstSectionMovable(False)
        self._columns = FittingColumns(self, _ROOMS, always=len(Column))
