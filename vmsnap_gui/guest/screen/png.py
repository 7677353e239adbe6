"""PNG files of 8-bit RGB (the W3C's PNG specification, sections 5, 7 and 9), without Qt."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2
_UP = 2  # the filter that takes a line's difference from the one above it: screens repeat lines
_LEVEL = 6


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of a picture, uint8, height × width × 3."""
    height, width = pixels.shape[:2]
    lines = np.zeros((height, 1 + 3 * width), np.uint8)
    lines[:, 0] = _UP
    flat = pixels.reshape(height, 3 * width)
    lines[:1, 1:] = flat[:1]
    np.subtract(flat[1:], flat[:-1], out=lines[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
    data = zlib.compress(lines.data, _LEVEL)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
