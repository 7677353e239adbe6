"""The tree of devices and fields as a Qt model: rows are made when they are looked at, indexes carry ids of nodes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models.field_nodes import (
    ROWS,
    ROWS_OF_CONTAINERS,
    Chain,
    DeviceTree,
    Kept,
    children_of,
    group_size,
    holds_containers,
    row_of,
)
from vmsnap_gui.models.field_parts import has_parts
from vmsnap_gui.models.field_texts import FieldTexts
from vmsnap_gui.models.trees import NodeTree
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.models.tables import Index

MUTED_ROLE = Qt.ItemDataRole.UserRole
"""True for what is savevm's own, or described by nothing: to be shown quietly."""
PROBLEM_ROLE = Qt.ItemDataRole.UserRole + 1
"""What is wrong with the field, a text; or True where something inside it is wrong; else None."""
EDITED_ROLE = Qt.ItemDataRole.UserRole + 2
"""True where the value is one that the person gave the field."""

_ROLES = frozenset(
    (
        Qt.ItemDataRole.DisplayRole,
        Qt.ItemDataRole.ToolTipRole,
        Qt.ItemDataRole.AccessibleTextRole,
        Qt.ItemDataRole.TextAlignmentRole,
        MUTED_ROLE,
        PROBLEM_ROLE,
        EDITED_ROLE,
    )
)
"""Those that `data` knows; a painted cell asks for as many others, a thousand times a paint."""


class Column(enum.IntEnum):
    """The tree's columns."""

    FIELD = 0
    LABEL = 1
    VALUE = 2
    TYPE = 3
    OFFSET = 4
    SIZE = 5


@dataclass(slots=True)
class _Node:
    """A row that was looked at.

    Attributes:
        parent: Id of the row above.
        row: Its row there.
        chain: Where its field is; of a group, that of the field whose children it groups.
        field: Its field (None at the very top); of a group, the field whose children it groups (None: sections).
        kept: What a filter leaves of that field's children; None: all.
        part: The rows of the field's children that are below this node; None: all of them.
        children: Ids of the rows below, once they were looked at.
        texts: What its columns show, once they were shown.
    """

    parent: int
    row: int
    chain: Chain
    field: Field | None
    kept: Kept | None
    part: range | None = None
    children: list[int] | None = None
    texts: FieldTexts | None = None


class FieldTreeModel(NodeTree[_Node]):
    """Sections and their fields. `show` replaces all rows; so does `filter`."""

    columns = len(Column)
    at_right = (Column.OFFSET, Column.SIZE)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(_Node(0, 0, (), None, None), parent)
        self._tree: DeviceTree | None = None

    # What is shown

    @property
    def tree(self) -> DeviceTree | None:
        """What is shown."""
        return self._tree

    def show(self, tree: DeviceTree | None, kept: Kept | None = None) -> None:
        """Show a tree, or what a filter left of it."""
        self.beginResetModel()
        self._tree = tree
        self._nodes = [_Node(0, 0, (), None, kept)]
        self.endResetModel()

    def show_edited(self, edited: dict[tuple[str, str], Field]) -> None:
        """Show other values of some fields, by section and path, and of the others those that they have."""
        if self._tree is None or edited == self._tree.edited:
            return
        self._tree.edited = edited
        for node in self._nodes:  # as many as came into sight
            node.texts = None
        top = QModelIndex()
        self.dataChanged.emit(self.index(0, 0, top), self.index(self.rowCount() - 1, len(Column) - 1, top))

    def chain(self, index: Index) -> Chain | None:
        """Return where the field at an index is; of a group, that of the field whose children it groups."""
        return self._node(index).chain if index.isValid() else None

    def field(self, index: Index) -> Field | None:
        """Return the field at an index; None for a group."""
        node = self._node(index)
        return node.field if index.isValid() and node.part is None else None

    def look(self, index: Index) -> tuple[FieldTexts, bool]:
        """Return all that a delegate asks, in one call: the texts of a row, and whether it is to be shown quietly."""
        node = self._node(index)
        return self._texts(node), _is_quiet(node)

    def is_group(self, index: Index) -> bool:
        """Whether the row only groups others."""
        return index.isValid() and self._node(index).part is not None

    def bytes_of(self, index: Index) -> range:
        """Return the bytes of a row, from the start of the stream; of a group from its first row to its last."""
        node = self._node(index)
        if node.part is not None:
            first, last = self._ends(node, node.part)
            return range(first.offset, last.offset + last.size)
        if node.field is None:
            return range(0)
        return range(node.field.offset, node.field.offset + node.field.size)

    def index_of(self, chain: Chain) -> QModelIndex:
        """Return the index of the field at `chain`, or of the nearest field around it that the filter left."""
        number = 0
        for place in chain:
            below = self._child_at(number, place)
            if below is None:
                break
            number = below
        return self._index(number)

    # Qt's own

    def hasChildren(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::hasChildren."""
        if parent.isValid() and parent.column() != 0:
            return False
        node = self._node(parent)
        if node.part is not None or node.field is None:
            return self._count(node) > 0
        return has_parts(node.field) or len(node.field.children) > 0

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if role not in _ROLES or not index.isValid():
            return None
        node = self._node(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts(node).columns[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._texts(node).tip
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._texts(node).spoken if index.column() == 0 else self._texts(node).columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.column())
        if role == MUTED_ROLE:
            return _is_quiet(node)
        if role == PROBLEM_ROLE:
            return self._texts(node).problem
        if role == EDITED_ROLE:
            return self._texts(node).edited
        return None

    # Nodes

    def _fields(self, node: _Node) -> Sequence[Field]:
        if node.field is not None:
            return children_of(node.field)
        return [root.field for root in self._tree.roots] if self._tree is not None else ()

    def _range(self, node: _Node) -> range:
        """Return which rows of the children that the filter left are below a node, in groups or not."""
        if node.part is not None:
            return node.part
        if node.kept is not None:
            return range(len(node.kept.places))
        return range(len(self._fields(node)))

    def _group(self, node: _Node, rows: int) -> int:
        array = node.field is not None and node.field.kind is Kind.ARRAY
        most = ROWS
        if rows > ROWS_OF_CONTAINERS and array and node.field is not None and holds_containers(node.field):
            most = ROWS_OF_CONTAINERS
        return group_size(rows, most)

    def _count(self, node: _Node) -> int:
        if node.children is not None:
            return len(node.children)
        rows = len(self._range(node))
        size = self._group(node, rows)
        return -(-rows // size) if size else rows

    def _make_rows(self, number: int, node: _Node) -> None:
        rows = self._range(node)
        size = self._group(node, len(rows))
        if size:
            for row, start in enumerate(range(rows.start, rows.stop, size)):
                part = range(start, min(start + size, rows.stop))
                self._nodes.append(_Node(number, row, node.chain, node.field, node.kept, part))
            return
        fields = self._fields(node)
        for row, at in enumerate(rows):
            place = node.kept.places[at] if node.kept is not None else at
            below = node.kept.below.get(place) if node.kept is not None else None
            self._nodes.append(_Node(number, row, (*node.chain, place), fields[place], below))

    def _child_at(self, number: int, place: int) -> int | None:
        """Return the id of the row of the child at `place`, through its groups; None if the filter dropped it."""
        node = self._nodes[number]
        row = row_of(node.kept.places if node.kept is not None else None, place)
        if row is None or row not in self._range(node):
            return None
        while (size := self._group(node, len(self._range(node)))) > 0:
            number = self._children(number)[(row - self._range(node).start) // size]
            node = self._nodes[number]
        return self._children(number)[row - self._range(node).start]

    def _texts(self, node: _Node) -> FieldTexts:
        if node.texts is None and self._tree is not None:
            if node.part is not None:
                top = node.field is None
                node.texts = FieldTexts.of_group(*self._ends(node, node.part), len(node.part), top=top)
            elif node.field is not None:
                node.texts = FieldTexts.of(self._tree, node.chain, node.field)
        return node.texts or FieldTexts.EMPTY

    def _ends(self, node: _Node, part: range) -> tuple[Field, Field]:
        """Return the first and the last field of a group."""
        fields = self._fields(node)
        places = node.kept.places if node.kept is not None else range(len(fields))
        return fields[places[part.start]], fields[places[part.stop - 1]]

    def _titles(self) -> tuple[str, ...]:
        return (
            self.tr("Field"),
            self.tr("Label"),
            self.tr("Value"),
            self.tr("Type"),
            self.tr("Offset"),
            self.tr("Size"),
        )

    def _meanings(self) -> tuple[str, ...]:
        return (
            self.tr("QEMU's own name"),
            self.tr("What people call it, and what its value means"),
            self.tr("Decimal, and in brackets hexadecimal; buffers as hex bytes"),
            self.tr("QEMU's type; ours in brackets where it has none"),
            self.tr("First byte, from the start of the saved state"),
            self.tr("Bytes"),
        )


_QUIET = (Kind.FRAME, Kind.RAW, Kind.RECORDS)


def _is_quiet(node: _Node) -> bool:
    return node.part is not None or (node.field is not None and node.field.kind in _QUIET)
