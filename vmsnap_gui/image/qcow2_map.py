"""Which clusters of a qcow2 file hold what: L1 and L2 tables, read when needed, as arrays.

Specification: QEMU's docs/interop/qcow2.txt, "Cluster mapping" and "Extended L2 Entries". The mapped
content is cut into windows of 8192 clusters. A window takes a slice of one L2 table or several whole ones, so
that it costs about the same for each cluster size.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.extents import Extents, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from vmsnap_gui.image.byteview import FileHandle
    from vmsnap_gui.image.qcow2_header import Header

WINDOW_CLUSTERS = 8192

MAX_L1_BYTES = 32 << 20
"""QEMU's limit: 128 GiB with clusters of 512 bytes, 2 PiB with 64 KiB."""

_L1_STEP = 1 << 16

_CACHE_BYTES = 16 << 20

_OFFSET = np.uint64(0x00FF_FFFF_FFFF_FE00)
_COPIED = np.uint64(1 << 63)
_COMPRESSED = np.uint64(1 << 62)
_DESCRIPTOR = np.uint64((1 << 62) - 1)
_ONE = np.uint64(1)
_LOW_HALF = np.uint64(0xFFFF_FFFF)
_SUBCLUSTERS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The L2 entries of a stretch of clusters, as they are in the file.

    Attributes:
        index: Which window of the content; its first cluster is `index * WINDOW_CLUSTERS`.
        entries: uint64[WINDOW_CLUSTERS], zero where there is no L2 table.
        bitmaps: The same for the subcluster bitmaps, None without extended L2 entries.
        bad: bool[WINDOW_CLUSTERS]: the L2 table cannot be read; its offset stands in `entries`. None if all is well.
    """

    index: int
    entries: NDArray[np.uint64]
    bitmaps: NDArray[np.uint64] | None
    bad: NDArray[np.bool_] | None


class ClusterMap:
    """The mapping of one snapshot or of the active layer.

    Attributes:
        l1: uint64, the L1 table.
        window_size: Bytes of content in a window.
    """

    def __init__(
        self, handle: FileHandle, header: Header, l1_offset: int, l1_size: int, *, data: FileHandle | None, backed: bool
    ) -> None:
        """Read the L1 table.

        Args:
            handle: The image.
            header: Its header.
            l1_offset: Where the L1 table is.
            l1_size: How many entries it has.
            data: The file with the clusters: the image, its external data file, or None where that is not opened.
            backed: Whether clusters that are not allocated belong to a backing file (else they are zeros).

        Raises:
            ImageError: the L1 table lies outside the file, or is larger than possible.
        """
        self._handle = handle
        self._header = header
        self._data = data
        self._external = header.has_data_file
        self._backed = backed
        self._cache: OrderedDict[int, Extents] = OrderedDict()
        self._cache_bytes = 0
        self._lock = threading.Lock()
        self._per_table = 1 << header.l2_bits
        self.window_size = WINDOW_CLUSTERS << header.cluster_bits
        self.l1 = _read_l1(handle, l1_offset, l1_size)

    @property
    def mapped_size(self) -> int:
        """How far the L1 table reaches, in bytes of content."""
        return len(self.l1) * self._per_table << self._header.cluster_bits

    def last_mapped(self) -> int:
        """Return where the last cluster ends that is allocated at all, in bytes of content; 0 if none is."""
        used = np.flatnonzero(self.l1 & _OFFSET)
        if not len(used):
            return 0
        end = (int(used[-1]) + 1) * self._per_table
        index = (end - 1) // WINDOW_CLUSTERS
        while (index + 1) * WINDOW_CLUSTERS > int(used[-1]) * self._per_table:  # the windows that the last table is in
            filled = np.flatnonzero(self.window(index).entries)
            if len(filled):
                return index * WINDOW_CLUSTERS + int(filled[-1]) + 1 << self._header.cluster_bits
            index -= 1
        return int(used[-1]) * self._per_table << self._header.cluster_bits

    def used_windows(self) -> Iterator[int]:
        """Yield the indices of the windows that any L1 entry maps: the others hold nothing."""
        slices = max(1, self._per_table // WINDOW_CLUSTERS)  # windows to a table
        step = max(1, WINDOW_CLUSTERS // self._per_table)  # tables to a window
        for start in range(0, len(self.l1), _L1_STEP):
            groups = np.flatnonzero(self.l1[start : start + _L1_STEP] & _OFFSET) // step
            # In order already; np.unique would import numpy.ma, 25 ms in which a window has to share the interpreter.
            for group in groups[np.diff(groups, prepend=-1) > 0].tolist():
                first = (start // step + group) * slices
                yield from range(first, first + slices)

    def tables_of(self, index: int) -> bytes:
        """Return what tells a window's L2 entries from others: where their tables lie, and the place in these."""
        first, within = divmod(index * WINDOW_CLUSTERS, self._per_table)
        step = min(self._per_table, WINDOW_CLUSTERS)
        tables = self.l1[first : first + WINDOW_CLUSTERS // step] & _OFFSET
        return within.to_bytes(8, "big") + tables.tobytes()

    def window(self, index: int) -> Window:
        """Read the L2 entries of a window; raises ImageError if the file cannot be read."""
        words = 2 if self._header.extended_l2 else 1
        raw = np.zeros(WINDOW_CLUSTERS * words, np.uint64)
        bad = np.zeros(WINDOW_CLUSTERS, np.bool_)
        first, within = divmod(index * WINDOW_CLUSTERS, self._per_table)
        step = min(self._per_table, WINDOW_CLUSTERS)
        tables = self.l1[first : first + WINDOW_CLUSTERS // step] & _OFFSET
        for which in np.flatnonzero(tables).tolist():
            part = slice(which * step * words, (which + 1) * step * words)
            table = int(tables[which])
            if not self._read_l2(table, within * words * 8, raw[part]):
                raw[part] = table
                bad[which * step : (which + 1) * step] = True
        entries = raw[::2] if words == 2 else raw
        bitmaps = raw[1::2] if words == 2 else None
        return Window(index, entries, bitmaps, bad if bad.any() else None)

    def extents(self, index: int) -> Extents:
        """Return a window's extents, from the cache if it was used lately."""
        with self._lock:
            known = self._cache.get(index)
            if known is not None:
                self._cache.move_to_end(index)
                return known
        found = self._resolve(index)
        with self._lock:
            if index not in self._cache:
                self._cache[index] = found
                self._cache_bytes += found.nbytes
            while self._cache_bytes > _CACHE_BYTES and len(self._cache) > 1:
                self._cache_bytes -= self._cache.popitem(last=False)[1].nbytes
        return found

    def _read_l2(self, table: int, skip: int, target: NDArray[np.uint64]) -> bool:
        """Read a part of an L2 table; False if it does not lie in the file as it should."""
        start = table + skip
        if table & (self._header.cluster_size - 1) or start + target.nbytes > self._handle.grown_size():
            return False
        self._handle.readinto(start, target.data)
        target.byteswap(inplace=True)
        return True

    def _resolve(self, index: int) -> Extents:
        """Classify a window's clusters and merge neighbours."""
        first = index * WINDOW_CLUSTERS // self._per_table
        last = first + max(1, WINDOW_CLUSTERS // self._per_table)
        if not np.any(self.l1[first:last] & _OFFSET):
            return _one_extent(self.window_size, Kind.BACKING if self._backed else Kind.ZERO)
        kinds, hosts = self.units(self.window(index))
        if not self._backed:
            kinds[kinds == Kind.BACKING] = Kind.ZERO
        return _merge(kinds, hosts, self.unit, self._header.cluster_size)

    @property
    def unit(self) -> int:
        """Bytes in the smallest piece that is mapped by itself: a cluster, or a subcluster."""
        return self._header.cluster_size // (_SUBCLUSTERS if self._header.extended_l2 else 1)

    @property
    def backed(self) -> bool:
        """Whether what is not allocated belongs to a backing file (else it is zeros)."""
        return self._backed

    def units(self, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return kind and host of each unit of a window; see Kind. What is not allocated is BACKING."""
        kinds, hosts = self._classify(window)
        if window.bitmaps is None:
            return kinds, hosts
        return _expand(kinds, hosts, window.bitmaps, self.unit)

    def _classify(self, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return kind and host of each cluster; subclusters are not looked at."""
        entries = window.entries
        offsets = entries & _OFFSET
        kinds = np.full(len(entries), Kind.DATA, np.uint8)
        hosts = offsets.astype(np.int64)
        unallocated = offsets == 0
        if self._external:  # the only place where a cluster can lie at offset 0
            unallocated &= entries & _COPIED == 0
        kinds[hosts & self._header.cluster_size - 1 != 0] = Kind.BAD_OFFSET
        if self._data is not None:
            kinds[hosts >= self._data.grown_size()] = Kind.BAD_OFFSET
        kinds[unallocated] = Kind.BACKING
        if window.bitmaps is None:
            kinds[entries & _ONE != 0] = Kind.ZERO if self._header.version > 2 else Kind.BAD_ENTRY
        compressed = entries & _COMPRESSED != 0
        if compressed.any():
            kinds[compressed] = Kind.BAD_ENTRY if self._external else Kind.COMPRESSED
            hosts[compressed] = (entries[compressed] & _DESCRIPTOR).astype(np.int64)
        if window.bad is not None:
            kinds[window.bad] = Kind.BAD_TABLE
        return kinds, hosts


def _read_l1(handle: FileHandle, offset: int, entries: int) -> NDArray[np.uint64]:
    size = entries * 8
    if size > MAX_L1_BYTES:
        raise ImageError(f"an L1 table of {entries} entries is larger than possible", path=handle.path, offset=offset)
    if size and (offset & 511 or offset + size > handle.grown_size()):
        raise ImageError("the L1 table lies outside the file", path=handle.path, offset=offset)
    table = np.empty(entries, np.uint64)
    if entries:
        handle.readinto(offset, table.data)
    return table.byteswap(inplace=True)


def _one_extent(size: int, kind: Kind) -> Extents:
    return Extents(np.array((0, size), np.int64), np.zeros(1, np.int64), np.array((kind,), np.uint8))


def _expand(
    kinds: NDArray[np.uint8], hosts: NDArray[np.int64], bitmaps: NDArray[np.uint64], unit: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Split clusters into subclusters by the bitmaps: low half allocated, high half reads as zeros."""
    plain = (kinds == Kind.DATA) | (kinds == Kind.BACKING) | (kinds == Kind.BAD_OFFSET)
    allocated, zero = bitmaps & _LOW_HALF, bitmaps >> np.uint64(32)
    wrong = (allocated & zero != 0) | (kinds == Kind.BACKING) & (allocated != 0)
    bits = np.arange(_SUBCLUSTERS, dtype=np.uint64)
    is_allocated = (allocated[:, None] >> bits & _ONE).astype(np.bool_)
    is_zero = (zero[:, None] >> bits & _ONE).astype(np.bool_)
    split = np.repeat(kinds[:, None], _SUBCLUSTERS, axis=1)
    split[plain[:, None] & ~is_allocated] = Kind.BACKING
    split[plain[:, None] & is_zero] = Kind.ZERO
    split[plain & wrong] = Kind.BAD_ENTRY
    places = np.repeat(hosts[:, None], _SUBCLUSTERS, axis=1)
    inside = split == Kind.DATA
    places += np.where(inside, np.arange(_SUBCLUSTERS, dtype=np.int64) * unit, 0)
    return split.reshape(-1), places.reshape(-1)


def _merge(kinds: NDArray[np.uint8], hosts: NDArray[np.int64], unit: int, cluster_size: int) -> Extents:
    """Join neighbours of one kind; data only where it also lies on in the file; compressed clusters never."""
    same = kinds[1:] == kinds[:-1]
    joined = np.where(kinds[1:] == Kind.DATA, hosts[1:] == hosts[:-1] + unit, kinds[1:] != Kind.COMPRESSED)
    if unit != cluster_size:
        per_cluster = cluster_size // unit
        inner = np.arange(1, len(kinds)) % per_cluster != 0
        joined |= (kinds[1:] == Kind.COMPRESSED) & inner
    first = np.concatenate(([0], np.flatnonzero(~(same & joined)) + 1))
    starts = np.append(first, len(kinds)) * unit
    return Extents(starts.astype(np.int64), hosts[first], kinds[first])
