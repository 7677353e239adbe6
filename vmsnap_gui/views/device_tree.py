"""The tree of devices and fields as a widget: what is open and selected in it is remembered by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QStyle, QTreeView, QWidget

from vmsnap_gui.models.fields import Column, FieldTreeModel
from vmsnap_gui.views import theme
from vmsnap_gui.views.columns import FittingColumns, Room
from vmsnap_gui.views.text_cells import Look, TextDelegate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.models.field_nodes import Chain, DeviceTree, Kept

Index = QModelIndex | QPersistentModelIndex

_ROOMS = (Room(25, 28), Room(18, 34, 80), Room(23, 37), Room(11, 12), Room(12, 13), Room(9, 10))
"""Of the columns, in their order."""

MOST_FILTERED = 500
"""The most rows that are brought up when a filter leaves them: it is done unasked, and must not be felt."""
MOST_EXPANDED = 2000
"""The most rows that "expand all below" brings up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is in any snapshot's tree.

    Attributes:
        key: The root's key.
        path: The field's path in it.
        chain: Where it was when it was seen: tells fields with the same path apart.
    """

    key: str
    path: str
    chain: Chain


class FieldDelegate(TextDelegate):
    """Numbers in a font of one width; what is wrong with a sign, a colour and words."""

    _FIXED = (Column.VALUE, Column.OFFSET, Column.SIZE)

    def __init__(self, tree: DeviceTreeView) -> None:
        super().__init__(tree)
        self._fields = tree.fields

    def look(self, index: Index) -> Look:
        """Override TextDelegate.look."""
        column = index.column()
        texts, quiet = self._fields.look(index)
        colour = theme.muted if quiet else None
        edited = texts.edited and column == Column.VALUE
        if edited:
            colour = theme.accent
        elif column == Column.LABEL and isinstance(texts.problem, str):
            colour = theme.warning
        return Look(
            texts.columns[column],
            right=column >= Column.OFFSET,
            fixed=column in self._FIXED,
            italic=quiet,
            bold=edited,
            colour=colour,
            icon="problem" if texts.problem and column == Column.FIELD else "",
        )


class DeviceTreeView(QTreeView):
    """The tree. `show_tree` keeps what was expanded and selected, also in another snapshot's tree."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fields = FieldTreeModel(self)
        self._expanded: dict[str, set[str]] = {}
        self._noting = True
        self.setObjectName("device_tree")
        self.setAccessibleName(self.tr("Devices and fields"))
        self.setModel(self.fields)
        self.setItemDelegate(FieldDelegate(self))
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

    def place_of(self, index: Index) -> Place | None:
        """Return where a row is, for `select_place`; None for a group of sections, which is in none."""
        chain, tree = self.fields.chain(index), self.fields.tree
        if not chain or tree is None:
            return None
        return Place(tree.roots[chain[0]].key, tree.path(chain), chain)

    def show_tree(self, tree: DeviceTree | None, kept: Kept | None, *, expand: bool) -> None:
        """Show a tree, or what a filter left of it, expanded as far as it was before.

        Args:
            tree: The tree.
            kept: What a filter left; None: everything.
            expand: Expand what the filter left, up to a bound, and do not remember that.
        """
        self._noting = False
        try:
            self.fields.show(tree, kept)
            if expand:
                self._expand(QModelIndex(), MOST_FILTERED)
            elif tree is not None:
                self._reopen(QModelIndex())
        finally:
            self._noting = True

    def select_place(self, place: Place) -> bool:
        """Select the row at a place, or the nearest one around it; False where there is nothing like it."""
        tree = self.fields.tree
        root = tree.root_of_key(place.key) if tree is not None else None
        if tree is None or root is None:
            return False
        chain = tree.find(root, place.path, place.chain)
        return self.select_chain(chain if chain is not None else (root,)) and chain is not None

    def select_chain(self, chain: Chain) -> bool:
        """Select the row of a field, or the nearest one around it that the filter left; False where it is not it."""
        index = self.fields.index_of(chain)
        self.setCurrentIndex(index)
        self.scrollTo(index)
        return self.fields.chain(index) == chain

    def expand_below(self, index: Index) -> bool:
        """Expand a row and what is below it; False where all of it would be too much."""
        return self._expand(index, MOST_EXPANDED)

    def collapse_below(self, index: Index) -> None:
        """Collapse a row and all below it."""
        for row in reversed(list(self._open_rows(index))):
            self.collapse(row)

    def _expand(self, top: Index, most: int) -> bool:
        """Expand level by level, so far that at most `most` rows appear; what has too many stays as it is.

        Returns:
            Whether that was everything.
        """
        level, everything = [top], True
        while level:
            below: list[Index] = []
            for index in level:
                rows = self.fields.rowCount(index)
                if rows > most and index.isValid():
                    everything = False
                    continue
                most -= rows
                if index.isValid():
                    self.expand(index)
                children = (self.fields.index(row, 0, index) for row in range(rows))
                below += [child for child in children if self.fields.hasChildren(child)]
            level = below
        return everything

    def _open_rows(self, top: Index) -> Iterator[Index]:
        """Yield `top` and the expanded rows below it, the outer ones first."""
        waiting = [top]
        while waiting:
            index = waiting.pop()
            if not self.isExpanded(index):
                continue
            yield index
            waiting += [self.fields.index(row, 0, index) for row in range(self.fields.rowCount(index))]

    def _reopen(self, parent: Index) -> None:
        for row in range(self.fields.rowCount(parent)):
            index = self.fields.index(row, 0, parent)
            if not self.fields.hasChildren(index):
                continue
            key, path = self._name(index)
            if path in self._expanded.get(key, ()):
                self.expand(index)
                self._reopen(index)

    def _note(self, index: QModelIndex, *, opened: bool) -> None:
        if self._noting:
            key, path = self._name(index)
            paths = self._expanded.setdefault(key, set())
            (paths.add if opened else paths.discard)(path)

    def _name(self, index: Index) -> tuple[str, str]:
        place = self.place_of(index)
        group = f"#{index.row()}" if self.fields.is_group(index) else ""
        return (place.key, place.path + group) if place is not None else ("", group)

    def _size_columns(self) -> None:
        header = self.header()
        header.setObjectName("field_columns")
        header.setStretchLastSection(False)
        header.setFirstSectionMovable(False)
        FittingColumns(self, _ROOMS, always=3)
