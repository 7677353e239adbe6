"""A driver for a virtio-gpu in 2D, as small as it gets: one queue, one command at a time (virtio 1.0, section 5.7)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.machines.qtest import DrivenMachine

_VENDOR_CAPABILITY = 9
_COMMON, _NOTIFY = 1, 2
_DESCRIPTORS, _AVAILABLE, _USED, _REQUEST, _RESPONSE = 0x10000, 0x11000, 0x12000, 0x13000, 0x14000
_BACKING = 0x100000
_CREATE, _SET_SCANOUT, _TRANSFER, _ATTACH = 0x101, 0x103, 0x105, 0x106
_OK_NODATA = 0x1100
_MOST_LOOKS = 10_000


class VirtioGpu:
    """The driver of the virtio-gpu in a PCI slot."""

    def __init__(self, driven: DrivenMachine, slot: int) -> None:
        self._driven = driven
        self._done = 0
        bars = driven.map_bars(slot)
        places: dict[int, int] = {}
        at = driven.configured(slot, 0x34) & 0xFF
        while at:
            head = driven.configured(slot, at)
            if head & 0xFF == _VENDOR_CAPABILITY:
                bar, offset = driven.configured(slot, at + 4) & 0xFF, driven.configured(slot, at + 8)
                places[head >> 24] = bars[bar] + offset
                if head >> 24 == _NOTIFY:
                    self._multiplier = driven.configured(slot, at + 16)
            at = head >> 8 & 0xFF
        self._notify = places[_NOTIFY]
        self._start(places[_COMMON])

    def _start(self, common: int) -> None:
        write = self._driven.write
        write(1, common + 0x14, 0)
        write(1, common + 0x14, 3)
        write(4, common + 0x08, 1)
        write(4, common + 0x0C, 1)  # VIRTIO_F_VERSION_1, bit 32
        write(1, common + 0x14, 11)
        write(2, common + 0x16, 0)
        self._size = self._driven.read(2, common + 0x18)
        self._notify += self._driven.read(2, common + 0x1E) * self._multiplier
        for number, place in enumerate((_DESCRIPTORS, _AVAILABLE, _USED)):
            write(4, common + 0x20 + 8 * number, place)
            write(4, common + 0x24 + 8 * number, 0)
        write(2, common + 0x1C, 1)
        write(1, common + 0x14, 15)

    def create(self, resource: int, kind: int, width: int, height: int, pixels: bytes) -> None:
        """Make a resource of a format, with the four-byte pixels of all of it."""
        self._command(_CREATE, struct.pack("<4I", resource, kind, width, height))
        self._driven.fill(_BACKING, pixels)
        self._command(_ATTACH, struct.pack("<IIQII", resource, 1, _BACKING, len(pixels), 0))
        self._command(_TRANSFER, struct.pack("<4IQII", 0, 0, width, height, 0, resource, 0))

    def show(self, scanout: int, resource: int, rectangle: tuple[int, int, int, int]) -> None:
        """Let an output show a part (x, y, width, height) of a resource."""
        self._command(_SET_SCANOUT, struct.pack("<6I", *rectangle, scanout, resource))

    def _command(self, kind: int, body: bytes) -> None:
        driven = self._driven
        request = struct.pack("<IIQII", kind, 0, 0, 0, 0) + body
        driven.fill(_REQUEST, request)
        chain = struct.pack("<QIHH", _REQUEST, len(request), 1, 1) + struct.pack("<QIHH", _RESPONSE, 24, 2, 0)
        driven.fill(_DESCRIPTORS, chain)
        driven.write(2, _AVAILABLE + 4 + 2 * (self._done % self._size), 0)
        self._done += 1
        driven.write(2, _AVAILABLE + 2, self._done)
        driven.write(2, self._notify, 0)
        for _ in range(_MOST_LOOKS):  # each look is a turn of QEMU's main loop, which does the work
            if driven.read(2, _USED + 2) == self._done:
                break
        answer = driven.read(4, _RESPONSE)
        assert answer == _OK_NODATA, f"command {kind:#x} was answered by {answer:#x}"
