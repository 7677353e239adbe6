"""What the trees of fields have in common: a row is made when it is looked at, and an index carries its node's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar, overload

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject

from vmsnap_gui.models.tables import Headed

if TYPE_CHECKING:
    from vmsnap_gui.models.tables import Index


class Node(Protocol):
    """A row that was looked at.

    Attributes:
        parent: Id of the row above.
        row: Its row there.
        children: Ids of the rows below, once they were looked at.
    """

    parent: int
    row: int
    children: list[int] | None


N = TypeVar("N", bound=Node)


class NodeTree(Headed, QAbstractItemModel, Generic[N]):
    """A tree of nodes, of which the first is the very top; a model says what is below each, and its data.

    Attributes:
        columns: How many there are.
    """

    columns: ClassVar[int]

    def __init__(self, top: N, parent: QObject | None) -> None:
        super().__init__(parent)
        self._nodes = [top]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        if parent.isValid() and parent.column() != 0:
            return 0
        return self._count(self._node(parent))

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Override QAbstractItemModel::columnCount."""
        return self.columns

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """Override QAbstractItemModel::index."""
        if not 0 <= column < self.columns or row < 0 or (parent.isValid() and parent.column() != 0):
            return QModelIndex()
        children = self._children(parent.internalId() if parent.isValid() else 0)
        return self.createIndex(row, column, children[row]) if row < len(children) else QModelIndex()

    @overload
    def parent(self) -> QObject | None: ...
    @overload
    def parent(self, child: Index) -> QModelIndex: ...
    def parent(self, child: Index | None = None) -> QObject | QModelIndex | None:
        """Override QAbstractItemModel::parent."""
        if child is None:
            return super().parent()
        return self._index(self._node(child).parent) if child.isValid() else QModelIndex()

    def _node(self, index: Index) -> N:
        return self._nodes[index.internalId() if index.isValid() else 0]

    def _index(self, number: int) -> QModelIndex:
        return QModelIndex() if number == 0 else self.createIndex(self._nodes[number].row, 0, number)

    def _count(self, node: N) -> int:
        """Return how many rows are below a node, without making them."""
        raise NotImplementedError

    def _children(self, number: int) -> list[int]:
        """Return the ids of the rows below a node, making them if need be: a branch has at most `ROWS`."""
        node = self._nodes[number]
        if node.children is None:
            first = len(self._nodes)
            self._make_rows(number, node)
            node.children = list(range(first, len(self._nodes)))
        return node.children

    def _make_rows(self, number: int, node: N) -> None:
        """Append the nodes of the rows below a node, which has this id."""
        raise NotImplementedError
