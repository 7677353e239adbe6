"""Cirrus's hardware cursor, which QEMU draws into the picture (hw/display/cirrus_vga.c, cirrus_cursor_draw_line)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen.result import Doubt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.memory import VideoMemory
    from vmsnap_gui.guest.screen.registers import CirrusRegisters, VgaRegisters
    from vmsnap_gui.guest.screen.vga import Picture

_SHOW, _LARGE = 0x01, 0x04
_PATTERNS = 16 << 10
"""Bytes at the end of the adapter's memory that hold the cursor's patterns."""


def with_cursor(picture: Picture, registers: VgaRegisters, cirrus: CirrusRegisters, memory: VideoMemory) -> Picture:
    """Return a graphics mode's picture with the hardware cursor in it.

    Its two colours are not saved, so that its pixels are a doubt; black and white are likely. Where QEMU shows video
    memory as it is, it draws none, unless a display (VNC with 16 or 24 bits, say) makes it convert.

    Raises:
        ImageError: the file below cannot be read.
    """
    if not registers.sr[0x12] & _SHOW:
        return picture
    size = 64 if registers.sr[0x12] & _LARGE else 32
    height, width = picture.pixels.shape[:2]
    left, top = cirrus.cursor_x, cirrus.cursor_y
    columns, rows = min(size, width - left), min(size, height - top)
    if columns <= 0 or rows <= 0:
        return picture
    why = "the colours of the hardware cursor are not saved"
    doubt = Doubt(left, top, columns, rows, why)
    if picture.is_shared:
        return replace(picture, doubts=(replace(doubt, why="some displays show the hardware cursor here"),))
    pattern = _pattern(registers, memory, size)[:rows, :columns]
    pixels = picture.pixels.copy()
    part = pixels[top : top + rows, left : left + columns]
    part[pattern == 1] ^= 0xFF
    part[pattern == 2] = 0
    part[pattern == 3] = 0xFF
    return replace(picture, pixels=pixels, doubts=(doubt,))


def _pattern(registers: VgaRegisters, memory: VideoMemory, size: int) -> NDArray[np.uint8]:
    """Return for each pixel of the cursor: 0 nothing, 1 inverted, 2 and 3 its colours."""
    start = memory.size - _PATTERNS
    if size == 64:  # the two planes of a line stand beside each other
        data = memory.read(start + (registers.sr[0x13] & 0x3C) * 256, 64 * 16).reshape(64, 2, 8)
        first, second = data[:, 0], data[:, 1]
    else:
        data = memory.read(start + (registers.sr[0x13] & 0x3F) * 256, 2 * 128).reshape(2, 32, 4)
        first, second = data
    low, high = np.unpackbits(first, axis=1), np.unpackbits(second, axis=1)
    return (low | high << 1).astype(np.uint8)
