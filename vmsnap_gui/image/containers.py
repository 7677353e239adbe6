"""Open any image by what it holds, whatever its name: the door of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import open_qcow2
from vmsnap_gui.image.qcow2_header import MAGIC as QCOW2_MAGIC
from vmsnap_gui.image.snapshot import Consent, Image, Reference, Snapshot, select_snapshot
from vmsnap_gui.image.stream_file import STREAM_MAGIC, StreamFile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Consent", "Image", "Reference", "Snapshot", "open_image", "select_snapshot"]


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
        start = handle.read_up_to(0, 16)
        if start[:4] == QCOW2_MAGIC:
            if start[4:8] == b"\0\0\0\x01":
                raise ImageError("qcow version 1 images have no snapshots", path=path)
            return open_qcow2(handle, consent)
        if start[:4] == STREAM_MAGIC:
            return StreamFile(handle)
        if not start:
            raise ImageError("the file is empty", path=path)
        raise ImageError("this is neither a qcow2 image nor a saved VM state", path=path, offset=0)
    except BaseException:
        handle.close()
        raise
