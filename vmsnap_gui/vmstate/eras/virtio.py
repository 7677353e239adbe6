"""Virtio devices (QEMU's hw/virtio*.c), which hand-written code saves: PCI, registers, queues, the device's own part.

QEMU 0.10 had another form of the common part (port address, 32-bit queue addresses, no MSI-X) under the same versions,
so each device has both layouts. The part of a request in flight is QEMU's VirtQueueElement as a 64-bit host holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    Fields,
    buffer,
    describe,
    marked,
    pci,
    struct,
    u8,
    u16,
    u32,
    u64,
)
from vmsnap_gui.vmstate.eras.msix import has_msix, msix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.vmstate.description import Values, VMStateDescription

_PCI = "pci_dev"
_ELEMENT = 16 + 2 * 1024 * 8 + 2 * 1024 * 16
_GUEST_OFFLOADS = 1 << 2  # VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, from 1.6 on
_ENDIAN = (describe("virtio/device_endian", 1, u8("device_endian")),)

_QUEUE = describe("virtqueue", 1, u32("vring.num"), u64("pa"), u16("last_avail_idx"))
_QUEUE_MSIX = describe("virtqueue", 1, u32("vring.num"), u64("pa"), u16("last_avail_idx vector"))
_QUEUE_0_10 = describe("virtqueue", 1, u32("vring.num pfn"), u16("last_avail_idx"))


def _without_msix(values: Values, version: int) -> bool:
    return not has_msix(_PCI)(values, version)


_REGISTERS: Fields = (
    *u8("status isr"),
    *u16("queue_sel"),
    *u32("guest_features config_len"),
    *buffer("config", "config_len"),
    *u32("vq_count"),
)
_COMMON: Fields = (
    *pci(_PCI),
    *msix(_PCI),
    *u16("config_vector", when=has_msix(_PCI)),
    *_REGISTERS,
    *struct("vq", _QUEUE, "vq_count", when=_without_msix),
    *struct("vq", _QUEUE_MSIX, "vq_count", when=has_msix(_PCI)),
)
_COMMON_0_10: Fields = (*pci(_PCI), *u32("addr"), *_REGISTERS, *struct("vq", _QUEUE_0_10, "vq_count"))


def _device(name: str, version: int, own: Fields) -> Iterator[VMStateDescription]:
    yield describe(name, version, _COMMON, own, subsections=_ENDIAN)
    yield describe(name, version, _COMMON_0_10, own)


_NET: Fields = (
    *buffer("mac", 6),
    *u32("tx_waiting"),
    *u32("mergeable_rx_bufs", since=2),
    *u16("status", since=3),
    *u32("promisc allmulti", when=lambda _, version: 4 <= version < 8),
    *u8("promisc allmulti", since=8),
    *u32("mac_table.in_use", since=5),
    *buffer("mac_table.macs", "mac_table.in_use", multiply=6, since=5),
    *buffer("vlans", 4096 // 8, since=6),
    *u32("has_vnet_hdr", since=7),
    *u8("mac_table.multi_overflow mac_table.uni_overflow", since=9),
    *u8("alluni nomulti nouni nobcast", since=10),
    *u8("has_ufo", since=11),
)


def _offloads(values: Values, _: int) -> bool:
    return bool(int(values["guest_features"]) & _GUEST_OFFLOADS)


_OFFLOADS = u64("curr_guest_offloads", when=_offloads)
_QUEUES: Fields = (
    *u16("max_queues curr_queues"),
    *u32("vqs.tx_waiting", lambda values, _: max(0, int(values["curr_queues"]) - 1)),
)


def _net() -> Iterator[VMStateDescription]:
    yield from _device("virtio-net", 11, (*_NET, *_OFFLOADS))
    yield describe("virtio-net", 11, _COMMON, _NET, _QUEUES, _OFFLOADS, subsections=_ENDIAN)
    yield describe("virtio-net", 11, _COMMON, _NET, subsections=_ENDIAN)


_REQUEST = describe("VirtIOBlockReq", 1, buffer("elem", _ELEMENT))


def _popped(values: Values, version: int) -> bool:
    return version >= 3 and values["elem_popped"] != 0


_PORT = describe(
    "VirtIOSerialPort",
    3,
    u32("id"),
    u8("guest_connected host_connected"),
    u32("elem_popped", since=3),
    u32("iov_idx", when=_popped),
    u64("iov_offset", when=_popped),
    buffer("elem", _ELEMENT, when=_popped),
)
_PORT_2 = describe("VirtIOSerialPort", 2, u32("id"), u8("guest_connected host_connected"))
_CONSOLE: Fields = (
    *u16("config.cols config.rows", since=2),
    *u32("config.max_nr_ports", since=2),
    *u32("ports_map", lambda values, _: (int(values["config.max_nr_ports"]) + 31) // 32, since=2),
    *u32("nr_active_ports", since=2),
    *struct("ports", _PORT_2, "nr_active_ports", when=lambda _, version: version == 2),
    *struct("ports", _PORT, "nr_active_ports", since=3),
)


def _no_msix_config(values: Values, version: int) -> bool:
    return not has_msix("parent_obj")(values, version)


_IVSHMEM = describe("ivshmem", 0, pci(), msix(), u32("intrstatus intrmask", when=_no_msix_config))

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    *_net(),
    *_device("virtio-blk", 2, marked("rq", _REQUEST)),
    *_device("virtio-console", 3, _CONSOLE),
    *_device("virtio-balloon", 1, u32("num_pages actual")),
    *_device("virtio-rng", 1, ()),
    *_device("virtio-scsi", 1, ()),
    _IVSHMEM,
)
