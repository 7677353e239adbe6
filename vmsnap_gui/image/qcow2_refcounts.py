"""Refcounts of a qcow2 image (specification: docs/interop/qcow2.txt, "Host cluster management")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.qcow2 import Qcow2Image

_OFFSET = np.uint64(0x00FF_FFFF_FFFF_FE00)
_MAX_TABLE = 8 << 20
"""QEMU's limit for the refcount table (QCOW_MAX_REFTABLE_SIZE in block/qcow2.h), in bytes."""


class Refcounts:
    """The refcount table of an image; its blocks are read when they are asked for.

    Attributes:
        end: The first cluster after all that have a refcount, as far as the file reaches.
        bad_blocks: How many blocks do not lie in the file as they should: their clusters count as free.
    """

    def __init__(self, image: Qcow2Image) -> None:
        """Read the table; raises ImageError where it cannot be."""
        header, handle = image.header, image.handle
        self._handle = handle
        self._order = header.refcount_order
        self._block_bits = header.cluster_bits + 3 - header.refcount_order
        size = header.refcount_table_clusters << header.cluster_bits
        if size > _MAX_TABLE:
            raise ImageError("the refcount table is larger than possible", path=image.path, offset=56)
        if header.refcount_table_offset & (header.cluster_size - 1):
            raise ImageError("the refcount table does not begin with a cluster", path=image.path, offset=48)
        raw = handle.read(header.refcount_table_offset, size)
        self._table = np.frombuffer(raw, ">u8").astype(np.uint64) & _OFFSET
        self._size = header.cluster_size
        used = np.flatnonzero(self._table)
        places, first = np.unique(self._table[used], return_index=True)
        fit = (places & np.uint64(self._size - 1) == 0) & (places + np.uint64(self._size) <= handle.grown_size())
        self._sound = set(used[first[fit]].tolist())
        self.bad_blocks = len(used) - len(self._sound)
        clusters = -(-handle.size >> header.cluster_bits)
        self.end = min(clusters, (max(self._sound, default=-1) + 1) << self._block_bits)

    def own_clusters(self) -> NDArray[np.int64]:
        """Return which clusters the refcount blocks are."""
        places = self._table[sorted(self._sound)]
        return (places // np.uint64(self._size)).astype(np.int64)

    def read(self, low: int, high: int) -> NDArray[np.uint64]:
        """Return the refcounts of the clusters from `low` up to `high`; 0 where there is no block.

        Raises:
            ImageError: the file cannot be read.
        """
        found = np.zeros(high - low, np.uint64)
        for block in range(low >> self._block_bits, -(-high >> self._block_bits)):
            if block in self._sound:
                start = block << self._block_bits
                counts = self._block(int(self._table[block]))[max(0, low - start) : high - start]
                begin = max(0, start - low)
                found[begin : begin + len(counts)] = counts
        return found

    def _block(self, offset: int) -> NDArray[np.uint64]:
        """Read a block; refcounts of less than a byte begin at the low bits."""
        raw = self._handle.read(offset, self._size)
        if self._order >= 3:
            return np.frombuffer(raw, f">u{1 << self._order - 3}").astype(np.uint64)
        width = 1 << self._order
        shifts = np.arange(0, 8, width, dtype=np.uint8)
        found = (np.frombuffer(raw, np.uint8)[:, None] >> shifts) & np.uint8((1 << width) - 1)
        return found.reshape(-1).astype(np.uint64)
