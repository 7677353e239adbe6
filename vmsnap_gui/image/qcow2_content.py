"""Views of what qcow2 snapshots hold, and of the disk as it is now.

Imported when content is wanted: listing snapshots needs no NumPy, which would double the time of a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.extents import ExtentView
from vmsnap_gui.image.qcow2_clusters import CompressedClusters
from vmsnap_gui.image.qcow2_map import ClusterMap
from vmsnap_gui.image.snapshot import describe

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.extents import Extents
    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.image.qcow2_header import Header
    from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot

_LOW_32 = 1 << 32
_MAX_DISK = 1 << 63


def vm_state_view(image: Qcow2Image, snapshot: Qcow2Snapshot) -> ExtentView:
    """Return the VM state of a snapshot; see Qcow2Image.vm_state.

    Raises:
        ImageError: there is none, or it is not mapped.
    """
    if not snapshot.vm_state_size:
        raise ImageError(f"the snapshot with {describe(snapshot)} holds no VM state, only the disk", path=image.path)
    source = _SnapshotSource(image, snapshot, backing=None, backed=False)
    start = vm_state_offset(image.header, snapshot.disk_size or 0)
    room = source.map.mapped_size - start
    if room <= 0:
        raise ImageError(f"the VM state of the snapshot with {describe(snapshot)} is not mapped", path=image.path)
    size = snapshot.vm_state_size
    if snapshot.extra_size < 8:
        size += max(0, (source.map.last_mapped() - start - size) // _LOW_32) * _LOW_32
    return ExtentView(source, start, min(size, room))


def disk_view(image: Qcow2Image, snapshot: Qcow2Snapshot | None, backing: ByteView | None) -> ExtentView:
    """Return the disk's content in a snapshot, or as it is now (None).

    Raises:
        ImageError: the mapping cannot be read, or the disk has an impossible size.
    """
    size = image.virtual_size if snapshot is None else snapshot.disk_size or 0
    if size >= _MAX_DISK:
        raise ImageError(f"a disk of {size} bytes is not possible", path=image.path)
    if snapshot is None:
        return ExtentView(_ActiveSource(image, backing=backing), 0, size)
    return ExtentView(_SnapshotSource(image, snapshot, backing=backing, backed=backing is not None), 0, size)


def cluster_map(image: Qcow2Image, snapshot: Qcow2Snapshot | None) -> ClusterMap:
    """Return a mapping to look at without content: no other file is opened for it."""
    header = image.header
    place = (header.l1_offset, header.l1_size) if snapshot is None else (snapshot.l1_offset, snapshot.l1_size)
    own = None if header.has_data_file else image.handle
    return ClusterMap(image.handle, header, *place, data=own, backed=header.backing_file is not None)


def vm_state_offset(header: Header, disk_size: int) -> int:
    """Return where the VM state begins: at the first L1 entry after a disk of that size."""
    per_entry = header.cluster_size << header.l2_bits
    return -(-disk_size // per_entry) * per_entry


class _SnapshotSource:
    """What a snapshot's clusters hold; none of them changes as long as the snapshot exists."""

    def __init__(self, image: Qcow2Image, snapshot: Qcow2Snapshot, *, backing: ByteView | None, backed: bool) -> None:
        self.data = image.data_file()
        self.backing = backing
        self._image = image
        self._snapshot = snapshot
        self.map = ClusterMap(
            image.handle, image.header, snapshot.l1_offset, snapshot.l1_size, data=self.data, backed=backed
        )
        self.window_size = self.map.window_size
        self._clusters = CompressedClusters(image.handle, image.header)
        image.ensure_still_there(snapshot)

    def extents(self, index: int) -> Extents:
        return self.map.extents(index)

    def inflate(self, descriptor: int) -> bytes:
        return self._clusters.inflate(descriptor)

    def begin(self) -> None:
        """Nothing gets out of date."""

    def end(self) -> None:
        self._image.ensure_still_there(self._snapshot)


class _ActiveSource:
    """What the disk holds now; a running VM may change all of it at any time, so nothing outlives a change."""

    def __init__(self, image: Qcow2Image, *, backing: ByteView | None) -> None:
        self.data = image.data_file()
        self.backing = backing
        self._image = image
        self._clusters = CompressedClusters(image.handle, image.header)
        self._read_map()
        self.window_size = self._map.window_size

    def _read_map(self) -> None:
        self._stamp = self._image.handle.current_stamp()
        header = self._image.active_header()
        self._map = ClusterMap(
            self._image.handle,
            header,
            header.l1_offset,
            header.l1_size,
            data=self.data,
            backed=self.backing is not None,
        )

    def extents(self, index: int) -> Extents:
        return self._map.extents(index)

    def inflate(self, descriptor: int) -> bytes:
        return self._clusters.inflate(descriptor)

    def begin(self) -> None:
        if self._image.handle.current_stamp() != self._stamp:
            self._read_map()
            self._clusters.forget()

    def end(self) -> None:
        """A disk that is being written has no moment to be true to; `Image.changed` tells."""
