"""Where labels of marks have room, so that none covers another, or a mark. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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


def places_of(
    spots: Sequence[Spot],
    order: Iterable[int],
    room: tuple[float, float],
    lines: Iterable[tuple[float, float, float, float]] = (),
) -> dict[int, tuple[float, float]]:
    """Return the upper left corner of the label of each spot that has room for one.

    Args:
        spots: All marks, also those whose labels have no room.
        order: Which are tried, the most important first.
        room: Width and height of the picture; labels stay inside.
        lines: Left, top, width and height of what a label covers only where nothing else is free.
    """
    taken: set[tuple[int, int]] = set()
    for spot in spots:
        taken.update(_cells(spot.x - spot.radius, spot.y - spot.radius, 2 * spot.radius, 2 * spot.radius))
    crossed = {cell for line in lines for cell in _inside(line, room)}
    places = {}
    for number in order:
        spot = spots[number]
        fit: list[tuple[bool, int, set[tuple[int, int]], tuple[float, float]]] = []
        for x, y in _candidates(spot):
            if x >= 0 and y >= 0 and x + spot.width <= room[0] and y + spot.height <= room[1]:
                cells = set(_cells(x, y, spot.width, spot.height))
                if cells.isdisjoint(taken):
                    fit.append((len(cells & crossed) > 0, len(fit), cells, (x, y)))
        if fit:
            _, _, cells, places[number] = min(fit, key=lambda one: one[:2])
            taken |= cells
    return places


def _inside(line: tuple[float, float, float, float], room: tuple[float, float]) -> Iterator[tuple[int, int]]:
    """Return the cells of the part of a line that is in the picture."""
    left, top = max(0.0, line[0]), max(0.0, line[1])
    right, bottom = min(room[0], line[0] + line[2]), min(room[1], line[1] + line[3])
    return _cells(left, top, right - left, bottom - top)


def _candidates(spot: Spot) -> tuple[tuple[float, float], ...]:
    away, middle = spot.radius + _CELL + 1, spot.x - spot.width / 2
    beside = spot.y - spot.height / 2
    return (
        (middle, spot.y + away),
        (middle, spot.y - away - spot.height),
        (spot.x + away + _GAP, beside),
        (spot.x - away - _GAP - spot.width, beside),
    )


def _cells(x: float, y: float, width: float, height: float) -> Iterator[tuple[int, int]]:
    for column in range(int(x // _CELL), int((x + width) // _CELL) + 1):
        for row in range(int(y // _CELL), int((y + height) // _CELL) + 1):
            yield column, row
