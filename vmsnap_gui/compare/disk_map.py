"""What the mapping tables of two snapshots say about each other: no data is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.ranges import Parts, Ranges
from vmsnap_gui.image.extents import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.qcow2_map import ClusterMap, Window

_COPIED = ~np.uint64(1 << 63)


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What a disk's bytes are stored as; bytes each.

    Attributes:
        data: Stored as they are.
        compressed: In compressed clusters.
        zero: Marked to read as zeros.
        unallocated: Read as zeros, or from the backing file.
        damaged: Behind a table or an entry that makes no sense.
    """

    data: int
    compressed: int
    zero: int
    unallocated: int
    damaged: int


class _Count:
    """Adds up the kinds of units."""

    def __init__(self, size: int, unit: int) -> None:
        self._size, self._unit = size, unit
        self._counts = np.zeros(max(Kind) + 1, np.int64)

    def add(self, kinds: NDArray[np.uint8]) -> None:
        self._counts += np.bincount(kinds, minlength=len(self._counts))

    def use(self) -> DiskUse:
        sizes = (self._counts * self._unit).tolist()
        damaged = sum(sizes[kind] for kind in (Kind.BAD_TABLE, Kind.BAD_OFFSET, Kind.BAD_ENTRY))
        data, compressed, zero = sizes[Kind.DATA], sizes[Kind.COMPRESSED], sizes[Kind.ZERO]
        left = max(0, self._size - data - compressed - zero - damaged)
        return DiskUse(data, compressed, zero, left, damaged)


def mapping_changes(
    a: ClusterMap, b: ClusterMap, size_a: int, size_b: int, progress: Progress | None
) -> tuple[Ranges, DiskUse, DiskUse]:
    """Compare two mappings of one image.

    Returns:
        Where content may differ, within the smaller disk (kinds are Change values), and what both are stored as.

    Raises:
        ImageError: the file cannot be read.
    """
    common, longest = min(size_a, size_b), max(size_a, size_b)
    count_a, count_b = _Count(size_a, a.unit), _Count(size_b, b.unit)
    parts = Parts()
    for index in sorted({*_windows(a, size_a), *_windows(b, size_b)}):
        start = index * a.window_size
        ours, theirs = a.window(index), b.window(index)
        kinds_a, hosts_a = a.units(ours)
        alike = _alike(ours, theirs)
        kinds_b, hosts_b = (kinds_a, hosts_a) if alike else b.units(theirs)
        count_a.add(kinds_a[: _units_left(size_a, start, a.unit)])
        count_b.add(kinds_b[: _units_left(size_b, start, b.unit)])
        if not alike and start < common:
            changes = _changes((kinds_a, hosts_a), (kinds_b, hosts_b), backed=a.backed)
            parts.add(Ranges.of_units(changes, start, a.unit).cut(common))
        if progress is not None:
            progress(min(start + a.window_size, longest), longest)
    return parts.joined(), count_a.use(), count_b.use()


def occupied(disk: ClusterMap, size: int, progress: Progress | None) -> tuple[Ranges, DiskUse]:
    """Return where a disk may hold something other than zeros, and what it is stored as; raises ImageError."""
    count, parts = _Count(size, disk.unit), Parts()
    for index in _windows(disk, size):
        start = index * disk.window_size
        kinds, _ = disk.units(disk.window(index))
        count.add(kinds[: _units_left(size, start, disk.unit)])
        empty = (kinds == Kind.ZERO) | (kinds == Kind.BACKING)
        parts.add(Ranges.of_units((~empty).astype(np.uint8), start, disk.unit).cut(size))
        if progress is not None:
            progress(min(start + disk.window_size, size), size)
    held = parts.joined()
    if disk.backed:
        held = Ranges.one(0, size, 1) if size else Ranges.none()
    return held, count.use()


def _windows(disk: ClusterMap, size: int) -> Iterator[int]:
    """Yield the windows of the disk that something maps; the VM state, which lies past it, is left out."""
    for index in disk.used_windows():
        if index * disk.window_size >= size:
            return
        yield index


def _units_left(size: int, start: int, unit: int) -> int:
    return max(0, -(-(size - start) // unit))


def _alike(a: Window, b: Window) -> bool:
    """Whether two windows map the same clusters: equal entries, whether or not each is the only owner."""
    if a.bad is not None or b.bad is not None:
        return False
    same = np.array_equal(a.entries & _COPIED, b.entries & _COPIED)
    if a.bitmaps is None or b.bitmaps is None:
        return same
    return same and np.array_equal(a.bitmaps, b.bitmaps)


Units = tuple["NDArray[np.uint8]", "NDArray[np.int64]"]


def _changes(a: Units, b: Units, *, backed: bool) -> NDArray[np.uint8]:
    """Return a Change for each unit."""
    (kinds_a, hosts_a), (kinds_b, hosts_b) = a, b
    empty_a, empty_b = kinds_a == Kind.ZERO, kinds_b == Kind.ZERO
    if not backed:
        empty_a |= kinds_a == Kind.BACKING
        empty_b |= kinds_b == Kind.BACKING
    placed = (kinds_a != Kind.ZERO) & (kinds_a != Kind.BACKING)
    same = (kinds_a == kinds_b) & (~placed | (hosts_a == hosts_b)) | empty_a & empty_b
    changes = np.full(len(kinds_a), Change.CHANGED, np.uint8)
    changes[empty_a] = Change.ZERO_TO_DATA
    changes[empty_b] = Change.DATA_TO_ZERO
    changes[(kinds_a >= Kind.BAD_TABLE) | (kinds_b >= Kind.BAD_TABLE)] = Change.UNREADABLE
    changes[same] = 0
    return changes
