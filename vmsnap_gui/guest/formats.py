"""Formats: what a field says, where that takes more than a table of bits or values.

Each takes the field, the top of its section, the number that the first [*] of the rule's path matched and the tables;
it returns (name, detail); None where there is nothing to say, or where the field is not what the format is for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmsnap_gui.guest.pci import config_space, summary
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.guest.tables import Tables

    Said = tuple[str | None, str | None]

_NOTHING: Said = (None, None)


def top_field(root: Field, name: str) -> Field | None:
    """Return the field `name` at the top of a section, or None."""
    return next((child for child in root.children if child.name == name), None)


def unsigned(field: Field) -> int | None:
    """Return the bits of a field as a number: of integers, booleans and buffers of at most 8 bytes."""
    value = field.value
    if isinstance(value, int):
        return value & ((1 << 8 * field.size) - 1)
    if isinstance(value, bytes) and 0 < len(value) <= 8:
        return int.from_bytes(value, "big")
    return None


def _text(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """A text in a buffer, up to its first zero byte."""
    if not isinstance(field.value, bytes):
        return _NOTHING
    text = field.value.split(b"\0", 1)[0].decode("utf-8", "replace")
    return None, text if text.isprintable() and text else None


def _unix_time(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """Seconds since 1970."""
    seconds = unsigned(field)
    if seconds is None or not 0 < seconds < 1 << 33:
        return _NOTHING
    return None, f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


# MC146818: the registers of the clock, and the century byte of the PC's CMOS.
_CLOCK = (0x32, 9, 8, 7, 4, 2, 0)  # century, year, month, day, hour, minute, second
_REGISTER_B = 0x0B
_BINARY, _24_HOURS = 0x04, 0x02


def _cmos_clock(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """Date and time in the first bytes of a PC's CMOS memory."""
    data = field.value
    if not isinstance(data, bytes) or len(data) <= _CLOCK[0]:
        return _NOTHING
    mode = data[_REGISTER_B]
    late = not mode & _24_HOURS and data[4] & 0x80
    raw = [data[at] & (0x7F if at == 4 and not mode & _24_HOURS else 0xFF) for at in _CLOCK]
    if not mode & _BINARY:
        raw = [(byte >> 4) * 10 + (byte & 15) for byte in raw]
    century, year, month, day, hour, minute, second = raw
    if not mode & _24_HOURS:
        hour = hour % 12 + (12 if late else 0)
    try:
        moment = datetime(century * 100 + year, month, day, hour, minute, second)
    except ValueError:
        return _NOTHING
    return None, f"{moment:%Y-%m-%d %H:%M:%S}"


# x86 segment descriptor, second word: Intel SDM volume 3, 3.4.5 and 3.5.
_SYSTEM = {1: "TSS16", 2: "LDT", 3: "TSS16 busy", 9: "TSS", 11: "TSS busy"}


def _segment_flags(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """The attributes of an x86 segment as QEMU keeps them: the descriptor's second word."""
    flags = unsigned(field)
    if not flags:
        return _NOTHING
    kind = flags >> 8 & 15
    words = [f"DPL={flags >> 13 & 3}"]
    if not flags >> 12 & 1:
        words.append(_SYSTEM.get(kind, f"system type {kind}"))
    elif kind & 8:
        size = "64" if flags >> 21 & 1 else "32" if flags >> 22 & 1 else "16"
        words += [f"code{size}", "conforming" if kind & 4 else "", "readable" if kind & 2 else ""]
    else:
        words += ["data", "expands down" if kind & 4 else "", "writable" if kind & 2 else ""]
    if not flags >> 15 & 1:
        words.append("not present")
    return None, " ".join(word for word in words if word)


def _segment(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """An x86 segment register or table register, from its parts."""
    parts = {child.name: unsigned(child) for child in field.children}
    base, limit, selector = parts.get("base"), parts.get("limit"), parts.get("selector")
    if base is None or limit is None or selector is None:
        return _NOTHING
    return None, f"{selector:04x} base {base:x} limit {limit:x}"


_PCIDE = 1 << 17


def _cr3(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """CR3: its low bits are the PCID where CR4.PCIDE is set, else PWT and PCD (Intel SDM volume 3, 2.5)."""
    value = unsigned(field)
    cr4 = top_field(root, field.name.replace("[3]", "[4]"))
    if value is None or cr4 is None:
        return _NOTHING
    if (unsigned(cr4) or 0) & _PCIDE:
        return None, f"PCID={value & 0xFFF}"
    return None, " ".join(word for bit, word in ((3, "PWT"), (4, "PCD")) if value >> bit & 1) or None


def _register_id(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """QEMU's number of an Arm system register, in the form that KVM gives it."""
    number = unsigned(field)
    name = system_register(number) if number is not None else None
    return name, name


def _register_value(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """An Arm system register: its number stands at the same place in the array of numbers."""
    numbers = top_field(root, "cpreg_vmstate_indexes")
    if numbers is None or numbers.kind is not Kind.ARRAY or not 0 <= index < len(numbers.children):
        return _NOTHING
    return _register_id(numbers.children[index], root, index, tables)[0], None


def system_register(identity: int) -> str | None:
    """Return the general name of an Arm system register from its KVM id: "S3_0_C1_C0_0", or "p15,0,c1,c0,0".

    The layout is that of the kernel's asm/kvm.h (KVM_REG_ARM64_SYSREG, KVM_REG_ARM_COPROC); QEMU adds bit 29 for the
    non-secure bank of a 32-bit register, and "(S)" here marks the secure one.
    """
    architecture, wide, low = identity >> 56, identity >> 52 & 15 == 3, identity & 0xFFFF
    if architecture == 0x60 and identity >> 16 & 0xFFF == 0x13:
        return f"S{low >> 14}_{low >> 11 & 7}_C{low >> 7 & 15}_C{low >> 3 & 15}_{low & 7}"
    if architecture != 0x40:
        return None
    bank = "" if identity >> 29 & 1 else " (S)"
    processor, crm, opc1 = identity >> 16 & 15, low >> 7 & 15, low >> 3 & 15
    if wide:
        return f"p{processor},{opc1},c{crm}{bank}"
    return f"p{processor},{opc1},c{low >> 11 & 15},c{crm},{low & 7}{bank}"


def _pci(field: Field, root: Field, index: int, tables: Tables) -> Said:
    """A PCI device's configuration space, or a virtio-pci device's data, which starts with it."""
    found = config_space(field)
    return (None, summary(found[1], tables)) if found is not None else _NOTHING


FORMATS: dict[str, Callable[[Field, Field, int, Tables], Said]] = {
    "text": _text,
    "unix-time": _unix_time,
    "cmos-clock": _cmos_clock,
    "segment": _segment,
    "segment-flags": _segment_flags,
    "cr3": _cr3,
    "arm-register-id": _register_id,
    "arm-register-value": _register_value,
    "pci": _pci,
}
"""By the name that rules use."""
