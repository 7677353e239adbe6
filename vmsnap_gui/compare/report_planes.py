"""What all forms of a report say of memory and disk: what changed, where, and a small picture of it. Needs NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.ranges import Ranges
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.ram import BlockComparison

MOST_CELLS = 4096
"""The most squares of a picture."""
MOST_PLANES = 40
"""The most blocks of memory that a report tells of."""
MOST_RANGES = 500
"""The most ranges of one of them, or of the disk, that it lists; of all blocks it lists four times as many."""


@dataclass(frozen=True, slots=True)
class RangeRow:
    """Neighbours that became the same.

    Attributes:
        start, length: In bytes.
        units: How many pages or clusters (sectors) these are.
        what: What became of them, in words.
        differ: How many bytes differ, where that is known and says more than `length`.
    """

    start: int
    length: int
    units: int
    what: str
    differ: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PlaneReport:
    """A block of memory, or a disk.

    Attributes:
        name: Its name; "" for the disk.
        noun: What it is made of: "page", "cluster", "sector".
        unit: Bytes of one of these.
        size: Bytes in all.
        units: How many of these.
        counts: How many became what, largest first; of a disk in bytes.
        differ: How many bytes differ; for a disk whose data was not read, how many may.
        ranges: The first ranges.
        left: How many more there are.
        cells: uint8, a Change for each square of a picture: what most of what changed in it is.
        cell: Bytes that a square stands for.
    """

    name: str
    noun: str
    unit: int
    size: int
    units: int
    counts: tuple[tuple[Change, int], ...]
    differ: int
    ranges: tuple[RangeRow, ...]
    left: int
    cells: NDArray[np.uint8]
    cell: int


def memory_planes(comparison: Comparison) -> tuple[list[PlaneReport], int]:
    """Return the blocks of memory in which something differs, and how many more there are."""
    if comparison.ram is None:
        return [], 0
    unlike = [block for block in comparison.ram.blocks if block.differing]
    planes: list[PlaneReport] = []
    room = 4 * MOST_RANGES
    for block in unlike[:MOST_PLANES]:
        planes.append(_block(block, comparison.ram.page_size, min(room, MOST_RANGES)))
        room -= len(planes[-1].ranges)
    return planes, len(unlike) - len(planes)


def _block(block: BlockComparison, page: int, most: int) -> PlaneReport:
    ranges = Ranges.of_units(block.changes, 0, page)
    size = max(one.length for one in (block.a, block.b) if one is not None)
    rows = []
    for start, length, what in _first(ranges, size, most):
        pages = slice(start // page, -(-(start + length) // page))
        differ = int(block.bytes_changed[pages].sum(dtype=np.int64))
        alone = what in (Change.ONLY_A, Change.ONLY_B)
        rows.append(RangeRow(start, length, pages.stop - pages.start, what.words, None if alone else differ))
    counts = _sorted((change, block.count(change)) for change in Change if change)
    cell, cells = _cells(ranges, size, page)
    left = len(ranges.starts) - len(rows)
    differ = int(block.bytes_changed.sum(dtype=np.int64))
    return PlaneReport(
        printable(block.name), "page", page, size, block.pages, counts, differ, tuple(rows), left, cells, cell
    )


def disk_plane(disk: DiskComparison) -> PlaneReport:
    """Return what differs on the disk."""
    size = max(disk.size_a, disk.size_b)
    first = _first(disk.ranges, size, MOST_RANGES)
    rows = [RangeRow(start, length, -(-length // disk.unit), what.words) for start, length, what in first]
    counts = _sorted((change, disk.bytes_of(change)) for change in Change if change)
    cell, cells = _cells(disk.ranges, size, disk.unit)
    noun = "sector" if disk.read_data else "cluster"
    left = len(disk.ranges.starts) - len(rows)
    return PlaneReport(
        "", noun, disk.unit, size, -(-size // disk.unit), counts, disk.bytes_changed, tuple(rows), left, cells, cell
    )


def disk_facts(disk: DiskComparison) -> str:
    """Return how it is known what differs on the disk, and whether its size does."""
    how = "Told by reading what lies at different places" if disk.read_data else "Told by the mapping; no data was read"
    if disk.differs and not disk.read_data:
        how += ", and what was written again with the same content counts, too"
    sizes = "" if disk.size_a == disk.size_b else f" The disk had {disk.size_a:,} bytes in A and {disk.size_b:,} in B."
    return f"{how}.{sizes}"


def plane_line(plane: PlaneReport) -> str:
    """Return what changed as one line: "29 zero to data, 5 changed, of 4,096 pages; 104,328 bytes differ"."""
    if plane.name:
        what = ", ".join(f"{count:,} {change.words}" for change, count in plane.counts)
        known = f"; {plane.differ:,} {'byte differs' if plane.differ == 1 else 'bytes differ'}" if plane.differ else ""
        return f"{what}, of {counted(plane.units, plane.noun)}{known}"
    return ", ".join(f"{counted(count, 'byte')} {change.words}" for change, count in plane.counts) or "nothing differs"


def _sorted(counts: object) -> tuple[tuple[Change, int], ...]:
    return tuple(sorted((one for one in counts if one[1]), key=lambda one: -one[1]))  # type: ignore[attr-defined]


def _first(ranges: Ranges, size: int, most: int) -> list[tuple[int, int, Change]]:
    """Return the first ranges, cut to the plane: its last page may be a short one."""
    few = slice(0, most)
    starts, lengths = ranges.starts[few], ranges.lengths[few]
    lengths = np.minimum(lengths, size - starts)
    kinds = [Change(kind) for kind in ranges.kinds[few].tolist()]
    return list(zip(starts.tolist(), lengths.tolist(), kinds, strict=True))


def _cells(ranges: Ranges, size: int, unit: int) -> tuple[int, NDArray[np.uint8]]:
    """Return how many bytes a square stands for, and a Change for each square."""
    units = -(-size // unit)
    cell = unit
    while -(-units * unit // cell) > MOST_CELLS:
        cell *= 2
    count = -(-size // cell)
    edges = np.arange(count + 1, dtype=np.int64) * cell
    most = np.zeros(count, np.int64)
    cells = np.zeros(count, np.uint8)
    for kind in Change:
        one = ranges.of(ranges.kinds == kind)
        if kind is Change.SAME or not len(one.starts):
            continue
        covered = np.diff(_covered_before(one, edges))
        more = covered > most
        cells[more], most[more] = kind, covered[more]
    return cell, cells


def _covered_before(ranges: Ranges, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many bytes before each of `edges` the ranges hold."""
    sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(ranges.lengths)))
    which = np.searchsorted(ranges.starts, edges, "right")
    last = np.maximum(which - 1, 0)
    inside = np.minimum(edges - ranges.starts[last], ranges.lengths[last])
    held: NDArray[np.int64] = np.where(which > 0, sums[last] + inside, 0)
    return held
