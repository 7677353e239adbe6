"""Where persistent bitmaps lie (specification: docs/interop/qcow2.txt, "Bitmaps")."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.qcow2 import Qcow2Image

_ENTRY = struct.Struct(">QIIBBHI")
_OFFSET = np.uint64(0x00FF_FFFF_FFFF_FE00)
_MAX_DIRECTORY = 65535 * (1023 + 24)
"""QEMU's limit in bytes (BME_MAX_PHYS_SIZE and QCOW2_MAX_BITMAPS in block/qcow2-bitmap.c)."""

_MAX_TABLE = 0x8000000
"""QEMU's limit of entries (BME_MAX_TABLE_SIZE)."""


def bitmap_clusters(image: Qcow2Image) -> NDArray[np.int64]:
    """Return the clusters of all bitmaps: their directory, their tables, and what these refer to.

    Raises:
        ImageError: a table is cut off, or larger than possible.
    """
    header, handle = image.header, image.handle
    offset, size = header.bitmap_directory
    found = [np.arange(offset >> header.cluster_bits, -(-(offset + size) >> header.cluster_bits), dtype=np.int64)]
    if size > min(_MAX_DIRECTORY, handle.size):
        raise ImageError("their directory is larger than possible", path=image.path, offset=offset)
    directory, at, left = handle.read(offset, size), 0, handle.size
    for _ in range(header.bitmaps):
        if at + _ENTRY.size > size:
            raise ImageError("their directory is cut off", path=image.path, offset=offset + at)
        place, entries, _, _, _, name, extra = _ENTRY.unpack_from(directory, at)
        at += _ENTRY.size + name + extra + 7 & ~7
        left -= entries * 8
        if entries > _MAX_TABLE or left < 0:
            raise ImageError("a table is larger than possible", path=image.path, offset=offset + at)
        found.append(np.arange(place >> header.cluster_bits, -(-(place + entries * 8) >> header.cluster_bits)))
        table = np.frombuffer(handle.read(place, entries * 8), ">u8").astype(np.uint64) & _OFFSET
        found.append((table[table != 0] >> np.uint64(header.cluster_bits)).astype(np.int64))
    return np.concatenate(found)
