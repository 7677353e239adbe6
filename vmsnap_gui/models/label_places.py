"""Where labels of marks have room, so that none covers another, or a mark. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Box = tuple[float, float, float, float]
"""Left, top, width and height, in pixels."""

_CELL = 5.0
"""Pixels; what is taken is kept in cells of this size, so that a thousand labels cost no more than they must."""
_GAP = 3.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A mark with its label, in pixels.

    Attributes:
        x, y: The middle of the mark.
        radius: Its own.
        width, height: The size of its label.
    """

    x: float
    y: float
    radius: float
    width: float
    height: float


class _Grid:
    """Which cells of the picture are taken."""

    def __init__(self, room: tuple[float, float]) -> None:
        self._cells = np.zeros((int(room[0] // _CELL) + 2, int(room[1] // _CELL) + 2), np.bool_)

    def take(self, box: Box) -> None:
        self._cells[self._place(box)] = True

    def is_taken(self, box: Box) -> bool:
        return bool(self._cells[self._place(box)].any())

    def _place(self, box: Box) -> tuple[slice, slice]:
        left, top, width, height = box
        return _slice(left, left + width), _slice(top, top + height)


def _slice(low: float, high: float) -> slice:
    return slice(max(0, int(low // _CELL)), max(0, int(high // _CELL) + 1))


def places_of(
    spots: Sequence[Spot], order: Iterable[int], room: tuple[float, float], lines: Iterable[Box] = ()
) -> dict[int, tuple[float, float]]:
    """Return the upper left corner of the label of each spot that has room for one.

    Args:
        spots: All marks, also those whose labels have no room.
        order: Which are tried, the most important first.
        room: Width and height of the picture; labels stay inside.
        lines: What a label covers only where nothing else is free.
    """
    taken, crossed, places = _Grid(room), _Grid(room), {}
    for spot in spots:
        taken.take((spot.x - spot.radius, spot.y - spot.radius, 2 * spot.radius, 2 * spot.radius))
    for line in lines:
        crossed.take(line)
    for number in order:
        spot = spots[number]
        boxes = [(x - _GAP, y, spot.width + 2 * _GAP, spot.height) for x, y in _candidates(spot)]
        free = [box for box in boxes if _is_inside(box, room) and not taken.is_taken(box)]
        if free:
            box = next((box for box in free if not crossed.is_taken(box)), free[0])
            taken.take(box)
            places[number] = (box[0] + _GAP, box[1])
    return places


def _is_inside(box: Box, room: tuple[float, float]) -> bool:
    left, top, width, height = box
    return left >= 0 and top >= 0 and left + width <= room[0] and top + height <= room[1]


def _candidates(spot: Spot) -> tuple[tuple[float, float], ...]:
    """Return the corners that are tried: below, above, at the right, at the left."""
    away, middle = spot.radius + _CELL + 1, spot.x - spot.width / 2
    beside = spot.y - spot.height / 2
    return (
        (middle, spot.y + away),
        (middle, spot.y - away - spot.height),
        (spot.x + away + _GAP, beside),
        (spot.x - away - _GAP - spot.width, beside),
    )
