"""bochs-display: packed pixels without any VGA (QEMU's hw/display/bochs-display.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen import pixels
from vmsnap_gui.guest.screen.registers import (
    VBE_BPP,
    VBE_ENABLE,
    VBE_ENABLED,
    VBE_VIRT_WIDTH,
    VBE_X_OFFSET,
    VBE_XRES,
    VBE_Y_OFFSET,
    VBE_YRES,
    integer,
    vbe_registers,
)
from vmsnap_gui.guest.screen.result import NothingShown, check_size
from vmsnap_gui.guest.screen.vga import Picture

if TYPE_CHECKING:
    from vmsnap_gui.guest.screen.memory import VideoMemory
    from vmsnap_gui.vmstate.fields import Field

_LEAST = 64


def draw_bochs(root: Field, memory: VideoMemory) -> Picture:
    """Return what a bochs-display shows.

    Raises:
        NothingShown: no mode is set, or one that QEMU does not show.
        ImageError: the file below cannot be read.
    """
    vbe = vbe_registers(root)
    if not vbe[VBE_ENABLE] & VBE_ENABLED:
        raise NothingShown("no mode is set: the guest does not use this display")
    width, height, depth = vbe[VBE_XRES], vbe[VBE_YRES], vbe[VBE_BPP]
    check_size(width, height)
    size = depth // 8
    stride = max(vbe[VBE_VIRT_WIDTH], width) * size
    start = vbe[VBE_X_OFFSET] * size + vbe[VBE_Y_OFFSET] * stride
    if depth not in (16, 32) or min(width, height) < _LEAST or start + stride * height > memory.size:
        raise NothingShown(f"the mode {width} × {height} × {depth}, which QEMU does not show")
    addresses = start + stride * np.arange(height, dtype=np.int64)
    rows = memory.lines(addresses, width * size, memory.size)
    if size == 2:
        colours = pixels.from_565(pixels.words(rows, big_endian=False), fill=True)
    else:
        colours = pixels.from_bytes(rows, 4, (1, 2, 3) if integer(root, "big_endian_fb") else (2, 1, 0))
    return Picture(colours, f"VBE {width} × {height} × {depth}")
