"""How the snapshots of a qcow2 image resemble each other, by their mappings alone.

What is written after a snapshot lies in fresh clusters (a cluster with two references is copied before it is written),
and a mapping goes back to an older cluster only by returning to a snapshot. So whoever goes back to a snapshot has all
that it has of older snapshots at the same place as that one. QEMU also never gives up a cluster of the disk for nothing
at all where the image is of version 3: what is discarded reads as zeros by a flag (discard_in_l2_slice in
block/qcow2-cluster.c).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_map import WINDOW_CLUSTERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.image.qcow2_map import ClusterMap, Window
    from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot

_COPIED = ~np.uint64(1 << 63)
_PLACE = ~np.uint64(1 << 63 | 1)
"""All of an L2 entry that tells where a cluster lies: zeros without a place are the same for everybody."""

_NO_EVIDENCE = 1 << 30

MOST = 1000
"""Snapshots that are compared with each other: each pair has to be."""


@dataclass(frozen=True, slots=True, eq=False)
class Kinship:
    """Numbers of clusters, int64 [later, earlier]: a row and a column for each snapshot in table order.

    QEMU puts a new snapshot at the end of the table, so that its order is that in which they were taken. The last row
    is the disk as it is now. Only what lies left of the diagonal means something.

    Attributes:
        differ: Clusters of the disk that are mapped otherwise.
        older: Clusters that are older than the earlier of the two, and that this one does not have: it is no ancestor.
        shared: Clusters that both have at the same place.
        state: The same where at least one of them has its VM state.
        used: [layer]: clusters that each has.
        unreadable: [layer]: windows of each that cannot be read.
    """

    differ: NDArray[np.int64]
    older: NDArray[np.int64]
    shared: NDArray[np.int64]
    state: NDArray[np.int64]
    used: NDArray[np.int64]
    unreadable: NDArray[np.int64]


def kinship_of(image: Qcow2Image, progress: Progress | None = None) -> Kinship:
    """Compare the mappings of all snapshots, and of the disk as it is now; no data is read.

    Args:
        image: An image with at most MOST snapshots.
        progress: Called with bytes of content; may raise Cancelled.

    Raises:
        ImageError: a table cannot be read at all, or refers to more tables than the file can hold.
    """
    maps = [_bounded_map(image, one) for one in (*image.snapshots, None)]
    sizes = [*(one.disk_size or 0 for one in image.snapshots), image.virtual_size]
    comparing = _Comparing(sizes, image.header.cluster_bits, strict=image.header.version > 2)
    windows = sorted(set().union(*(one.used_windows() for one in maps)))
    for done, index in enumerate(windows, 1):
        comparing.add(maps, index)
        if progress is not None:
            progress(done * maps[0].window_size, len(windows) * maps[0].window_size)
    return comparing.result


def _bounded_map(image: Qcow2Image, snapshot: Qcow2Snapshot | None) -> ClusterMap:
    mapping = image.cluster_map(snapshot)
    if np.count_nonzero(mapping.l1) > image.handle.size >> image.header.cluster_bits:
        raise ImageError("an L1 table refers to more L2 tables than the file can hold", path=image.path)
    return mapping


class _Comparing:
    """Adds up windows."""

    def __init__(self, sizes: list[int], cluster_bits: int, *, strict: bool) -> None:
        count = len(sizes)
        self.result = Kinship(*(np.zeros((count, count), np.int64) for _ in range(4)), *np.zeros((2, count), np.int64))
        self._ends = np.array([-(-size >> cluster_bits) for size in sizes], np.int64)
        self._strict = strict

    def add(self, maps: list[ClusterMap], index: int) -> None:
        """Compare one window of all layers; layers that have the same tables there are looked at once."""
        first: dict[tuple[bytes, int], int] = {}
        kinds = [
            first.setdefault((one.tables_of(index), end), len(first))
            for one, end in zip(maps, self._ends.tolist(), strict=True)
        ]
        which = np.array(kinds)
        rows = [kinds.index(number) for number in range(len(first))]
        windows = [maps[row].window(index) for row in rows]
        bad = np.array([window.bad is not None for window in windows])
        self.result.unreadable[bad[which]] += 1
        entries, bitmaps = _stacked(windows)
        used = entries & _PLACE != 0
        self.result.used[:] += used.sum(axis=1)[which]
        varied = (entries != entries[0]).any(axis=0)
        if bitmaps is not None:
            varied |= (bitmaps != bitmaps[0]).any(axis=0)
        columns = index * WINDOW_CLUSTERS + np.arange(WINDOW_CLUSTERS)
        alike = ~varied & used[0]
        self.result.shared[:] += np.count_nonzero(alike)
        later = self._ends[:, None] <= columns[alike][None, :]
        state = later.sum(axis=1)
        self.result.state[:] += np.maximum(state[:, None], state[None, :])
        if varied.any():
            part = _Part(entries[:, varied], bitmaps[:, varied] if bitmaps is not None else None, columns[varied])
            for number, row in enumerate(rows):
                self._add_row(part, number, row, which, np.array(rows))

    def _add_row(self, part: _Part, number: int, row: int, which: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Compare one kind of layer, first that of `row`, with all."""
        kin = part.entries == part.entries[number]
        same = kin & (part.bitmaps == part.bitmaps[number]) if part.bitmaps is not None else kin
        since = rows[np.argmax(kin, axis=0)]
        placed = part.entries[number] & _PLACE != 0
        empty = part.entries[number] == 0
        disk = part.columns < self._ends[row]
        if part.bitmaps is not None:
            empty &= part.bitmaps[number] == 0
        since = np.where(placed, since, np.where(empty & disk & self._strict, -1, _NO_EVIDENCE))
        within = part.columns < np.minimum(self._ends, self._ends[row])[:, None]
        other = ~kin[which]
        differ = (~same[which] & within).sum(axis=1)
        older = (other & (since < np.arange(len(which))[:, None]) & (within | placed)).sum(axis=1)
        shared = ~other & placed
        state = (shared & ~within).sum(axis=1)
        for later in np.flatnonzero(which == number).tolist():
            self.result.differ[later] += differ
            self.result.older[later] += older
            self.result.shared[later] += shared.sum(axis=1)
            self.result.state[later] += state


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The clusters of a window that not all layers map alike, a row for each kind of layer."""

    entries: NDArray[np.uint64]
    bitmaps: NDArray[np.uint64] | None
    columns: NDArray[np.int64]


def _stacked(windows: list[Window]) -> tuple[NDArray[np.uint64], NDArray[np.uint64] | None]:
    entries = np.stack([window.entries for window in windows]) & _COPIED
    bitmaps = [window.bitmaps for window in windows if window.bitmaps is not None]
    return entries, np.stack(bitmaps) if bitmaps else None
