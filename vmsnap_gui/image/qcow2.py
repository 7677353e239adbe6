"""A qcow2 image: its snapshots, and disk content and VM state of each as views. Complete, and read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import ByteView, FileHandle, FileView
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.extents import Extents, ExtentView
from vmsnap_gui.image.magic import QCOW2_MAGIC
from vmsnap_gui.image.qcow2_chain import Chain
from vmsnap_gui.image.qcow2_clusters import CompressedClusters
from vmsnap_gui.image.qcow2_facts import header_facts, header_problems
from vmsnap_gui.image.qcow2_header import DATA_FILE, Crypt, Header
from vmsnap_gui.image.qcow2_map import ClusterMap
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot, read_table
from vmsnap_gui.image.snapshot import Reference, describe

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Consent, Snapshot

_ATTEMPTS = 4
_LOW_32 = 1 << 32
_MAX_VIEW = 1 << 63


class Qcow2Image:
    """An open qcow2 image; see `Image` for what is common to all kinds.

    Attributes:
        header: The header as it was when the image was opened.
    """

    format = "qcow2"

    def __init__(self, handle: FileHandle, chain: Chain | None = None) -> None:
        """Take over an open file and read header and snapshot table, nothing else.

        Raises:
            ImageError: this is no qcow2 image that can be listed; the file is then closed.
        """
        self._handle = handle
        self._chain = (chain or Chain()).below(handle)
        self._backing: ByteView | None = None
        self._backing_image: Qcow2Image | None = None
        self._others: dict[Reference, FileHandle] = {}
        try:
            steady = self._read()
        except BaseException:
            handle.close()
            raise
        if not steady:
            self.problems += (Problem("the image is in use, may be changing: it changed each time it was read"),)

    def _read(self) -> bool:
        """Read header and table until the file did not change meanwhile; False if it never kept still."""
        for _ in range(_ATTEMPTS):
            before = self._handle.current_stamp()
            self._handle.grown_size()
            self.header = Header.parse(self._handle)
            self.snapshots, problems = read_table(self._handle, self.header)
            self.problems = (*self.header.problems, *header_problems(self.header), *problems)
            self._verified = self._handle.stamp = before
            if self._handle.current_stamp() == before:
                return True
        return False

    @property
    def path(self) -> Path:
        """The file."""
        return self._handle.path

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk now (whole sectors, as QEMU counts)."""
        return self.header.size // 512 * 512

    @property
    def cluster_size(self) -> int:
        """Bytes in a cluster."""
        return self.header.cluster_size

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """See Image."""
        return header_facts(self.header, self._handle.size, len(self.snapshots))

    def changed(self) -> bool:
        """See Image."""
        backing = self._backing_image
        return (
            self._handle.changed()
            or any(other.changed() for other in self._others.values())
            or (backing is not None and backing.changed())
        )

    def close(self) -> None:
        """See Image."""
        self._handle.close()
        for other in self._others.values():
            other.close()
        if self._backing_image is not None:
            self._backing_image.close()

    def vm_state(self, snapshot: Snapshot, progress: Progress | None = None) -> ByteView:
        """See Image. `progress` is not used: nothing here is long.

        With less than 8 bytes of extra data the table holds only the low 32 bits of the size. Then the view has the
        largest size with these bits that the mapping could hold, and the stream's own end decides.
        """
        del progress
        own = self._own(snapshot)
        self._require_readable()
        if not own.vm_state_size:
            raise ImageError(f"the snapshot with {describe(own)} holds no VM state, only the disk", path=self.path)
        source = _SnapshotSource(self, own, backing=None, backed=False)
        start = vm_state_offset(self.header, own.disk_size or 0)
        room = source.map.mapped_size - start
        if room <= 0:
            raise ImageError(f"the VM state of the snapshot with {describe(own)} is not mapped", path=self.path)
        size = own.vm_state_size
        if own.extra_size < 8:
            size += max(0, (source.map.last_mapped() - start - size) // _LOW_32) * _LOW_32
        return ExtentView(source, start, min(size, room))

    def disk(self, snapshot: Snapshot | None) -> ByteView:
        """See Image."""
        own = None if snapshot is None else self._own(snapshot)
        size = self.virtual_size if own is None else own.disk_size or 0
        self._require_readable()
        if size >= _MAX_VIEW:
            raise ImageError(f"a disk of {size} bytes is not possible", path=self.path)
        backing = self._open_backing()
        backed = self.header.backing_file is not None
        if own is None:
            return ExtentView(_ActiveSource(self, backing=backing, backed=backed), 0, size)
        return ExtentView(_SnapshotSource(self, own, backing=backing, backed=backed), 0, size)

    def cluster_map(self, snapshot: Snapshot | None) -> ClusterMap:
        """Return the mapping of a snapshot, or of the active layer (None), to look at metadata alone.

        Raises:
            ImageError: the L1 table cannot be read, or the feature bits forbid to read it.
        """
        own = None if snapshot is None else self._own(snapshot)
        self._require_readable()
        offset, size = (self.header.l1_offset, self.header.l1_size) if own is None else (own.l1_offset, own.l1_size)
        backed = self.header.backing_file is not None
        return ClusterMap(self._handle, self.header, offset, size, self._handle, backed=backed)

    def _own(self, snapshot: Snapshot) -> Qcow2Snapshot:
        if not isinstance(snapshot, Qcow2Snapshot) or snapshot not in self.snapshots:
            raise ImageError(f"the snapshot with {describe(snapshot)} is not one of this image", path=self.path)
        return snapshot

    def _require_readable(self) -> None:
        """Raise ImageError where content cannot be understood."""
        header = self.header
        why = None
        if header.unknown_incompatible:
            bits = range(header.unknown_incompatible.bit_length())
            names = [header.feature_name(0, bit) for bit in bits if header.unknown_incompatible >> bit & 1]
            why = f"the content needs features that are not supported: {', '.join(names)}"
        elif header.crypt_method:
            known = {Crypt.AES: "with AES", Crypt.LUKS: "with LUKS"}
            how = known.get(Crypt(header.crypt_method), "") if header.crypt_method in (1, 2) else "in an unknown way"
            why = f"the content is encrypted ({how}); it is not decrypted here, only the snapshots are listed"
        if why:
            raise ImageError(why, path=self.path)

    def data_file(self) -> FileHandle:
        """Return the file that holds the clusters, opened with consent if it is another one."""
        if not self.header.incompatible & DATA_FILE:
            return self._handle
        if Reference.DATA not in self._others:
            if self.header.data_file is None:
                raise ImageError("its external data file is not named in the image", path=self.path)
            self._others[Reference.DATA] = self._chain.open(self.path, self.header.data_file, Reference.DATA)
        return self._others[Reference.DATA]

    def _open_backing(self) -> ByteView | None:
        """Open the backing file, with consent; None if the image has none."""
        name, kind = self.header.backing_file, self.header.backing_format
        if name is None or self._backing is not None:
            return self._backing
        if kind not in (None, "raw", "qcow2"):
            raise ImageError(f"backing files of format {kind!r} are not read ({name!r})", path=self.path)
        handle = self._chain.open(self.path, name, Reference.BACKING)
        if kind == "qcow2" or (kind is None and handle.read_up_to(0, 4) == QCOW2_MAGIC):
            self._backing_image = Qcow2Image(handle, self._chain)
            self._backing = self._backing_image.disk(None)
        else:
            self._others[Reference.BACKING] = handle
            self._backing = FileView(handle)
        return self._backing

    def ensure_still_there(self, snapshot: Qcow2Snapshot) -> None:
        """Raise ImageError if the file changed and the snapshot is gone: its clusters may hold other things now."""
        stamp = self._handle.current_stamp()
        if stamp == self._verified:
            return
        self._handle.grown_size()
        now, _ = read_table(self._handle, Header.parse(self._handle))
        if not any(one.same_entry(snapshot) for one in now):
            raise ImageError(
                f"the image was changed and the snapshot with {describe(snapshot)} is gone; open the image again",
                path=self.path,
            )
        self._verified = stamp

    def current_layer(self) -> ClusterMap:
        """Read the active layer's mapping as it is now."""
        header = Header.parse(self._handle)
        data, backed = self.data_file(), header.backing_file is not None
        return ClusterMap(self._handle, header, header.l1_offset, header.l1_size, data, backed=backed)

    @property
    def handle(self) -> FileHandle:
        """The open file."""
        return self._handle


class _SnapshotSource:
    """What a snapshot's clusters hold; none of them changes as long as the snapshot exists."""

    def __init__(self, image: Qcow2Image, snapshot: Qcow2Snapshot, *, backing: ByteView | None, backed: bool) -> None:
        self.data = image.data_file()
        self.backing = backing
        self._image = image
        self._snapshot = snapshot
        self.map = ClusterMap(
            image.handle, image.header, snapshot.l1_offset, snapshot.l1_size, self.data, backed=backed
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

    def __init__(self, image: Qcow2Image, *, backing: ByteView | None, backed: bool) -> None:
        self.data = image.data_file()
        self.backing = backing
        self._backed = backed
        self._image = image
        self._stamp = image.handle.current_stamp()
        self._map = image.current_layer()
        self.window_size = self._map.window_size
        self._clusters = CompressedClusters(image.handle, image.header)

    def extents(self, index: int) -> Extents:
        return self._map.extents(index)

    def inflate(self, descriptor: int) -> bytes:
        return self._clusters.inflate(descriptor)

    def begin(self) -> None:
        stamp = self._image.handle.current_stamp()
        if stamp != self._stamp:
            self._map = self._image.current_layer()
            self._clusters.forget()
            self._stamp = stamp

    def end(self) -> None:
        """A disk that is being written has no moment to be true to; `Image.changed` tells."""


def vm_state_offset(header: Header, disk_size: int) -> int:
    """Return where the VM state begins: at the first L1 entry after the disk of that size."""
    per_entry = header.cluster_size << header.l2_bits
    return -(-disk_size // per_entry) * per_entry


def open_qcow2(handle: FileHandle, consent: Consent | None) -> Qcow2Image:
    """Read a qcow2 image from an open file, which it takes over; raises ImageError like Qcow2Image."""
    return Qcow2Image(handle, Chain(consent))
