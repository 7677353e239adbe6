"""A qcow2 image: its snapshots, and disk content and VM state of each as views. Complete, and read-only."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import ByteView, FileHandle, FileView
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.magic import QCOW2_MAGIC
from vmsnap_gui.image.qcow2_chain import Chain
from vmsnap_gui.image.qcow2_facts import (
    content_refusal,
    header_facts,
    header_problems,
    layout_problems,
    mapping_refusal,
)
from vmsnap_gui.image.qcow2_header import CORRUPT, DIRTY, Header
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot, read_table
from vmsnap_gui.image.snapshot import Reference, describe

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.qcow2_map import ClusterMap
    from vmsnap_gui.image.snapshot import Consent, Snapshot

_ATTEMPTS = 6

_FRESH = 1.0
"""Seconds; file systems count in ticks, some in ms, some in seconds."""


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
        self._lock = threading.Lock()
        self._others: dict[Reference, FileHandle] = {}
        try:
            steady = self._read()
        except BaseException:
            handle.close()
            raise
        if not steady:
            self.problems += (Problem("the image is in use, may be changing: it changed each time it was read"),)

    def _read(self) -> bool:
        """Read header and table until no writer got between the two; False if one always did."""
        for attempt in range(_ATTEMPTS):
            before = self._handle.current_stamp()
            self._handle.grown_size()
            try:
                self.header = Header.parse(self._handle)
                self._handle.grown_size()  # the table may lie behind what was the end a moment ago
                self.snapshots, problems = read_table(self._handle, self.header)
                steady = self._still(before, self.header)
            except ImageError:
                if attempt == _ATTEMPTS - 1 or (self._handle.current_stamp() == before and not _fresh(before)):
                    raise
                continue
            self._table_problems = problems
            layout = layout_problems(self.header, self.snapshots, self._handle.size)
            self.problems = (*self.header.problems, *header_problems(self.header), *problems, *layout)
            self._verified = self._handle.stamp = before
            if steady:
                return True
        return False

    def _still(self, before: Stamp, header: Header) -> bool:
        """Tell whether what was read since `before` belongs together.

        QEMU writes a new table beside the old one, then the header, and frees the old one last (qcow2_write_snapshots
        in block/qcow2-snapshot.c): a header that is the same after its table was read led to the right table.
        """
        unchanged = self._handle.current_stamp() == before and not _fresh(before)
        return unchanged or Header.parse(self._handle) == header

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
        from vmsnap_gui.image.qcow2_content import vm_state_view

        own = self._own(snapshot)
        self._require_readable()
        return vm_state_view(self, own)

    def disk(self, snapshot: Snapshot | None) -> ByteView:
        """See Image."""
        from vmsnap_gui.image.qcow2_content import disk_view

        own = None if snapshot is None else self._own(snapshot)
        self._require_readable()
        return disk_view(self, own, self._open_backing())

    def cluster_map(self, snapshot: Snapshot | None) -> ClusterMap:
        """Return the mapping of a snapshot, or of the active layer (None), to look at metadata alone.

        Raises:
            ImageError: the L1 table cannot be read, or the feature bits forbid to read it.
        """
        from vmsnap_gui.image.qcow2_content import cluster_map

        own = None if snapshot is None else self._own(snapshot)
        self.require_mapping()
        return cluster_map(self, own)

    def _own(self, snapshot: Snapshot) -> Qcow2Snapshot:
        if not isinstance(snapshot, Qcow2Snapshot) or snapshot not in self.snapshots:
            raise ImageError(f"the snapshot with {describe(snapshot)} is not one of this image", path=self.path)
        return snapshot

    def _require_readable(self) -> None:
        """Raise ImageError where content cannot be understood."""
        self._refuse(content_refusal(self.header))

    def require_mapping(self) -> None:
        """Raise ImageError where not even the tables can be understood; those of an encrypted image can."""
        self._refuse(mapping_refusal(self.header))

    def require_all_snapshots(self) -> None:
        """Raise ImageError where not all snapshots can be listed: nothing is known then of who uses the rest."""
        for problem in self._table_problems:
            raise ImageError(problem.message, path=self.path, offset=problem.offset)

    def _refuse(self, why: str | None) -> None:
        if why is not None:
            raise ImageError(why, path=self.path)

    def data_file(self) -> FileHandle:
        """Return the file that holds the clusters, opened with consent if it is another one."""
        if not self.header.has_data_file:
            return self._handle
        name = self.header.data_file
        if name is None:
            raise ImageError("its external data file is not named in the image", path=self.path)
        with self._lock:
            if Reference.DATA not in self._others:
                self._others[Reference.DATA] = self._chain.open(self.path, name, Reference.DATA)
            return self._others[Reference.DATA]

    def _open_backing(self) -> ByteView | None:
        """Return the backing file's content, opened with consent; None if the image has none."""
        name, kind = self.header.backing_file, self.header.backing_format
        if name is None:
            return None
        if kind not in (None, "raw", "qcow2"):
            raise ImageError(f"backing files of format {kind!r} are not read ({name!r})", path=self.path)
        with self._lock:
            if self._backing is not None:
                return self._backing
            handle = self._chain.open(self.path, name, Reference.BACKING)
            if kind == "qcow2" or (kind is None and handle.read_up_to(0, 4) == QCOW2_MAGIC):
                image = Qcow2Image(handle, self._chain)
                try:
                    self._backing = image.disk(None)
                except BaseException:
                    image.close()
                    raise
                self._backing_image = image
            else:
                self._others[Reference.BACKING] = handle
                self._backing = FileView(handle)
            return self._backing

    def ensure_still_there(self, snapshot: Qcow2Snapshot) -> None:
        """Raise ImageError if the file changed and the snapshot is gone: its clusters may hold other things now."""
        stamp = self._handle.current_stamp()
        if stamp == self._verified:
            return
        for _ in range(_ATTEMPTS):  # a table that is being moved may be gone from where the header just said
            before = self._handle.current_stamp()
            self._handle.grown_size()
            try:
                header = Header.parse(self._handle)
                self._handle.grown_size()
                now, _problems = read_table(self._handle, header)
                steady = self._still(before, header)
            except ImageError:
                continue
            if any(one.same_entry(snapshot) for one in now):
                self._verified = stamp
                return
            if steady:
                break
        raise ImageError(
            f"the image was changed and the snapshot with {describe(snapshot)} is gone; open the image again",
            path=self.path,
        )

    def active_header(self) -> Header:
        """Read the header as it is now: where the active layer's mapping is.

        Raises:
            ImageError: what the file holds now is no longer the image that was opened.
        """
        if self._handle.current_stamp() == self._handle.stamp:
            return self.header
        header = Header.parse(self._handle)
        if _layout(header) != _layout(self.header):
            raise ImageError("the image was replaced while it was open; open it again", path=self.path)
        return header

    @property
    def handle(self) -> FileHandle:
        """The open file."""
        return self._handle


def _fresh(stamp: Stamp) -> bool:
    """Tell whether a file was written so lately that its time stamp could stand still over another write."""
    return abs(time.time() - stamp.mtime_ns / 1e9) < _FRESH


def _layout(header: Header) -> tuple[object, ...]:
    """Return what does not change as long as the views of an image can be trusted."""
    features = header.incompatible & ~(DIRTY | CORRUPT)  # a running VM may set these
    return header.version, header.cluster_bits, features, header.crypt_method, header.backing_file, header.data_file


def open_qcow2(handle: FileHandle, consent: Consent | None) -> Qcow2Image:
    """Read a qcow2 image from an open file, which it takes over; raises ImageError like Qcow2Image."""
    return Qcow2Image(handle, Chain(consent))
