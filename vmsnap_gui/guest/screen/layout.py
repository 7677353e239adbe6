"""Where the lines of a VGA's picture stand in video memory, by its registers: std VGA's way, and Cirrus's.

Facts: QEMU's hw/display/vga.c (vga_get_offsets, later vga_get_params; vga_get_resolution; vga_draw_graphic) and
hw/display/cirrus_vga.c (cirrus_get_*).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen.registers import VBE_BPP, VBE_XRES, VBE_YRES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.registers import CirrusRegisters, VgaRegisters

_NEVER = 65535
_CIRRUS_DEPTHS = {0x00: 8, 0x02: 16, 0x04: 24, 0x06: 16, 0x08: 32}


@dataclass(frozen=True, slots=True)
class Layout:
    """The geometry of a picture before any doubling of pixels in a row.

    Attributes:
        width, height: Pixels; of text modes they mean nothing.
        depth: Bits of a pixel in packed modes; 0: VGA's own modes.
        start: Byte address of the first line.
        line_offset: Bytes from a line to the next.
        line_compare: The last line before the address goes back to 0.
        panning: Pixels that the picture is moved to the left by, as the register has it (QEMU 9.0 and later).
        panning_splits: Whether panning ends at the line compare.
    """

    width: int
    height: int
    depth: int
    start: int
    line_offset: int
    line_compare: int
    panning: int
    panning_splits: bool


def vga_layout(registers: VgaRegisters) -> Layout:
    """Return the layout of a std VGA's picture."""
    vbe = registers.vbe
    if registers.is_vbe:
        size = (vbe[VBE_XRES], vbe[VBE_YRES], vbe[VBE_BPP])
        return Layout(*size, registers.vbe_start * 4, registers.vbe_line, _NEVER, 0, False)
    cr = registers.cr
    width, height = _crtc_size(cr)
    start = (cr[0x0D] | cr[0x0C] << 8) * 4
    return Layout(width, height, 0, start, cr[0x13] << 3, _line_compare(cr), *_panning(registers))


def cirrus_layout(registers: VgaRegisters, cirrus: CirrusRegisters) -> Layout:
    """Return the layout of a Cirrus's picture: more bits of addresses, interlace, packed pixels."""
    cr = registers.cr
    width, height = _crtc_size(cr)
    if cr[0x1A] & 0x01:
        height *= 2
    start = cr[0x0C] << 8 | cr[0x0D] | (cr[0x1B] & 0x01) << 16 | (cr[0x1B] & 0x0C) << 15 | (cr[0x1D] & 0x80) << 12
    line_offset = (cr[0x13] | (cr[0x1B] & 0x10) << 4) << 3
    depth = 0
    if registers.sr[7] & 0x01:
        depth = _CIRRUS_DEPTHS.get(registers.sr[7] & 0x0E, 8)
        if depth == 16 and cirrus.hidden_dac & 0x0F != 1:
            depth = 15
    return Layout(width, height, depth, start * 4, line_offset, _line_compare(cr), *_panning(registers))


def _crtc_size(cr: bytes) -> tuple[int, int]:
    return (cr[0x01] + 1) * 8, shown_lines(cr)


def shown_lines(cr: bytes) -> int:
    """Return the number of scan lines that the CRT controller shows."""
    return (cr[0x12] | (cr[0x07] & 0x02) << 7 | (cr[0x07] & 0x40) << 3) + 1


def _line_compare(cr: bytes) -> int:
    return cr[0x18] | (cr[0x07] & 0x10) << 4 | (cr[0x09] & 0x40) << 3


def _panning(registers: VgaRegisters) -> tuple[int, bool]:
    return registers.ar[0x13] & 7, bool(registers.ar[0x10] & 0x20)


def repeats(cr: bytes) -> int:
    """Return how often each line is shown: double scan and the height of a character; CGA's modes ignore that."""
    double = cr[0x09] >> 7
    return ((cr[0x09] & 0x1F) + 1) << double if cr[0x17] & 1 else 1 + double


def line_addresses(layout: Layout, cr: bytes) -> NDArray[np.int64]:
    """Return the byte address of each line of a graphics mode, with CGA's interleaved banks and the line compare."""
    mode, often = cr[0x17], repeats(cr)
    bank = 1 << 14 + (mode >> 6 & 1)
    step_mask = (mode & 3) ^ 3
    addresses = np.empty(layout.height, np.int64)
    base, line, left = layout.start, 0, often
    for y in range(layout.height):
        address = base
        if not mode & 1:
            address = address & ~bank | (bank if line & 1 else 0)
        if not mode & 2:
            address = address & ~0x8000 | (line & 2) << 14
        addresses[y] = address
        left -= 1
        if not left:
            if line & step_mask == step_mask:
                base += layout.line_offset
            line, left = line + 1, often
        if y == layout.line_compare:
            base = 0
    return addresses
