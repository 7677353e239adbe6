"""Changed pages and clusters as points of a picture, and as ranges to step through.

NumPy work for worker threads; import this module there first (NumPy takes a while).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.ranges import Ranges
from vmsnap_gui.models.page_cells import BlockPages, bucket_of, cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.comparing import MemoryCompared
    from vmsnap_gui.image.errors import Progress


@dataclass(frozen=True, slots=True, eq=False)
class ChangedCells:
    """What changed on a plane of bytes.

    Attributes:
        cells: The plane in units, as points of a picture; the kinds are the values of Change.
        unit: Bytes in a unit.
        size: Bytes in all.
        starts: Where each range of changes begins, in bytes, ascending.
        ends: Where each ends.
        kinds: What became of each.
    """

    cells: BlockPages
    unit: int
    size: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    kinds: NDArray[np.uint8]

    def step(self, offset: int, *, back: bool) -> int | None:
        """Return the range that begins behind `offset`, or the last one that begins before it."""
        at = int(np.searchsorted(self.starts, offset, "left" if back else "right")) - back
        return at if 0 <= at < len(self.starts) else None

    def range_at(self, offset: int) -> int | None:
        """Return the range that holds a byte."""
        at = int(np.searchsorted(self.starts, offset, "right")) - 1
        return at if at >= 0 and offset < self.ends[at] else None


def look_at_memory(memory: MemoryCompared, progress: Progress) -> list[ChangedCells]:
    """Return what changed in each block, in the order of the comparison.

    Raises:
        Cancelled: by `progress`.
    """
    found = []
    size = memory.ram.page_size
    for number, block in enumerate(memory.ram.blocks):
        progress(number, len(memory.ram.blocks))
        ranges = Ranges.of_units(block.changes, 0, size)
        length = max(one.length for one in (block.a, block.b) if one is not None)
        ends = ranges.starts + ranges.lengths
        found.append(ChangedCells(_picture(block.changes), size, length, ranges.starts, ends, ranges.kinds))
    return found


def look_at_disk(disk: DiskComparison) -> ChangedCells:
    """Return what changed on a disk; a point of its picture stands for at least one unit of the comparison."""
    size = max(disk.size_a, disk.size_b)
    unit = disk.unit
    while -(-size // unit) > _MOST_UNITS:
        unit *= 2
    kinds = np.zeros(-(-size // unit), np.uint8)
    ranges = disk.ranges
    ends = ranges.starts + ranges.lengths
    # Ranges ascend and are apart, so a unit's changes are covered by filling from each range's first unit to its last.
    marks = np.zeros(len(kinds) + 1, np.int64)
    for kind in Change:
        chosen = ranges.kinds == kind
        if kind is Change.SAME or not chosen.any():
            continue
        marks[:] = 0
        np.add.at(marks, ranges.starts[chosen] // unit, 1)
        np.add.at(marks, -(-ends[chosen] // unit), -1)
        kinds[np.cumsum(marks[:-1]) > 0] = kind
    return ChangedCells(_picture(kinds), unit, size, ranges.starts, ends, ranges.kinds)


_MOST_UNITS = 1 << 22
"""A disk's units are merged until there are no more: 4 MiB of kinds."""


def _picture(kinds: NDArray[np.uint8]) -> BlockPages:
    bucket = bucket_of(len(kinds))
    counts = np.bincount(kinds, minlength=len(Change))
    return BlockPages(tuple(int(count) for count in counts), bucket, cells(kinds, bucket))
