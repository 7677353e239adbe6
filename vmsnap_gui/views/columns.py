"""Columns that share the width there is: fitting at first, a person's own once somebody has changed them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QTreeView


@dataclass(frozen=True, slots=True)
class Room:
    """How wide a column is to be, in average characters.

    Attributes:
        least: What it needs to be of use.
        best: What shows almost everything in it.
        most: What it may get where there is room left; 0: no more than `best`.
    """

    least: int
    best: int
    most: int = 0


class FittingColumns(QObject):
    """Gives a table's columns widths whenever the table gets another width.

    Hidden columns take none. It ends when it finds other widths than it gave: those of a person, or those of the last
    run.
    """

    def __init__(self, table: QTreeView, rooms: Sequence[Room], *, always: int) -> None:
        """Give a table's columns widths; `always` so many of them are to be seen, however narrow it is."""
        super().__init__(table)
        self._table = table
        self._rooms = tuple(rooms)
        self._always = always
        self._given: dict[int, int] = {}
        table.viewport().installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Override QObject::eventFilter: the table has another width."""
        if event.type() == QEvent.Type.Resize:
            self.fit()
        return super().eventFilter(watched, event)

    def fit(self, rooms: Sequence[Room] | None = None) -> None:
        """Give widths anew, unless they are a person's own: other columns are hidden now, or want other `rooms`."""
        header = self._table.header()
        self._rooms = self._rooms if rooms is None else tuple(rooms)
        if all(header.isSectionHidden(one) or header.sectionSize(one) == wide for one, wide in self._given.items()):
            self._fit()

    def _fit(self) -> None:
        header, wide = self._table.header(), self._table.fontMetrics().averageCharWidth()
        shown = [column for column in range(len(self._rooms)) if not header.isSectionHidden(column)]
        rooms = [self._rooms[column] for column in shown]
        given = share(self._table.viewport().width(), wide, rooms, always=self._always)
        for column, width in zip(shown, given, strict=True):
            header.resizeSection(column, width)
            self._given[column] = header.sectionSize(column)


def share(width: int, wide: int, rooms: Sequence[Room], *, always: int) -> list[int]:
    """Share a width, in pixels, among columns.

    As many columns as can be of use get it all, so that none is cut at the edge; those after them are scrolled to.

    Args:
        width: What there is.
        wide: The width of an average character.
        rooms: What each column wants.
        always: So many columns share it even where that leaves them too little.
    """
    least, best = [room.least * wide for room in rooms], [room.best * wide for room in rooms]
    most = [max(room.best, room.most) * wide for room in rooms]
    count = len(rooms)
    while count > always and sum(least[:count]) > width:
        count -= 1
    given = least[:count]
    for wanted in ([0] * count, best[:count], most[:count]):
        given = _nearer(given, wanted, width)
    return given + best[count:]


def _nearer(given: list[int], wanted: list[int], width: int) -> list[int]:
    """Bring widths nearer to what is wanted, all by the same part, as far as `width` is used up by that and no more."""
    missing = [more - had for had, more in zip(given, wanted, strict=True)]
    rest = width - sum(given)
    if rest * sum(missing) <= 0:  # it is used up, or there is still room and nothing to be given back
        return given
    part = min(1.0, rest / sum(missing))
    return [had + floor(more * part) for had, more in zip(given, missing, strict=True)]
