"""Counting who uses the clusters of a qcow2 file, from L1, L2 and refcount tables alone.

Specification: QEMU's docs/interop/qcow2.txt, "Cluster mapping" and "Host cluster management". A cluster's refcount is
the number of times that the active layer and all snapshots refer to it, whether or not they share the tables between.

Each L2 table is read once for each window of the file, however many snapshots share it: a file of up to 256 GiB (with
clusters of 64 KiB) has one window. So memory has a bound, whatever the size of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.qcow2_bitmaps import bitmap_clusters
from vmsnap_gui.image.qcow2_content import vm_state_offset
from vmsnap_gui.image.qcow2_refcounts import Refcounts
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot, table_size
from vmsnap_gui.image.snapshot import describe_briefly
from vmsnap_gui.image.usage_groups import METADATA, WINDOW, Groups, Part, Window, bit, uses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.qcow2 import Qcow2Image

_OFFSET = np.uint64(0x00FF_FFFF_FFFF_FE00)
_COMPRESSED = np.uint64(1 << 62)
_BATCH = 1 << 20
"""Bytes of L2 tables that are looked at together."""

_MOST = 4096
"""Snapshots whose clusters are counted: each set of users has a bit for each of them."""


class Counting:
    """Counts all of an image; see `run`.

    Attributes:
        groups: The sets of uses.
        counts: int64: clusters in use of each set, by its number.
        problems: What is wrong with the tables.
    """

    def __init__(self, image: Qcow2Image) -> None:
        self.groups = Groups()
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self.problems: list[Problem] = []
        self._image = image
        self._bits = image.header.cluster_bits
        self._plain: list[tuple[NDArray[np.int64], int]] = []
        """Clusters that are found without any L2 table, and their set."""
        self._tables = np.zeros(0, np.int64)
        """The clusters of all L2 tables, ascending; with the number of each one's set, and how often it is used."""
        self._table_groups = np.zeros(0, np.int32)
        self._table_times = np.zeros(0, np.int64)

    def run(self, progress: Progress | None) -> None:
        """Count.

        Args:
            progress: Called with bytes of L2 tables; may raise Cancelled.

        Raises:
            ImageError: the file cannot be read, or the refcount table cannot, or its feature bits forbid it,
                or there are too many snapshots, or not all of them can be listed.
        """
        if len(self._image.snapshots) > _MOST:
            raise ImageError(f"the clusters of more than {_MOST} snapshots are not counted", path=self._image.path)
        self._image.require_mapping()
        self._image.require_all_snapshots()
        stamp = self._image.handle.current_stamp()
        refcounts = Refcounts(self._image)
        if refcounts.bad_blocks:
            self._problem(f"{refcounts.bad_blocks} refcount blocks do not lie in the file as they should")
        self._plain.append((refcounts.own_clusters(), METADATA))
        self._add_metadata()
        self._add_layers()
        self._count_windows(refcounts, progress)
        if self._image.handle.current_stamp() != stamp:
            self._problem("the image was changed while this was counted")

    def _problem(self, text: str, offset: int | None = None) -> None:
        self.problems.append(Problem(text, offset))

    def _range(self, offset: int, size: int) -> NDArray[np.int64]:
        """Return the clusters of a range of the file."""
        return np.arange(offset >> self._bits, -(-(offset + size) >> self._bits), dtype=np.int64)

    def _add_metadata(self) -> None:
        header = self._image.header
        places = [
            (0, 1),
            (header.refcount_table_offset, header.refcount_table_clusters << self._bits),
            (header.snapshots_offset, table_size(self._image.snapshots)),
            header.encryption_header,
        ]
        self._plain += [(self._range(at, min(size, self._image.handle.size)), METADATA) for at, size in places if size]
        try:
            self._plain.append((bitmap_clusters(self._image), METADATA))
        except ImageError as error:
            self._problem(f"the bitmaps cannot be counted: {error.message}", error.offset)

    def _add_layers(self) -> None:
        """Find the L1 and L2 tables of the active layer and of all snapshots."""
        seen: set[int] = set()
        bound = self._image.handle.grown_size()
        for owner, snapshot in enumerate((None, *self._image.snapshots)):
            name = "the active layer" if snapshot is None else f"the snapshot {describe_briefly(snapshot)}"
            at, entries = self._l1_place(snapshot)
            bound -= entries * 8
            if not entries:
                continue
            try:
                if at in seen:
                    raise ImageError("its L1 table is that of another one", offset=at)
                if bound < 0:  # so that 65,536 snapshots with tables that overlap cannot take hours
                    raise ImageError("there are more L1 tables than fit in the file", offset=at)
                seen.add(at)
                self._add_layer(owner, snapshot, name)
            except ImageError as error:
                self._problem(f"{name} cannot be counted: {error.message}", error.offset)

    def _l1_place(self, snapshot: object) -> tuple[int, int]:
        header = self._image.header
        if isinstance(snapshot, Qcow2Snapshot):
            return snapshot.l1_offset, snapshot.l1_size
        return header.l1_offset, header.l1_size

    def _add_layer(self, owner: int, snapshot: Qcow2Snapshot | None, name: str) -> None:
        header = self._image.header
        mapping = self._image.cluster_map(snapshot)
        at, entries = self._l1_place(snapshot)
        self._plain.append((self._range(at, entries * 8), bit(owner, Part.TABLES)))
        size = self._image.virtual_size if snapshot is None else snapshot.disk_size or 0
        split = vm_state_offset(header, size) >> header.l2_bits + header.cluster_bits
        wrong = 0
        for part, entry in ((Part.DISK, mapping.l1[:split]), (Part.VM_STATE, mapping.l1[split:])):
            tables, times = np.unique(entry & _OFFSET, return_counts=True)
            fit = (tables & np.uint64(header.cluster_size - 1) == 0) & (tables != 0)
            fit &= tables + np.uint64(header.cluster_size) <= self._image.handle.size
            wrong += int(np.count_nonzero(~fit & (tables != 0)))
            self._add_tables((tables[fit] >> np.uint64(self._bits)).astype(np.int64), times[fit], bit(owner, part))
        if wrong:
            self._problem(f"{wrong} L2 tables of {name} do not lie in the file as they should")

    def _add_tables(self, clusters: NDArray[np.int64], times: NDArray[np.int64], group: int) -> None:
        """Merge L2 tables (ascending) into those that are known."""
        both = np.union1d(self._tables, clusters)
        groups, counts = np.zeros(len(both), np.int32), np.zeros(len(both), np.int64)
        old, new = np.searchsorted(both, self._tables), np.searchsorted(both, clusters)
        groups[old], counts[old] = self._table_groups, self._table_times
        groups[new] = self.groups.joined(groups[new], group)
        counts[new] += times
        self._tables, self._table_groups, self._table_times = both, groups, counts

    def _count_windows(self, refcounts: Refcounts, progress: Progress | None) -> None:
        batches = list(self._batches())
        starts = range(0, max(refcounts.end, 1), WINDOW)
        total = len(starts) * sum(len(tables) for tables, _, _ in batches) << self._bits
        done = low_counts = beyond = 0
        counts: list[NDArray[np.int64]] = []
        for low in starts:
            window = Window(low, refcounts.end, self.groups)
            for clusters, group in self._plain:
                window.add(clusters, group)
            for tables, group, times in batches:
                window.add(tables, _as_tables(group), times)
                for found in self._mapped(tables):
                    window.add(found, group, times)
                done += len(tables) << self._bits
                if progress is not None:
                    progress(done, total)
            found, too_low = window.close(refcounts.read(window.low, window.high))
            counts.append(found)
            low_counts += too_low
            beyond = window.beyond  # the same for each window
        self.counts = np.zeros(len(self.groups.sets), np.int64)
        for found in counts:
            self.counts[: len(found)] += found
        if low_counts or beyond:
            self._problem(f"clusters whose refcount is too low: {low_counts + beyond}")

    def _batches(self) -> Iterator[tuple[NDArray[np.int64], int, int]]:
        """Yield tables that have one set and are used equally often, up to _BATCH bytes of them."""
        order = np.lexsort((self._tables, self._table_times, self._table_groups))
        groups, times = self._table_groups[order], self._table_times[order]
        borders = np.flatnonzero((np.diff(groups) != 0) | (np.diff(times) != 0)) + 1
        step = max(1, _BATCH >> self._bits)
        for part in np.split(order, borders) if len(order) else ():
            for start in range(0, len(part), step):
                some = part[start : start + step]
                group = self.groups.sets[int(self._table_groups[some[0]])]
                yield self._tables[some], group, int(self._table_times[some[0]])

    def _mapped(self, tables: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Yield the clusters that L2 tables refer to; a compressed one can lie in several."""
        header = self._image.header
        if header.has_data_file:  # the clusters lie in that file, and have no refcounts
            return
        raw = bytearray(len(tables) << self._bits)
        for index, table in enumerate(tables.tolist()):
            part = memoryview(raw)[index << self._bits : index + 1 << self._bits]
            self._image.handle.readinto(table << self._bits, part)
        entries = np.frombuffer(raw, ">u8")[:: 2 if header.extended_l2 else 1].astype(np.uint64)
        packed = entries & _COMPRESSED != 0
        hosts = entries[~packed] & _OFFSET
        yield (hosts[hosts != 0] >> np.uint64(self._bits)).astype(np.int64)
        if packed.any():
            shift = 62 - (self._bits - 8)
            descriptors = (entries[packed] & (_COMPRESSED - np.uint64(1))).astype(np.int64)
            start = descriptors & ((1 << shift) - 1)
            end = (start & ~511) + ((descriptors >> shift) + 1) * 512 - 1
            first, last = start >> self._bits, end >> self._bits
            for step in range(int((last - first).max()) + 1):
                yield (first + step)[first + step <= last]


def _as_tables(group: int) -> int:
    """Return the set of the same owners, who use the cluster as a table."""
    found = 0
    for owner, _ in uses(group):
        found |= bit(owner, Part.TABLES)
    return found
