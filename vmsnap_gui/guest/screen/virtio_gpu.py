"""virtio-gpu's scanouts in 2D: the pixels are in the section itself (QEMU's hw/display/virtio-gpu.c, virtio_gpu_save).

The section's data: for each resource u32 id, width, height, format, count of guest ranges, each u64 address and u32
length, and its pixels, four bytes each; u32 0; i32 whether the guest's driver is on, u32 count of scanouts, and each
of them: u32 resource, width, height, i32 x, y, five u32 of the cursor, which `screendump` does not show. Scanouts
written by QEMU 8.2 and later may have five or six more u32 of a framebuffer, for resources in the guest's own memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen.pixels import from_bytes
from vmsnap_gui.guest.screen.result import NothingShown, check_size
from vmsnap_gui.guest.screen.vga import Picture
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView

_SCANOUT = 40
_FRAMEBUFFER = 24
_MAX_SCANOUTS = 16
_MAX_RESOURCES = 1 << 16
_ORDERS = {
    1: (2, 1, 0), 2: (2, 1, 0), 3: (1, 2, 3), 4: (1, 2, 3), 67: (0, 1, 2), 68: (3, 2, 1), 121: (3, 2, 1),
    134: (0, 1, 2),
}  # fmt: skip
"""Where red, green and blue are in the four bytes of each VIRTIO_GPU_FORMAT_*."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A picture that the guest made: `offset` is that of its pixels."""

    width: int
    height: int
    format: int
    offset: int


@dataclass(frozen=True, slots=True)
class Scanout:
    """The part of a resource that one of the outputs shows; resource 0: it is off."""

    resource: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class VirtioGpu:
    """What a virtio-gpu has saved of its pictures.

    Attributes:
        is_on: Whether the guest's driver has ever shown something; until then virtio-vga shows its VGA.
        resources: By id.
        scanouts: In their order.
    """

    is_on: bool
    resources: dict[int, Resource]
    scanouts: tuple[Scanout, ...]


def parse_gpu(view: ByteView, offset: int, size: int) -> VirtioGpu:
    """Read the data of a virtio-gpu that stands at `offset` in the stream; its pixels are passed over.

    Raises:
        StreamError: it cannot be read.
        ImageError: the file below cannot be read.
    """
    reader = Reader(view, offset)
    resources: dict[int, Resource] = {}
    while (number := reader.u32()) != 0:
        if len(resources) >= _MAX_RESOURCES or reader.position > offset + size:
            raise StreamError("the resources of a virtio-gpu do not end", offset=offset)
        width, height, kind, ranges = (reader.u32() for _ in range(4))
        reader.skip(12 * ranges)
        resources[number] = Resource(width, height, kind, reader.position)
        reader.skip(4 * width * height)
    is_on, count = reader.u32(), reader.u32()
    left = offset + size - reader.position
    if not 0 < count <= _MAX_SCANOUTS or left not in (count * _SCANOUT, count * (_SCANOUT + _FRAMEBUFFER)):
        raise StreamError("the scanouts of a virtio-gpu are not as QEMU writes them", offset=reader.position)
    scanouts = []
    for number in range(count):
        reader.position = offset + size - left + number * (left // count)
        resource, width, height, x, y = (reader.u32() for _ in range(5))
        scanouts.append(Scanout(resource, x, y, width, height))
    return VirtioGpu(bool(is_on), resources, tuple(scanouts))


def draw_scanout(view: ByteView, gpu: VirtioGpu, scanout: Scanout) -> Picture:
    """Return what an output shows.

    Raises:
        NothingShown: it is off, or its picture is not in the stream.
        ImageError: the file below cannot be read.
    """
    if not scanout.resource:
        raise NothingShown("the output is off: the guest shows nothing on it")
    resource = gpu.resources.get(scanout.resource)
    if resource is None:
        raise NothingShown("its picture is in the guest's own memory (a blob), which is not rendered")
    check_size(scanout.width, scanout.height)
    order = _ORDERS.get(resource.format)
    if order is None:
        raise NothingShown(f"its picture has the unknown format {resource.format}")
    if scanout.left + scanout.width > resource.width or scanout.top + scanout.height > resource.height:
        raise NothingShown("the output shows more than its picture has")
    rows = np.empty((scanout.height, scanout.width * 4), np.uint8)
    for row in range(scanout.height):
        place = (scanout.top + row) * resource.width + scanout.left
        view.readinto(resource.offset + 4 * place, rows[row].data)
    return Picture(from_bytes(rows, 4, order), f"virtio-gpu {scanout.width} × {scanout.height}")
