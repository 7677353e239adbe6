"""Open any image by what it holds, whatever its name: the door of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.finding import find_images
from vmsnap_gui.image.magic import MAGIC_SIZE, QCOW1_MAGIC, QCOW2_MAGIC, STREAM_MAGIC, holds_states
from vmsnap_gui.image.snapshot import Consent, Image, Reference, Snapshot, select_snapshot

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Consent", "Image", "Reference", "Snapshot", "find_images", "open_image", "select_snapshot"]


def open_image(path: Path, *, consent: Consent | None = None) -> Image:
    """Open an image of any known kind; only headers and the table of snapshots are read.

    Args:
        path: The file.
        consent: Asked before a file is opened that the image names; None refuses them all.

    Raises:
        ImageError: it cannot be opened, or is no image that holds saved states.
    """
    handle = FileHandle.open(path)
    try:
        start = handle.read_up_to(0, MAGIC_SIZE)
        if not holds_states(start):
            raise ImageError(_what_else(start), path=path)
        return _open(handle, start, consent)
    except BaseException:
        handle.close()
        raise


def _open(handle: FileHandle, start: bytes, consent: Consent | None) -> Image:
    """Open by magic; only the reader that is needed is imported, since each takes as long as listing an image."""
    if start.startswith(QCOW2_MAGIC):
        from vmsnap_gui.image.qcow2 import open_qcow2

        return open_qcow2(handle, consent)
    if start.startswith(STREAM_MAGIC):
        from vmsnap_gui.image.stream_file import StreamFile

        return StreamFile(handle)
    from vmsnap_gui.image.libvirt import SaveImage

    return SaveImage(handle)


def _what_else(start: bytes) -> str:
    if not start:
        return "the file is empty"
    if start.startswith(QCOW1_MAGIC):
        return "this is a qcow image of version 1, which has no snapshots"
    return "this is neither a qcow2 image nor a saved VM state (a raw disk image holds no snapshots)"
