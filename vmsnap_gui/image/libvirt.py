"""libvirt's save images (`virsh save`, managed save, external memory snapshots): domain XML, then the stream.

The header is written in the byte order of the machine that wrote it: magic (16 bytes), then u32 version, length of
the XML data, was_running, packing, offset of the cookie, 14 unused ones; then the XML data, then the stream
(libvirt's src/qemu/qemu_saveimage.h).
"""

from __future__ import annotations

import re
import struct
import threading
from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import ByteView, FileHandle, FileView, SubView
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.magic import LIBVIRT_UNFINISHED_MAGIC
from vmsnap_gui.image.snapshot import Snapshot
from vmsnap_gui.image.texts import exact_size_text

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress

_HEADER_SIZE = 16 + 19 * 4
_VERSIONS = (1, 2)
_NAME = re.compile(rb"<name>([^<]{1,1024})</name>")
_NAME_WITHIN = 64 << 10

PACKINGS = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse (mapped-ram)")
"""How the stream can be packed, by libvirt's numbers."""

_LZOP, _UNPACKED = 4, (0, 6)


class SaveImage:
    """An open save image: one state without id and tag; see `Image` for what is common to all kinds."""

    format = "libvirt-save"
    virtual_size = 0
    cluster_size = None

    def __init__(self, handle: FileHandle) -> None:
        """Take over an open file and read its header.

        Raises:
            ImageError: the header makes no sense.
        """
        self._handle = handle
        self._unpacked: FileHandle | None = None
        self._lock = threading.Lock()
        raw = handle.read_up_to(0, _HEADER_SIZE)
        if len(raw) < _HEADER_SIZE:
            raise ImageError("the header of the save image is cut off", path=handle.path, offset=len(raw))
        self._order, fields = _fields(raw, handle)
        self._version, length, self._was_running, self._packing = fields[:4]
        self._start = _HEADER_SIZE + length
        if self._start >= handle.size:
            raise ImageError("the save image ends before its VM state", path=handle.path, offset=handle.size)
        self._domain = _NAME.search(handle.read_up_to(_HEADER_SIZE, min(length, _NAME_WITHIN)))
        self.snapshots = (Snapshot(id=None, tag=None, vm_state_size=handle.size - self._start),)
        self.problems: tuple[Problem, ...] = ()
        if raw.startswith(LIBVIRT_UNFINISHED_MAGIC):
            self.problems = (Problem("the save image was never finished: its VM state may be cut off", 0),)

    @property
    def path(self) -> Path:
        """The file."""
        return self._handle.path

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """See Image."""
        from html import unescape  # not above: it takes 3 ms, for which no other command should wait

        name = unescape(self._domain[1].decode("utf-8", "replace")) if self._domain else "not given"
        return (
            ("Format", f"libvirt save image, version {self._version}, {self._order} endian"),
            ("Domain", name),
            ("File size", exact_size_text(self._handle.size)),
            ("Packing", self._packing_name()),
            ("VM state starts at", f"{self._start:#x}"),
            ("Was running", "yes" if self._was_running else "no"),
        )

    def vm_state(self, snapshot: Snapshot, progress: Progress | None = None) -> ByteView:
        """See Image. A packed stream is unpacked once, into a temporary file that goes with this object."""
        if snapshot not in self.snapshots:
            raise ImageError("this snapshot is not one of this file", path=self.path)
        if self._packing in _UNPACKED:
            return SubView(FileView(self._handle), self._start, self._handle.size - self._start)
        if self._packing >= len(PACKINGS) or self._packing == _LZOP:
            raise ImageError(self._refusal(), path=self.path, offset=28)
        from vmsnap_gui.image.unpacking import Packing, unpack

        with self._lock:
            if self._unpacked is None:
                self._unpacked = unpack(self._handle, self._start, Packing(self._packing), progress)
            return FileView(self._unpacked)

    def disk(self, snapshot: Snapshot | None) -> ByteView:
        """See Image: there is no disk."""
        del snapshot
        raise ImageError("this file holds a VM state but no disk", path=self.path)

    def changed(self) -> bool:
        """See Image."""
        return self._handle.changed()

    def close(self) -> None:
        """See Image."""
        self._handle.close()
        if self._unpacked is not None:
            self._unpacked.close()

    def _packing_name(self) -> str:
        return PACKINGS[self._packing] if self._packing < len(PACKINGS) else f"unknown ({self._packing})"

    def _refusal(self) -> str:
        if self._packing == _LZOP:
            return (
                "the VM state is packed with lzop, which is not read here: unpack it with "
                f"'tail -c +{self._start + 1} FILE | lzop -d > STATE' and open STATE"
            )
        return f"the VM state is packed in an unknown way (number {self._packing})"


def _fields(raw: bytes, handle: FileHandle) -> tuple[str, tuple[int, ...]]:
    """Return the byte order and the header's numbers; the version tells the order."""
    for name, mark in (("little", "<"), ("big", ">")):
        fields = struct.unpack_from(f"{mark}19I", raw, 16)
        if fields[0] in _VERSIONS:
            return name, fields
    raise ImageError("this version of libvirt's save images is not known", path=handle.path, offset=16)
