"""VGA's text modes: characters and attributes in planes 0 and 1, fonts in plane 2, as QEMU's vga_draw_text draws them.

Blinking is not drawn: the attribute's highest bit is the background's intensity. The cursor blinks, and a saved state
does not tell its phase: it is drawn, and told as a doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen.layout import shown_lines
from vmsnap_gui.guest.screen.result import Doubt, NothingShown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.layout import Layout
    from vmsnap_gui.guest.screen.memory import VideoMemory
    from vmsnap_gui.guest.screen.registers import VgaRegisters

_MOST_CELLS = 160 * 100  # CH_ATTR_SIZE: QEMU leaves the picture alone where there are more
_FONT = 32 * 4 * 256
_LINE_GRAPHICS = (0xB0, 0xDF)
"""Characters whose ninth column repeats the eighth."""


def text_size(registers: VgaRegisters) -> tuple[int, int]:
    """Return the columns and rows of a text mode."""
    cr = registers.cr
    height = 100 if cr[0x06] == 100 else shown_lines(cr) // cell_size(registers)[1]  # 100: CGA's 160 × 100
    return cr[0x01] + 1, height


def cell_size(registers: VgaRegisters) -> tuple[int, int]:
    """Return the width and height of a character's cell."""
    clock = registers.clock_mode
    return 16 if clock & 0x08 else 8 if clock & 0x01 else 9, (registers.cr[0x09] & 0x1F) + 1


def draw_text(
    registers: VgaRegisters, layout: Layout, memory: VideoMemory, palette: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], tuple[Doubt, ...]]:
    """Return the picture of a text mode, and where its cursor is.

    Raises:
        NothingShown: QEMU draws no text of this size.
        ImageError: the file below cannot be read.
    """
    columns, rows = text_size(registers)
    if not 1 < columns * rows <= _MOST_CELLS:
        raise NothingShown(f"a text mode of {columns} × {rows} cells, which QEMU does not draw")
    width, height = cell_size(registers)
    offsets = _row_offsets(layout, rows, height)
    cells = memory.lines(offsets, columns * 4, memory.size).reshape(rows, columns, 4)
    characters, attributes = cells[..., 0], cells[..., 1]
    bits = _glyphs(registers, memory, characters, attributes, width)[:, :, :height]
    places = offsets[:, None] + 4 * np.arange(columns)
    cursors = _draw_cursor(registers, bits, places)
    ink, paper = attributes & 0x0F, attributes >> 4
    index = np.where(bits, ink[:, :, None, None], paper[:, :, None, None])
    picture = palette[index]
    picture[places + 2 > memory.size] = 0  # QEMU stops there
    picture = picture.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)
    doubts = [
        Doubt(column * width, row * height + first, width, last - first + 1, "the cursor blinks")
        for row, column, first, last in cursors
    ]
    return picture, tuple(doubts)


def _row_offsets(layout: Layout, rows: int, height: int) -> NDArray[np.int64]:
    """Return the address of each row's first cell; at the line compare it goes back to 0."""
    offsets = np.empty(rows, np.int64)
    offset = layout.start
    for row in range(rows):
        offsets[row] = offset
        offset += layout.line_offset
        if row * height < layout.line_compare <= (row + 1) * height:
            offset = 0
    return offsets


def _glyphs(
    registers: VgaRegisters,
    memory: VideoMemory,
    characters: NDArray[np.uint8],
    attributes: NDArray[np.uint8],
    width: int,
) -> NDArray[np.uint8]:
    """Return which pixels of each cell are ink: rows × columns × 32 lines × `width`."""
    choice = registers.character_map
    bases = (choice >> 4 & 1 | choice << 1 & 6, choice >> 5 & 1 | choice >> 1 & 6)
    fonts = np.stack([memory.read(base * _FONT, _FONT).reshape(256, 32, 4)[..., 2] for base in bases])
    bits = np.unpackbits(fonts[attributes >> 3 & 1, characters][..., None], axis=-1)
    if width == 16:
        return bits.repeat(2, axis=-1)
    if width == 8:
        return bits
    repeated = (characters >= _LINE_GRAPHICS[0]) & (characters <= _LINE_GRAPHICS[1]) & bool(registers.ar[0x10] & 0x04)
    ninth = bits[..., 7:] * repeated[:, :, None, None]
    return np.concatenate([bits, ninth], axis=-1)


def _draw_cursor(
    registers: VgaRegisters, bits: NDArray[np.uint8], places: NDArray[np.int64]
) -> list[tuple[int, int, int, int]]:
    """Draw the cursor into all cells that it stands on; returns row, column, first and last line of each."""
    cr, height = registers.cr, bits.shape[2]
    first, last = cr[0x0A] & 0x1F, min(cr[0x0B] & 0x1F, height - 1)
    if cr[0x0A] & 0x20 or last < first:
        return []
    place = (cr[0x0E] << 8 | cr[0x0F]) * 4
    found = [(row, column, first, last) for row, column in np.argwhere(places == place).tolist()]
    for row, column, _, _ in found:
        bits[row, column, first : last + 1] = 1
    return found
