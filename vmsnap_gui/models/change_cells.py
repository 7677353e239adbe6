"""Changed pages and clusters as points of a picture, and as ranges to step through.

NumPy work for worker threads; import this module there first (NumPy takes a while).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.ranges import Ranges
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.models.page_cells import BlockPages, bucket_of, cells

if TYPE_CHECKING:
    from collections.abc import Container

    from numpy.typing import NDArray

    from vmsnap_gui.comparing import DiskCompared, MemoryCompared
    from vmsnap_gui.image.errors import Progress


@dataclass(frozen=True, slots=True, eq=False)
class ChangedCells:
    """What changed on a plane of bytes.

    Attributes:
        cells: The plane in units, as points of a picture; the kinds are the values of Change, or with a base of
            Outcome.
        unit: Bytes in a unit.
        size: Bytes in all.
        starts: Where each range of changes begins, in bytes, ascending.
        ends: Where each ends.
        kinds: What became of each.
        since_base: Whether the kinds tell what happened since a base.
    """

    cells: BlockPages
    unit: int
    size: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    since_base: bool = False

    def step(self, offset: int, *, back: bool) -> int | None:
        """Return the range that begins behind `offset`, or the last one that begins before it."""
        at = int(np.searchsorted(self.starts, offset, "left" if back else "right")) - back
        return at if 0 <= at < len(self.starts) else None

    def range_at(self, offset: int) -> int | None:
        """Return the range that holds a byte."""
        at = int(np.searchsorted(self.starts, offset, "right")) - 1
        return at if at >= 0 and offset < self.ends[at] else None


_ALL_OUTCOMES = frozenset(Outcome)


def look_at_memory(
    memory: MemoryCompared, progress: Progress, wanted: Container[int] = _ALL_OUTCOMES
) -> list[ChangedCells]:
    """Return what changed in each block, in the order of `memory.names`; with a base since that, if `wanted`.

    Raises:
        Cancelled: by `progress`.
    """
    found = []
    size, since = memory.ram.page_size, memory.since
    for number, name in enumerate(memory.names):
        progress(number, len(memory.names))
        blocks = [block for block in memory.blocks(number) if block is not None]
        kinds = _of_outcomes(since.pages[name], wanted) if since is not None else memory.ram.blocks[number].changes
        ranges = Ranges.of_units(kinds, 0, size)
        length, ends = max(block.length for block in blocks), ranges.starts + ranges.lengths
        picture = _picture(kinds)
        found.append(ChangedCells(picture, size, length, ranges.starts, ends, ranges.kinds, since is not None))
    return found


def _of_outcomes(kinds: NDArray[np.uint8], wanted: Container[int]) -> NDArray[np.uint8]:
    """Return the kinds with those that are not wanted as SAME."""
    return np.array([one if one in wanted else 0 for one in Outcome], np.uint8)[kinds]


def look_at_disk(compared: DiskCompared, wanted: Container[int] = _ALL_OUTCOMES) -> ChangedCells:
    """Return what changed on a disk, with a base since that, if `wanted`.

    A point of its picture stands for at least one unit of the comparison.
    """
    size, unit = compared.size, compared.unit
    while -(-size // unit) > _MOST_UNITS:
        unit *= 2
    kinds = np.zeros(-(-size // unit), np.uint8)
    ranges = compared.disk.ranges
    if compared.since is not None:
        ranges = compared.since.of(_of_outcomes(compared.since.kinds, wanted) != Outcome.NONE)
    ends = ranges.starts + ranges.lengths
    # Ranges ascend and are apart, so a unit's changes are covered by filling from each range's first unit to its last.
    marks = np.zeros(len(kinds) + 1, np.int64)
    for kind in np.unique(ranges.kinds):
        chosen = ranges.kinds == kind
        marks[:] = 0
        np.add.at(marks, ranges.starts[chosen] // unit, 1)
        np.add.at(marks, -(-ends[chosen] // unit), -1)
        kinds[np.cumsum(marks[:-1]) > 0] = kind
    since_base = compared.since is not None
    return ChangedCells(_picture(kinds), unit, size, ranges.starts, ends, ranges.kinds, since_base)


_MOST_UNITS = 1 << 22
"""A disk's units are merged until there are no more: 4 MiB of kinds."""


def _picture(kinds: NDArray[np.uint8]) -> BlockPages:
    bucket = bucket_of(len(kinds))
    counts = np.bincount(kinds, minlength=len(Change))
    return BlockPages(tuple(int(count) for count in counts), bucket, cells(kinds, bucket))
