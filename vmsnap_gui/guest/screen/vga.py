"""A VGA's picture: text, planar, CGA, 256 colours, and packed pixels of the Bochs interface and of Cirrus.

Facts: QEMU's hw/display/vga.c. It changed how it draws in 9.0: since then it pans by pixels, keeps VGA's own modes
within 256 KiB, and shares memory of 15 bits with its displays. Which it was, only the machine type tells.

Pixels of 16 bits: where QEMU shares video memory with its displays, pixman fills the low bits of each colour with its
high ones, which is what is done here; with a VNC display QEMU converts them itself, and leaves the low bits 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen import pixels
from vmsnap_gui.guest.screen.layout import line_addresses, repeats
from vmsnap_gui.guest.screen.result import Doubt, NothingShown, check_size
from vmsnap_gui.guest.screen.text import cell_size, draw_text, text_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.layout import Layout
    from vmsnap_gui.guest.screen.memory import VideoMemory
    from vmsnap_gui.guest.screen.registers import VgaRegisters

_VGA_SIZE = 256 << 10
_PICTURE_ON = 0x20


@dataclass(frozen=True, slots=True)
class Adapter:
    """What decides about a VGA's picture.

    Attributes:
        registers: Its registers.
        layout: Where its lines stand.
        memory: Its video memory.
        name: What its packed modes are called: "VBE", "Cirrus".
        is_modern: Whether QEMU 9.0 or later draws it.
        is_big_endian: Whether its packed pixels are big-endian.
    """

    registers: VgaRegisters
    layout: Layout
    memory: VideoMemory
    name: str
    is_modern: bool
    is_big_endian: bool


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What an adapter shows.

    Attributes:
        pixels: uint8, height × width × 3.
        mode: The mode in words.
        doubts: Pixels that may differ.
        is_shared: Whether QEMU shows video memory as it is, so that it draws no hardware cursor into the picture.
    """

    pixels: NDArray[np.uint8]
    mode: str
    doubts: tuple[Doubt, ...] = ()
    is_shared: bool = False


def draw(adapter: Adapter) -> Picture:
    """Return what an adapter shows.

    Raises:
        NothingShown: it shows nothing, or has a size that none has.
        ImageError: the file below cannot be read.
    """
    registers = adapter.registers
    if not registers.ar_index & _PICTURE_ON:
        raise NothingShown("the screen is blank: the guest has turned the picture off")
    if registers.gr[6] & 1:
        return _draw_graphics(adapter)
    columns, rows = text_size(registers)
    width, height = cell_size(registers)
    check_size(columns * width, rows * height)
    picture, doubts = draw_text(registers, adapter.layout, adapter.memory, _palette16(registers))
    return Picture(picture, f"text {columns} × {rows}", doubts)


def _draw_graphics(adapter: Adapter) -> Picture:
    registers, layout = adapter.registers, adapter.layout
    shift = registers.gr[5] >> 5 & 3
    is_halved = bool(registers.clock_mode & 8) and shift < 2
    check_size(layout.width << is_halved, layout.height)
    if shift < 2 or layout.depth not in (15, 16, 24, 32):
        return _draw_indexed(adapter, shift, is_halved)
    return _draw_packed(adapter)


def _draw_packed(adapter: Adapter) -> Picture:
    layout, memory = adapter.layout, adapter.memory
    size = (layout.depth + 7) // 8
    length = layout.width * size
    is_shared = layout.start + layout.line_offset * (layout.height - 1) + length <= memory.size
    is_shared = is_shared and (layout.depth != 15 or adapter.is_modern)
    if is_shared:  # then QEMU shows memory as it is
        addresses = layout.start + layout.line_offset * np.arange(layout.height, dtype=np.int64)
    else:
        addresses = line_addresses(layout, adapter.registers.cr)
    rows = memory.lines(addresses, length, memory.size)
    big = adapter.is_big_endian
    if size == 2:
        convert = pixels.from_555 if layout.depth == 15 else pixels.from_565
        colours = convert(pixels.words(rows, big_endian=big), fill=is_shared)
    elif size == 3:
        colours = pixels.from_bytes(rows, 3, (0, 1, 2) if big else (2, 1, 0))
    else:
        colours = pixels.from_bytes(rows, 4, (1, 2, 3) if big else (2, 1, 0))
    mode = f"{adapter.name} {layout.width} × {layout.height} × {layout.depth}"
    return Picture(colours, mode, is_shared=is_shared)


def _draw_indexed(adapter: Adapter, shift: int, is_halved: bool) -> Picture:
    """Draw a mode whose pixels are indices into a palette."""
    registers, layout = adapter.registers, adapter.layout
    is_packed = shift >= 2 and layout.depth == 8
    addresses = line_addresses(layout, registers.cr)
    parts = [_Lines(addresses[first:end], panning) for first, end, panning in _panned(adapter)]
    index = np.concatenate([_indices(adapter, part, shift, is_packed) for part in parts])
    if is_halved or (shift >= 2 and not is_packed):
        index = index.repeat(2, axis=1)
    palette = _palette16(registers) if shift < 2 else _palette256(registers)
    mask = registers.ar[0x12] & 0x0F
    if layout.depth:
        mode = f"{adapter.name} {layout.width} × {layout.height} × {layout.depth}"
    else:
        colours = 256 if shift >= 2 else 2 if mask.bit_count() == 1 and shift == 0 else 4 if shift == 1 else 16
        width = layout.width >> (shift >= 2)
        mode = f"VGA {width} × {-(-layout.height // repeats(registers.cr))}, {colours} colours"
    return Picture(palette[index], mode)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines at `addresses`, moved to the left by `panning` as the register has it."""

    addresses: NDArray[np.int64]
    panning: int


def _panned(adapter: Adapter) -> list[tuple[int, int, int]]:
    """Return (first line, line after the last, panning) of the parts of the picture that differ in panning."""
    layout = adapter.layout
    panning = layout.panning if adapter.is_modern else 0
    split = layout.line_compare + 1
    if not panning or not layout.panning_splits or split >= layout.height:
        return [(0, layout.height, panning)]
    return [(0, split, panning), (split, layout.height, 0)]


def _indices(adapter: Adapter, lines: _Lines, shift: int, is_packed: bool) -> NDArray[np.uint8]:
    """Return the palette indices of lines, before pixels are doubled in a row."""
    registers, width, memory = adapter.registers, adapter.layout.width // 8 * 8, adapter.memory
    wrap = min(memory.size, _VGA_SIZE) if adapter.is_modern and not is_packed else memory.size
    addresses, panning = lines.addresses, lines.panning
    if shift >= 2:
        panning >>= 1
        count = width if is_packed else width // 2
        if panning and not is_packed:
            # QEMU moves by whole groups of four bytes, except where that would wrap.
            moved = addresses + count < _VGA_SIZE
            rows = memory.lines(addresses + np.where(moved, 4 * panning, 0), count + 4, wrap)
            rows[~moved, :-4] = rows[~moved, panning : count + panning]
            return rows[:, :count]
        return memory.lines(addresses, count + (8 if panning else 0), wrap)[:, panning : count + panning]
    rows = memory.lines(addresses, width // 2 + (4 if panning else 0), wrap)
    mask = registers.ar[0x12] & 0x0F
    index = pixels.planes(rows, mask) if shift == 0 else pixels.pairs(rows, mask)
    return index[:, panning : width + panning]


def _palette16(registers: VgaRegisters) -> NDArray[np.uint8]:
    """Return the 16 colours of text and planar modes: the attribute controller's registers choose from the palette."""
    ar, colours = registers.ar, _levels(registers)
    if ar[0x10] & 0x80:
        chosen = [(ar[0x14] & 0x0F) << 4 | entry & 0x0F for entry in ar[:16]]
    else:
        chosen = [(ar[0x14] & 0x0C) << 4 | entry & 0x3F for entry in ar[:16]]
    return pixels.widen(colours[chosen])


def _palette256(registers: VgaRegisters) -> NDArray[np.uint8]:
    colours = _levels(registers)
    return colours if registers.is_dac_8bit else pixels.widen(colours)


def _levels(registers: VgaRegisters) -> NDArray[np.uint8]:
    return np.frombuffer(registers.palette, np.uint8).reshape(256, 3)
