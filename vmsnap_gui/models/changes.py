"""What became of the fields as a Qt tree: sections, and below each its fields; rows are made when looked at."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.compare.outcomes import FieldOutcome, SectionOutcome
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.models.change_heads import meanings, titles
from vmsnap_gui.models.change_texts import ChangeTexts
from vmsnap_gui.models.field_nodes import ROWS, group_size
from vmsnap_gui.models.outcome_texts import field_texts, section_texts
from vmsnap_gui.models.trees import NodeTree

if TYPE_CHECKING:
    from vmsnap_gui.compare.terms import Status
    from vmsnap_gui.models.change_rows import ChangeRows, Row, ShownSection
    from vmsnap_gui.models.tables import Index

STATUS_ROLE = Qt.ItemDataRole.UserRole
"""The row's Status; None for a group."""
_TOP = -1


class Column(enum.IntEnum):
    """The tree's columns; BASE is empty where there is none."""

    FIELD = 0
    LABEL = 1
    BASE = 2
    A = 3
    B = 4
    DIFFERENCE = 5
    STATUS = 6


@dataclass(slots=True)
class _Node:
    """A row that was looked at.

    Attributes:
        parent: Id of the row above.
        row: Its row there.
        section: Which section it belongs to.
        place: Which of the section's rows it is; -1 for the section itself and for a group.
        part: The section's rows that are below it; None for a field.
        children: Ids of the rows below, once they were looked at.
        texts: What its columns show, once they were shown.
    """

    parent: int
    row: int
    section: int
    place: int = -1
    part: range | None = None
    children: list[int] | None = None
    texts: ChangeTexts | None = None


class ChangesModel(NodeTree[_Node]):
    """Sections and what became of their fields. `show` replaces all rows."""

    columns = len(Column)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_Node(0, 0, _TOP), parent)
        self._rows: ChangeRows | None = None

    # What is shown

    @property
    def rows(self) -> ChangeRows | None:
        """What is shown."""
        return self._rows

    def show(self, rows: ChangeRows | None) -> None:
        """Show what became of the fields; None: nothing."""
        self.beginResetModel()
        self._rows = rows
        self._nodes = [_Node(0, 0, _TOP)]
        self.endResetModel()

    @property
    def has_base(self) -> bool:
        """Whether what is shown has a base."""
        return self._rows is not None and self._rows.compared.since is not None

    def section(self, index: Index) -> ShownSection | None:
        """Return the section of a row."""
        node = self._node(index)
        return self._section(node) if node.section != _TOP else None

    def change(self, index: Index) -> Row | None:
        """Return the field of a row; None for a section or a group."""
        node = self._node(index)
        return self._section(node).rows[node.place] if node.place >= 0 else None

    def look(self, index: Index) -> tuple[bool, Status | None, Outcome, str]:
        """Return all that a delegate asks, in one call: if a row is a field, its status, where it changed, the text.

        The status is None for a group; the outcome is NONE where there is no base, and of sections with fields.
        """
        node = self._node(index)
        text = self._texts(node).columns[index.column()]
        return node.place >= 0, self._status(node), self._outcome(node), text

    def texts(self, index: Index) -> ChangeTexts:
        """Return all that is said about a row."""
        return self._texts(self._node(index)) if index.isValid() else ChangeTexts.EMPTY

    def where(self, index: Index) -> tuple[int, int]:
        """Return the numbers of a row's section and of its field in it; -1 for the section, or at the very top."""
        node = self._node(index)
        place = node.part.start - 1 if node.part is not None else node.place
        return node.section, place

    def index_of(self, section: int, place: int) -> QModelIndex:
        """Return the index of a field by these numbers; of the section for -1."""
        number = self._children(0)[section]
        if place < 0:
            return self._index(number)
        while (size := self._group(self._nodes[number])) > 0:
            part = self._part(self._nodes[number])
            number = self._children(number)[(place - part.start) // size]
        part = self._part(self._nodes[number])
        return self._index(self._children(number)[place - part.start])

    def step(self, index: Index, *, back: bool) -> QModelIndex:
        """Return the next difference after a row, or the one before it; the invalid index where there is none."""
        if self._rows is None:
            return QModelIndex()
        sections = self._rows.sections
        section, place = self.where(index)
        if not index.isValid():
            section, place = (len(sections), 0) if back else (0, -2)
        order = range(min(section, len(sections) - 1), -1, -1) if back else range(section, len(sections))
        for number in order:
            here = number == section
            found = _stop(sections[number], place if here else None, back=back)
            if found is not None:
                return self.index_of(number, found)
        return QModelIndex()

    # Qt's own

    def hasChildren(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::hasChildren."""
        return self.rowCount(parent) > 0

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        node = self._node(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts(node).columns[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._texts(node).tip
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._texts(node).spoken if index.column() == 0 else self._texts(node).columns[index.column()]
        if role == STATUS_ROLE:
            return self._status(node)
        return None

    # Nodes

    def _titles(self) -> tuple[str, ...]:
        return titles(has_base=self.has_base)

    def _meanings(self) -> tuple[str, ...]:
        return meanings(has_base=self.has_base)

    def _section(self, node: _Node) -> ShownSection:
        assert self._rows is not None  # there is no node of a section without them
        return self._rows.sections[node.section]

    def _part(self, node: _Node) -> range:
        return node.part if node.part is not None else range(0)

    def _group(self, node: _Node) -> int:
        """Return how many fields each row below a node stands for; 0: one."""
        return group_size(len(self._part(node)), ROWS)

    def _count(self, node: _Node) -> int:
        if node.section == _TOP:
            return len(self._rows.sections) if self._rows is not None else 0
        rows, size = len(self._part(node)), self._group(node)
        return -(-rows // size) if size else rows

    def _make_rows(self, number: int, node: _Node) -> None:
        if node.section == _TOP:
            sections = self._rows.sections if self._rows is not None else ()
            self._nodes += [_Node(0, row, row, part=range(len(section.rows))) for row, section in enumerate(sections)]
            return
        part, size = self._part(node), self._group(node)
        if size:
            for row, start in enumerate(range(part.start, part.stop, size)):
                below = range(start, min(start + size, part.stop))
                self._nodes.append(_Node(number, row, node.section, part=below))
        else:
            self._nodes += [_Node(number, row, node.section, place) for row, place in enumerate(part)]

    def _texts(self, node: _Node) -> ChangeTexts:
        if node.texts is None and node.section != _TOP:
            section = self._section(node)
            if node.place >= 0:
                node.texts = _field_texts(section, section.rows[node.place])
            elif node.parent == 0:
                node.texts = _section_texts(section)
            else:
                part = self._part(node)
                node.texts = ChangeTexts.of_group(section.rows[part.start], section.rows[part.stop - 1], len(part))
        return node.texts or ChangeTexts.EMPTY

    def _status(self, node: _Node) -> Status | None:
        if node.place >= 0:
            return self._section(node).rows[node.place].status
        return self._section(node).status if node.parent == 0 and node.section != _TOP else None

    def _outcome(self, node: _Node) -> Outcome:
        if node.section == _TOP:
            return Outcome.NONE
        section = self._section(node)
        if node.place >= 0:
            row = section.rows[node.place]
            return row.outcome if isinstance(row, FieldOutcome) else Outcome.NONE
        change = section.change if node.parent == 0 else None
        return change.whole if isinstance(change, SectionOutcome) else Outcome.NONE


def _field_texts(section: ShownSection, row: Row) -> ChangeTexts:
    return field_texts(section, row) if isinstance(row, FieldOutcome) else ChangeTexts.of(section, row)


def _section_texts(section: ShownSection) -> ChangeTexts:
    change = section.change
    return section_texts(section, change) if isinstance(change, SectionOutcome) else ChangeTexts.of_section(section)


def _stop(section: ShownSection, place: int | None, *, back: bool) -> int | None:
    """Return the next difference in a section from row `place` on (None: from outside); -1 is the section itself."""
    if not section.stops:
        outside = place is None or (place < -1 if not back else place > -1)
        return -1 if outside and section.status.differs else None
    if back:
        return section.previous_stop(len(section.rows) if place is None else place)
    return section.next_stop(-1 if place is None else place)
