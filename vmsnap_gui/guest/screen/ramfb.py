"""ramfb: a picture in the guest's own memory, told through fw_cfg (QEMU's hw/display/ramfb.c).

Its configuration is saved by QEMU 8.2 and later: u64 address, then u32 fourcc, flags, width, height, stride.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen.pixels import from_bytes
from vmsnap_gui.guest.screen.registers import buffer, member
from vmsnap_gui.guest.screen.result import NothingShown, check_size
from vmsnap_gui.guest.screen.vga import Picture

if TYPE_CHECKING:
    from vmsnap_gui.guest.screen.memory import VideoMemory
    from vmsnap_gui.vmstate.fields import Field

_CONFIG = struct.Struct(">Q4sIIII")
_FORMATS = {
    b"XR24": (4, (2, 1, 0)), b"AR24": (4, (2, 1, 0)), b"XB24": (4, (0, 1, 2)), b"AB24": (4, (0, 1, 2)),
    b"RG24": (3, (2, 1, 0)),
}  # fmt: skip
"""Bytes of a pixel, and where red, green and blue are in it, by DRM's four letters."""


@dataclass(frozen=True, slots=True)
class RamFramebuffer:
    """Where a ramfb's picture lies in guest-physical memory, and how it is made."""

    address: int
    width: int
    height: int
    stride: int
    size: int
    order: tuple[int, int, int]

    @property
    def end(self) -> int:
        """The guest-physical address after the picture."""
        return self.address + self.stride * (self.height - 1) + self.width * self.size


def ram_framebuffer(root: Field) -> RamFramebuffer:
    """Return what a ramfb's section tells.

    Raises:
        NothingShown: the guest has set no picture, or none that QEMU shows.
    """
    config = buffer(member(root, "state") or root, "cfg", _CONFIG.size)
    address, fourcc, _, width, height, stride = _CONFIG.unpack_from(config)
    if not width:
        raise NothingShown("the guest has not set this display up")
    check_size(width, height)
    size, order = _FORMATS.get(fourcc[::-1], (0, (0, 0, 0)))
    if not size:
        raise NothingShown(f"its picture has the unknown format {fourcc[::-1]!r}")
    return RamFramebuffer(address, width, height, stride or width * size, size, order)


def draw_ramfb(found: RamFramebuffer, memory: VideoMemory, base: int) -> Picture:
    """Return the picture; `memory` begins at the guest-physical address `base`. Raises ImageError."""
    addresses = found.address - base + found.stride * np.arange(found.height, dtype=np.int64)
    rows = memory.lines(addresses, found.width * found.size, memory.size)
    colours = from_bytes(rows, found.size, found.order)
    return Picture(colours, f"ramfb {found.width} × {found.height} × {8 * found.size}")
