"""Bytes of video memory → colours: what QEMU's vga_draw_line functions and pixman make of a line of each format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Colours = NDArray[np.uint8]
    """Red, green, blue in the last dimension."""


def widen(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the 8 bits that QEMU makes of a palette's 6 (c6_to_8): the lowest bit fills both new ones."""
    low = levels & 1
    return (levels << 2 | low << 1 | low).astype(np.uint8)


def planes(rows: NDArray[np.uint8], mask: int) -> NDArray[np.uint8]:
    """Return the palette index of each pixel of planar lines: a byte of each of four planes for eight pixels."""
    height = len(rows)
    bits = np.unpackbits(rows.reshape(height, -1, 4), axis=2).reshape(height, -1, 4, 8)
    index = np.zeros((height, bits.shape[1], 8), np.uint8)
    for plane in range(4):
        if mask >> plane & 1:
            index |= (bits[:, :, plane] << plane).astype(np.uint8)
    return index.reshape(height, -1)


def pairs(rows: NDArray[np.uint8], mask: int) -> NDArray[np.uint8]:
    """Return the palette index of each pixel of CGA's lines: two bits each, of plane 0 (and 2), then of 1 (and 3)."""
    enabled = np.array([0xFF * (mask >> plane & 1) for plane in range(4)]).astype(np.uint8)
    groups = rows.reshape(len(rows), -1, 4) & enabled
    shifts = np.array([6, 4, 2, 0], np.uint8)
    low = (groups[..., :2, None] >> shifts) & 3
    high = (groups[..., 2:, None] >> shifts) & 3
    return (low | high << 2).reshape(len(rows), -1).astype(np.uint8)


def words(rows: NDArray[np.uint8], *, big_endian: bool) -> NDArray[np.uint16]:
    """Return lines of 16-bit pixels as numbers."""
    return rows.view(">u2" if big_endian else "<u2").astype(np.uint16)


def from_565(values: NDArray[np.uint16], *, fill: bool) -> Colours:
    """Return the colours of 5-6-5 bits; `fill` repeats the high bits in the low ones, as pixman does, else zeros."""
    parts = [(values >> 11 & 0x1F, 5), (values >> 5 & 0x3F, 6), (values & 0x1F, 5)]
    return _scaled(parts, fill=fill)


def from_555(values: NDArray[np.uint16], *, fill: bool) -> Colours:
    """Return the colours of 5-5-5 bits, like `from_565`."""
    return _scaled([(values >> shift & 0x1F, 5) for shift in (10, 5, 0)], fill=fill)


def _scaled(parts: list[tuple[NDArray[Any], int]], *, fill: bool) -> Colours:
    levels = [level << (8 - bits) | (level >> (2 * bits - 8) if fill else 0) for level, bits in parts]
    return np.stack(levels, axis=-1).astype(np.uint8)


def from_bytes(rows: NDArray[np.uint8], size: int, order: tuple[int, int, int]) -> Colours:
    """Return the colours of pixels of `size` bytes, of which those at `order` are red, green and blue."""
    return rows.reshape(len(rows), -1, size)[:, :, order]
