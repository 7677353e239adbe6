"""The configuration space of a PCI device in rows that a person can read.

Facts are from the PCI Local Bus Specification 3.0 (chapter 6) and the PCI-to-PCI Bridge Architecture Specification 1.2
(chapter 3). Values in a configuration space are little-endian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.guest.pci_capabilities import PciPart, capabilities, little

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.guest.tables import Tables
    from vmsnap_gui.vmstate.fields import Field

__all__ = ["PciPart", "config_space", "header", "summary"]

HEADER = 64
"""Bytes of the header proper, without capabilities."""

_CONFIG_TYPE = "pci config"
_VIRTIO_CONFIG = 4  # a virtio-pci device's data starts with QEMU's PCIDevice: its version as a big-endian u32
_VIRTIO_VERSION = b"\x00\x00\x00\x02"
_VIRTIO_VENDOR = b"\xf4\x1a"
_BRIDGE = 1


def config_space(field: Field) -> tuple[int, bytes] | None:
    """Return where in `field` a PCI configuration space starts, and the bytes from there, or None if it has none.

    That is a field of type "pci config", or the data of a virtio-pci device, which begins with one.
    """
    value = field.value
    if not isinstance(value, bytes) or len(value) < HEADER:
        return None
    if field.type == _CONFIG_TYPE:
        return 0, value
    at = _VIRTIO_CONFIG
    if field.type == "virtio" and value[:at] == _VIRTIO_VERSION and value[at : at + 2] == _VIRTIO_VENDOR:
        return at, value[at : at + 256]
    return None


def summary(config: bytes, tables: Tables) -> str:
    """Return what kind of device this is, in one short text: "8086:2922 SATA controller (AHCI)"."""
    name = _class_name(little(config, 9, 3), tables)
    return f"{little(config, 0, 2):04x}:{little(config, 2, 2):04x} {name}".rstrip()


def header(config: bytes, tables: Tables) -> list[PciPart]:
    """Return the parts of a configuration space, in the order of their offsets; empty if it has no whole header."""
    if len(config) < HEADER:
        return []
    parts = [*_common(config, tables)]
    if config[0x0E] & 0x7F == _BRIDGE:
        parts += _bridge(config, tables)
    elif config[0x0E] & 0x7F == 0:
        parts += _device(config, tables)
    parts += _interrupt(config)
    return sorted([*parts, *capabilities(config, tables)], key=lambda part: part.offset)


def _class_name(code: int, tables: Tables) -> str:
    """Return the name of a class code, as exactly as the tables have it: with interface, without, or the base class."""
    for value, table in ((code, "pci-class-interface"), (code >> 8, "pci-class"), (code >> 16, "pci-base-class")):
        name = tables.value(table, value)
        if name is not None:
            return name
    return ""


def _common(config: bytes, tables: Tables) -> Iterator[PciPart]:
    vendor, code, kind = little(config, 0, 2), little(config, 9, 3), config[0x0E]
    layout = {0: "device", 1: "PCI bridge", 2: "CardBus bridge"}.get(kind & 0x7F, "unknown layout")
    yield PciPart(0, 2, "Vendor", f"{vendor:04x} {tables.value('pci-vendor', vendor) or ''}".rstrip())
    yield PciPart(2, 2, "Device", f"{little(config, 2, 2):04x}")
    yield PciPart(4, 2, "Command", tables.flags("pci-command", little(config, 4, 2)) or "nothing enabled")
    yield PciPart(6, 2, "Status", tables.flags("pci-status", little(config, 6, 2)))
    yield PciPart(8, 1, "Revision", str(config[8]))
    yield PciPart(9, 3, "Class", f"{code:06x} {_class_name(code, tables)}".rstrip())
    yield PciPart(0x0C, 1, "Cache line size", f"{config[0x0C] * 4} bytes")
    yield PciPart(0x0D, 1, "Latency timer", str(config[0x0D]))
    yield PciPart(0x0E, 1, "Header type", layout + (", multi-function" if kind & 0x80 else ""))
    yield PciPart(0x0F, 1, "Self test", f"{config[0x0F]:#04x}")


def _device(config: bytes, tables: Tables) -> Iterator[PciPart]:
    yield from _bars(config, 6)
    yield PciPart(0x28, 4, "CardBus CIS", f"{little(config, 0x28, 4):#x}")
    vendor = little(config, 0x2C, 2)
    yield PciPart(0x2C, 2, "Subsystem vendor", f"{vendor:04x} {tables.value('pci-vendor', vendor) or ''}".rstrip())
    yield PciPart(0x2E, 2, "Subsystem", f"{little(config, 0x2E, 2):04x}")
    yield _rom(config, 0x30)
    yield PciPart(0x3E, 1, "Min. grant", str(config[0x3E]))
    yield PciPart(0x3F, 1, "Max. latency", str(config[0x3F]))


def _bridge(config: bytes, tables: Tables) -> Iterator[PciPart]:
    yield from _bars(config, 2)
    for offset, name in ((0x18, "Primary bus"), (0x19, "Secondary bus"), (0x1A, "Subordinate bus")):
        yield PciPart(offset, 1, name, str(config[offset]))
    yield PciPart(0x1B, 1, "Secondary latency timer", str(config[0x1B]))
    low = (config[0x1C] & 0xF0) << 8 | little(config, 0x30, 2) << 16
    high = (config[0x1D] & 0xF0) << 8 | little(config, 0x32, 2) << 16 | 0xFFF
    yield PciPart(0x1C, 2, "I/O window", _window(low, high))
    yield PciPart(0x1E, 2, "Secondary status", tables.flags("pci-secondary-status", little(config, 0x1E, 2)))
    low, high = (little(config, at, 2) & 0xFFF0 for at in (0x20, 0x22))
    yield PciPart(0x20, 4, "Memory window", _window(low << 16, high << 16 | 0xFFFFF))
    low, high = (little(config, at, 2) & 0xFFF0 for at in (0x24, 0x26))
    upper, top = little(config, 0x28, 4) << 32, little(config, 0x2C, 4) << 32
    yield PciPart(0x24, 4, "Prefetchable window", _window(low << 16 | upper, high << 16 | top | 0xFFFFF))
    yield PciPart(0x28, 8, "Prefetchable window, upper halves", f"{upper >> 32:#x} {top >> 32:#x}")
    yield PciPart(0x30, 4, "I/O window, upper halves", f"{little(config, 0x30, 2):#x} {little(config, 0x32, 2):#x}")
    yield _rom(config, 0x38)
    yield PciPart(0x3E, 2, "Bridge control", tables.flags("pci-bridge-control", little(config, 0x3E, 2)))


def _window(low: int, high: int) -> str:
    return f"{low:#x} - {high:#x}" if low <= high else "closed"


def _bars(config: bytes, count: int) -> Iterator[PciPart]:
    number = 0
    while number < count:
        offset = 0x10 + 4 * number
        value = little(config, offset, 4)
        wide = value & 7 == 4 and number + 1 < count
        size = 8 if wide else 4
        yield PciPart(offset, size, f"BAR {number}", _bar(little(config, offset, size)))
        number += size // 4


def _bar(value: int) -> str:
    if value == 0:
        return "not used, or not set"
    if value & 1:
        return f"I/O {value & ~3:#x}"
    width = {0: "", 2: ", below 1 MiB", 4: ", 64-bit"}.get(value & 6, ", reserved type")
    return f"memory {value & ~15:#x}{width}" + (", prefetchable" if value & 8 else "")


def _rom(config: bytes, offset: int) -> PciPart:
    value = little(config, offset, 4)
    text = f"{value & ~0x7FF:#x}" + (", enabled" if value & 1 else ", disabled") if value else "not used, or not set"
    return PciPart(offset, 4, "Expansion ROM", text)


def _interrupt(config: bytes) -> Iterator[PciPart]:
    line, pin = config[0x3C], config[0x3D]
    yield PciPart(0x3C, 1, "Interrupt line", "not set" if line == 0xFF else str(line))
    yield PciPart(
        0x3D, 1, "Interrupt pin", {0: "none", **dict(enumerate(("INTA", "INTB", "INTC", "INTD"), 1))}.get(pin, str(pin))
    )
