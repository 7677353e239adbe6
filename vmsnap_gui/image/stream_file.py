"""A file that holds a VM state's stream as it is: `migrate file:`, a Proxmox state volume (which has zeros behind)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import ByteView, FileHandle, FileView
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.snapshot import Snapshot
from vmsnap_gui.image.texts import exact_size_text

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress


_KEPT_HOLE = 16 << 20
"""Bytes of a hole at the end that are kept: a state's last section may end with zeros that were made a hole."""


class StreamFile:
    """An open stream file: one state without id and tag; see `Image` for what is common to all kinds."""

    format = "vmstate"
    virtual_size = 0
    cluster_size = None
    problems: tuple[Problem, ...] = ()

    def __init__(self, handle: FileHandle) -> None:
        """Take over an open file."""
        self._handle = handle
        self.snapshots = (Snapshot(id=None, tag=None, vm_state_size=handle.size),)

    @property
    def path(self) -> Path:
        """The file."""
        return self._handle.path

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """See Image."""
        version = int.from_bytes(self._handle.read_up_to(4, 4), "big")
        return (("Format", f"VM state stream, version {version}"), ("File size", exact_size_text(self._handle.size)))

    def vm_state(self, snapshot: Snapshot, progress: Progress | None = None) -> ByteView:
        """See Image. Zeros after the stream's end stay in the view, but for a hole that is far longer than any state's.

        A state volume has twice the size of the machine's memory, and most of it may never have been written.
        """
        del progress
        if snapshot not in self.snapshots:
            raise ImageError("this snapshot is not one of this file", path=self.path)
        return FileView(self._handle, 0, min(self._handle.size, self._handle.data_end() + _KEPT_HOLE))

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
