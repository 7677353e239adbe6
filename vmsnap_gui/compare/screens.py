"""Two screens → the regions in which they differ, large enough to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE = 8  # pixels: changes that are closer to each other are one region
_TILES = 128  # in a row or a column, at most: larger screens have larger tiles
_REGIONS = 200  # of more, those that are close to each other are taken together

_Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels, at least one in each of its outer rows and columns changed."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ScreenComparison:
    """What differs between two screens.

    Attributes:
        regions: Where they differ, from top to bottom; none where their sizes differ. They do not overlap.
        changed: Pixels that differ.
        pixels: Pixels of each screen.
        is_same_size: Whether they can be compared at all.
    """

    regions: tuple[Region, ...]
    changed: int
    pixels: int
    is_same_size: bool = True

    @property
    def is_same(self) -> bool:
        """Whether no pixel differs."""
        return self.is_same_size and not self.changed


def compare_screens(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> ScreenComparison:
    """Compare two screens, each uint8, height × width × 3."""
    pixels = a.shape[0] * a.shape[1]
    if a.shape != b.shape:
        return ScreenComparison((), 0, pixels, is_same_size=False)
    mask = (a != b).any(axis=2)
    changed = int(np.count_nonzero(mask))
    return ScreenComparison(_regions(mask) if changed else (), changed, pixels)


def _regions(mask: NDArray[np.bool_]) -> tuple[Region, ...]:
    side = max(_TILE, -(-max(mask.shape) // _TILES))
    boxes = _merged(_boxes(mask, side))
    while len(boxes) > _REGIONS:
        side *= 2
        boxes = _merged(_boxes(mask, side))
    return tuple(Region(left, top, right - left, bottom - top) for top, left, bottom, right in sorted(boxes))


def _boxes(mask: NDArray[np.bool_], side: int) -> list[_Box]:
    """Return (top, left, bottom, right) of each group of changed tiles that touch, as tight as its pixels allow."""
    height, width = mask.shape
    rows = np.logical_or.reduceat(mask, range(0, height, side), axis=0)
    tiles = np.logical_or.reduceat(rows, range(0, width, side), axis=1)
    left = {(row, column) for row, column in np.argwhere(tiles).tolist()}
    boxes = []
    while left:
        group = _group(left)
        top, bottom = min(row for row, _ in group) * side, (max(row for row, _ in group) + 1) * side
        start, end = min(column for _, column in group) * side, (max(column for _, column in group) + 1) * side
        part = mask[top:bottom, start:end]
        down, across = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        boxes.append((top + int(down[0]), start + int(across[0]), top + int(down[-1]) + 1, start + int(across[-1]) + 1))
    return boxes


def _group(left: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Take a tile out, with all that it touches, and all that those touch."""
    group, waiting = [], [left.pop()]
    while waiting:
        row, column = tile = waiting.pop()
        group.append(tile)
        around = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
        left -= around
        waiting += around
    return group


def _merged(boxes: list[_Box]) -> list[_Box]:
    """Take boxes together that overlap."""
    done: list[_Box] = []
    for one in boxes:
        box = one
        while True:
            other = next((each for each in done if _overlap(each, box)), None)
            if other is None:
                break
            done.remove(other)
            box = (min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3]))
        done.append(box)
    return done


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
