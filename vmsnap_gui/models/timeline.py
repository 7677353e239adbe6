"""The timeline's marks: where each stands, how large it is, and which is next to it. Qt-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.ancestry import Source
from vmsnap_gui.models import history_texts

if TYPE_CHECKING:
    from vmsnap_gui.history import History

_LARGEST = 34.0
_SMALLEST = 9.0
"""Diameters in pixels: of the mark with the largest area, and of such as would be hard to see and hit."""
_UNKNOWN = 13.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A node on the timeline.

    Attributes:
        node: Its position in the image's table; behind the last one: the disk as it is now.
        at: Seconds on the axis.
        lane: Its lane, from 0.
        size: Its diameter in pixels: its area is what deleting it frees.
        name: What it is called.
        here: Whether it is the disk as it is now.
        open: Whether it is not known what it goes back to.
    """

    node: int
    at: float
    lane: int
    size: float
    name: str
    here: bool
    open: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """All that is on the timeline.

    Attributes:
        all: The marks.
        links: For each line to a parent the places of parent and child in `all`, and whether it is solid.
        lanes: How many lanes there are.
        left_out: How many snapshots have no such time.
    """

    all: tuple[Mark, ...] = ()
    links: tuple[tuple[int, int, bool], ...] = ()
    lanes: int = 0
    left_out: int = 0

    @property
    def by_time(self) -> list[int]:
        """The positions of the snapshots in the order in which they stand on the axis."""
        return [mark.node for mark in sorted(self.all, key=lambda one: (one.at, one.lane)) if not mark.here]

    def after(self, position: int | None, step: int) -> int | None:
        """Return the snapshot that stands `step` places further on the axis, or the last one there is."""
        order = self.by_time
        if not order:
            return None
        if position not in order:
            return order[0 if step > 0 else -1]
        return order[min(max(0, order.index(position) + step), len(order) - 1)]

    def beside(self, position: int | None, step: int) -> int | None:
        """Return the snapshot nearest in time in the next lane that has any, downwards where `step` is positive."""
        here = next((mark for mark in self.all if mark.node == position), None)
        if here is None:
            return self.after(position, 1)
        others = [mark for mark in self.all if not mark.here and (mark.lane - here.lane) * step > 0]
        if not others:
            return position
        nearest = min(others, key=lambda one: (abs(one.lane - here.lane), abs(one.at - here.at)))
        return nearest.node


def marks_of(found: History, *, vm_clock: bool) -> Marks:
    """Return the marks of a history on one of its clocks."""
    points = found.by_clock if vm_clock else found.by_date
    most = max(found.frees, default=0)
    marks = []
    for point in points:
        here = history_texts.is_here(found, point.node)
        size = _UNKNOWN if here or not found.frees else _size(found.frees[point.node], most)
        is_open = history_texts.edge_of(found, point.node).source is Source.OPEN
        name = history_texts.node_name(found, point.node)
        marks.append(Mark(point.node, point.at, point.lane, size, name, here, is_open))
    links = tuple((one.parent, child, one.solid) for child, one in enumerate(points) if one.parent is not None)
    lanes = 1 + max((mark.lane for mark in marks), default=-1)
    return Marks(tuple(marks), links, lanes, len(found.snapshots) - sum(not mark.here for mark in marks))


def _size(freed: int, most: int) -> float:
    return max(_SMALLEST, _LARGEST * math.sqrt(freed / most)) if most else _SMALLEST
