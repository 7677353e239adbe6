"""What snapshots of a qcow2 image occupy, from refcounts and mapping tables alone.

Specification: QEMU's docs/interop/qcow2.txt, "Host cluster management". A cluster's refcount is the number of times
that the active layer and all snapshots refer to it, whether or not they share the tables between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.image.snapshot import Snapshot

_OFFSET = np.uint64(0x00FF_FFFF_FFFF_FE00)
_COMPRESSED = np.uint64(1 << 62)
_MAX_TABLE = 8 << 20
"""QEMU's limit for the refcount table (QCOW_MAX_REFTABLE_SIZE in block/qcow2.h), in bytes."""


def freed_by(image: Qcow2Image, snapshots: Iterable[Snapshot]) -> int:
    """Return how many bytes an image gets back when these snapshots are deleted: the clusters that only they use.

    The table of snapshots stays out: it is a cluster or two, written anew each time.

    Raises:
        ImageError: a table cannot be read, or lies where none can be.
    """
    counts = _References(image)
    for snapshot in snapshots:
        counts.add(snapshot)
    return counts.alone() * image.cluster_size


class _References:
    """Counts the references of some snapshots to each cluster, one array for each refcount block that exists."""

    def __init__(self, image: Qcow2Image) -> None:
        self._image = image
        header = image.header
        self._bits = header.cluster_bits + 3 - header.refcount_order
        size = header.refcount_table_clusters << header.cluster_bits
        if size > _MAX_TABLE:
            raise ImageError("the refcount table is larger than possible", path=image.path, offset=56)
        self._blocks = self._words(header.refcount_table_offset, size // 8) & _OFFSET
        self._counts: dict[int, NDArray[np.uint32]] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Count all that a snapshot refers to."""
        header = self._image.header
        mapping = self._image.cluster_map(snapshot)
        if not isinstance(snapshot, Qcow2Snapshot):  # cluster_map took it, so it is one
            raise TypeError(snapshot)
        own = range(snapshot.l1_offset, snapshot.l1_offset + snapshot.l1_size * 8, header.cluster_size)
        self._count(np.array(own, np.int64) >> header.cluster_bits, 1)
        tables, times = np.unique(mapping.l1 & _OFFSET, return_counts=True)
        for table, number in zip(tables.tolist(), times.tolist(), strict=True):
            if table:
                self._count(np.array((table >> header.cluster_bits,), np.int64), number)
                entries = self._words(table, header.cluster_size // 8)
                for clusters in self._clusters(entries[:: 2 if header.extended_l2 else 1]):
                    self._count(clusters, number)

    def alone(self) -> int:
        """Return how many clusters have no other references than those that were counted."""
        found = 0
        for block, counts in self._counts.items():
            refcounts = self._refcounts(int(self._blocks[block]))
            found += int(np.count_nonzero((counts > 0) & (refcounts <= counts)))
        return found

    def _clusters(self, entries: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
        """Yield the clusters that the entries of an L2 table refer to; a compressed one can lie in several."""
        bits = self._image.header.cluster_bits
        packed = entries & _COMPRESSED != 0
        hosts = entries[~packed] & _OFFSET
        yield (hosts[hosts != 0] >> np.uint64(bits)).astype(np.int64)
        if packed.any():
            shift = 62 - (bits - 8)
            descriptors = (entries[packed] & (_COMPRESSED - np.uint64(1))).astype(np.int64)
            start = descriptors & ((1 << shift) - 1)
            end = (start & ~511) + ((descriptors >> shift) + 1) * 512 - 1
            for step in range(int(((end >> bits) - (start >> bits)).max()) + 1):
                within = (start >> bits) + step
                yield within[within <= end >> bits]

    def _count(self, clusters: NDArray[np.int64], times: int) -> None:
        if not len(clusters):
            return
        blocks = clusters >> self._bits
        order = np.argsort(blocks, kind="stable")
        which, first = np.unique(blocks[order], return_index=True)
        for block, part in zip(which.tolist(), np.split(clusters[order], first[1:]), strict=True):
            if block < len(self._blocks) and self._blocks[block]:
                counts = self._counts.setdefault(block, np.zeros(1 << self._bits, np.uint32))
                np.add.at(counts, part & ((1 << self._bits) - 1), times)

    def _refcounts(self, offset: int) -> NDArray[np.uint64]:
        """Read a refcount block; refcounts of less than a byte begin at the low bits."""
        order, raw = self._image.header.refcount_order, self._image.handle.read(offset, self._image.cluster_size)
        if order >= 3:
            return np.frombuffer(raw, f">u{1 << order - 3}").astype(np.uint64)
        width = 1 << order
        shifts = np.arange(0, 8, width, dtype=np.uint8)
        found = (np.frombuffer(raw, np.uint8)[:, None] >> shifts) & np.uint8((1 << width) - 1)
        return found.reshape(-1).astype(np.uint64)

    def _words(self, offset: int, count: int) -> NDArray[np.uint64]:
        if offset & (self._image.cluster_size - 1):
            raise ImageError("a table does not begin with a cluster", path=self._image.path, offset=offset)
        return np.frombuffer(self._image.handle.read(offset, count * 8), ">u8").astype(np.uint64)
