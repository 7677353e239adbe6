"""Where the parts of the timeline are in the picture: marks, the lines in sight, the labels that have room. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.models.label_places import Spot, places_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from vmsnap_gui.models.label_places import Box
    from vmsnap_gui.models.timeline import Marks

Segment = tuple[float, float, float, float]
"""From x, y to x, y, in pixels."""

_AROUND = 40.0
"""Pixels beside the picture in which marks and lines still count."""
_BESIDE = 3.0
"""Pixels that labels keep from lines, where they can."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How times and lanes become pixels.

    Attributes:
        start: The time at the left edge.
        x, per_second: Where that is, and pixels of a second.
        y, per_lane: Where the first lane is, and pixels from one to the next.
    """

    start: float
    x: float
    per_second: float
    y: float
    per_lane: float

    def place(self, at: float, lane: float) -> tuple[float, float]:
        """Return where a time in a lane is."""
        return self.x + (at - self.start) * self.per_second, self.y + lane * self.per_lane


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of the picture.

    Attributes:
        places: The middle of each mark.
        solid, dashed: The parts of lines to parents that are in sight.
        labels: The upper left corner of each label that has room, by the place of its mark in the list.
    """

    places: tuple[tuple[float, float], ...]
    solid: tuple[Segment, ...]
    dashed: tuple[Segment, ...]
    labels: dict[int, tuple[float, float]]

    def nearest(self, marks: Marks, x: float, y: float, around: float) -> int | None:
        """Return the node whose mark is at a place, or not more than `around` pixels beside it."""
        near = []
        for mark, (left, top) in zip(marks.all, self.places, strict=True):
            distance = ((left - x) ** 2 + (top - y) ** 2) ** 0.5
            if distance <= mark.size / 2 + around:
                near.append((distance, mark.node))
        return min(near)[1] if near else None


def layout_of(
    marks: Marks, scale: Scale, room: tuple[float, float], texts: Sequence[tuple[float, float]], chosen: Collection[int]
) -> Layout:
    """Lay a timeline out.

    Args:
        marks: What is on it.
        scale: Where that is.
        room: Width and height of the picture in pixels.
        texts: Width and height of each mark's label.
        chosen: The snapshots whose labels are the most important.
    """
    places = tuple(scale.place(mark.at, mark.lane) for mark in marks.all)
    lines: dict[bool, list[Segment]] = {True: [], False: []}
    for start, end, solid in marks.links:
        lines[solid] += _segments(places[start], places[end], room)
    seen = [number for number, (x, y) in enumerate(places) if _is_near(x, y, room)]
    spots = [Spot(*places[number], marks.all[number].size / 2, *texts[number]) for number in seen]
    wanted = set(chosen)

    def importance(at: int) -> tuple[bool, bool, int]:
        mark = marks.all[seen[at]]
        return mark.node not in wanted, not mark.here, -at

    boxes = [_box(segment) for segment in (*lines[True], *lines[False])]
    labels = places_of(spots, sorted(range(len(spots)), key=importance), room, boxes)
    named = {seen[at]: place for at, place in labels.items()}
    return Layout(places, tuple(lines[True]), tuple(lines[False]), named)


def _is_near(x: float, y: float, room: tuple[float, float]) -> bool:
    return -_AROUND <= x <= room[0] + _AROUND and -_AROUND <= y <= room[1] + _AROUND


def _segments(parent: tuple[float, float], child: tuple[float, float], room: tuple[float, float]) -> list[Segment]:
    """Return what is in sight of a line: up or down from the parent, then along the lane of the child."""
    found = []
    x, low, high = parent[0], min(parent[1], child[1]), max(parent[1], child[1])
    if low != high and -_AROUND <= x <= room[0] + _AROUND and high >= 0 and low <= room[1]:
        found.append((x, max(low, -_AROUND), x, min(high, room[1] + _AROUND)))
    left, right, y = min(x, child[0]), max(x, child[0]), child[1]
    if -_AROUND <= y <= room[1] + _AROUND and right >= 0 and left <= room[0]:
        found.append((max(left, -_AROUND), y, min(right, room[0] + _AROUND), y))
    return found


def _box(segment: Segment) -> Box:
    left, top, right, bottom = segment
    wide, high = (_BESIDE, 0.0) if left == right else (0.0, _BESIDE)
    return left - wide, top - high, right - left + 2 * wide, bottom - top + 2 * high
