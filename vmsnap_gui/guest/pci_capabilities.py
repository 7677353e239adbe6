"""The capabilities of a PCI device: two linked lists in its configuration space.

Facts are from the PCI Local Bus Specification 3.0 (6.7, 6.8 and appendix H), the PCI Express Base Specification (7.5
and 7.9) and virtio 1.2 (4.1.4). Lists may be hostile: they are followed once, inside the bytes that are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.guest.tables import Tables


@dataclass(frozen=True, slots=True)
class PciPart:
    """A part of a configuration space.

    Attributes:
        offset: Its first byte, from the start of the configuration space.
        size: Bytes.
        name: What it is called.
        text: What it says, short.
    """

    offset: int
    size: int
    name: str
    text: str


_STATUS_LIST = 0x10  # status bit: the list of capabilities is there
_POINTER = 0x34
_FIRST, _FIRST_EXTENDED = 0x40, 0x100
_MSI, _VENDOR, _EXPRESS, _MSIX = 0x05, 0x09, 0x10, 0x11
_VIRTIO = 0x1AF4


def little(config: bytes, offset: int, size: int) -> int:
    """Return the little-endian number of `size` bytes at `offset`."""
    return int.from_bytes(config[offset : offset + size], "little")


def capabilities(config: bytes, tables: Tables) -> Iterator[PciPart]:
    """Yield the pointer to the capabilities, if there are any, and then each of them."""
    if not little(config, 6, 2) & _STATUS_LIST:
        return
    at = config[_POINTER] & 0xFC
    yield PciPart(_POINTER, 1, "Capabilities", f"from {at:#04x} on")
    seen: set[int] = set()
    while _FIRST <= at <= len(config) - 4 and at < _FIRST_EXTENDED and at not in seen:
        seen.add(at)
        yield _capability(config, at, tables)
        at = config[at + 1] & 0xFC
    yield from _extended(config, tables)


def _extended(config: bytes, tables: Tables) -> Iterator[PciPart]:
    at = _FIRST_EXTENDED
    seen: set[int] = set()
    while _FIRST_EXTENDED <= at <= len(config) - 4 and at not in seen:
        seen.add(at)
        head = little(config, at, 4)
        identity = head & 0xFFFF
        if identity in (0, 0xFFFF):
            return
        name = tables.value("pci-extended-capability", identity) or f"{identity:#06x}"
        yield PciPart(at, 4, f"Extended capability: {name}", f"version {head >> 16 & 15}")
        at = head >> 20 & 0xFFC


def _capability(config: bytes, at: int, tables: Tables) -> PciPart:
    identity = config[at]
    name = tables.value("pci-capability", identity) or f"{identity:#04x}"
    size, text = 2, ""
    if identity == _MSI:
        control = little(config, at + 2, 2)
        size = 10 + (4 if control & 0x80 else 0) + (10 if control & 0x100 else 0)
        text = f"{_enabled(control & 1)}, {1 << (control >> 4 & 7)} of {1 << (control >> 1 & 7)} messages"
    elif identity == _MSIX:
        control = little(config, at + 2, 2)
        masked = ", all masked" if control & 0x4000 else ""
        size, text = 12, f"{_enabled(control >> 15)}, {(control & 0x7FF) + 1} vectors{masked}"
    elif identity == _EXPRESS:
        kind = little(config, at + 2, 2) >> 4 & 15
        text = tables.value("pci-express-type", kind) or f"type {kind}"
    elif identity == _VENDOR:
        size = max(2, min(config[at + 2], len(config) - at))
        if little(config, 0, 2) == _VIRTIO:
            text = f"virtio {tables.value('virtio-pci-capability', config[at + 3]) or config[at + 3]}"
    return PciPart(at, min(size, len(config) - at), f"Capability: {name}", text)


def _enabled(bit: int) -> str:
    return "enabled" if bit else "disabled"
