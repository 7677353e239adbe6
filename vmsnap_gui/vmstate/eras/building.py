"""Short words to write descriptions with, so that a device's table reads like the device.

Every word returns a tuple of fields, because many fields of one type follow each other: `u8("irr imr isr")`. Each takes
`since` (the field's version: it is there when the stream's is not lower), or `when` (savevm's field_exists) instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import MARKED, VMStateDescription, VMStateField

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.vmstate.description import Count, Exists

Fields = tuple[VMStateField, ...]

_SIZES = {
    "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
    "timer": 8, "bool": 1,
}  # fmt: skip


def describe(
    name: str,
    version: int,
    *groups: Fields,
    subsections: tuple[VMStateDescription, ...] = (),
    minimum: int = 0,
) -> VMStateDescription:
    """Return a description of these fields, in stream order.

    Args:
        name: QEMU's name of it.
        version: The newest version that it describes.
        groups: What the words of this module return.
        subsections: Those that may follow the fields.
        minimum: The oldest version that it describes.
    """
    fields = tuple(field for group in groups for field in group)
    return VMStateDescription(name, version, fields, subsections, minimum_version_id=minimum)


def since(version: int) -> Exists:
    """Tell that a field is there from this version on."""
    return lambda _, stream: stream >= version


def before(version: int) -> Exists:
    """Tell that a field is there in versions below this one."""
    return lambda _, stream: stream < version


def _scalars(type_name: str, names: str, since: int, when: Exists | None, count: Count | None) -> Fields:
    fixed = count if isinstance(count, int) else 1
    return tuple(
        VMStateField(
            name,
            type_name,
            _SIZES[type_name],
            fixed,
            is_array=count is not None,
            version_id=since,
            exists=when,
            count_from=None if isinstance(count, int) else count,
        )
        for name in names.split()
    )


def _word(type_name: str) -> Callable[..., Fields]:
    def word(names: str, count: Count | None = None, *, since: int = 0, when: Exists | None = None) -> Fields:
        return _scalars(type_name, names, since, when, count)

    return word


u8, u16, u32, u64 = _word("uint8"), _word("uint16"), _word("uint32"), _word("uint64")
i8, i16, i32, i64 = _word("int8"), _word("int16"), _word("int32"), _word("int64")
timer, boolean = _word("timer"), _word("bool")


def buffer(name: str, size: Count, *, multiply: int = 1, since: int = 0, when: Exists | None = None) -> Fields:
    """Return a buffer of `size` bytes, or of as many as an earlier field says, times `multiply`."""
    fixed = size * multiply if isinstance(size, int) else 0
    size_from = None if isinstance(size, int) else size
    return (VMStateField(name, "buffer", fixed, version_id=since, exists=when, size_from=size_from, multiply=multiply),)


def unused(size: int, name: str = "unused", *, since: int = 0, when: Exists | None = None) -> Fields:
    """Return bytes that mean nothing any more."""
    return (VMStateField(name, "unused_buffer", size, version_id=since, exists=when),)


def struct(
    name: str,
    nested: VMStateDescription,
    count: Count | None = None,
    *,
    since: int = 0,
    when: Exists | None = None,
) -> Fields:
    """Return a struct, or an array of them."""
    fixed = count if isinstance(count, int) else 1
    count_from = None if isinstance(count, int) else count
    return (
        VMStateField(
            name,
            "struct",
            0,
            fixed,
            is_array=count is not None,
            nested=(nested,),
            version_id=since,
            exists=when,
            count_from=count_from,
        ),
    )


def marked(name: str, nested: VMStateDescription, *, since: int = 0, when: Exists | None = None) -> Fields:
    """Return a list whose elements each follow a byte that is not zero, up to a byte that is."""
    return (VMStateField(name, MARKED, 0, nested=(nested,), version_id=since, exists=when),)


PCI_DEVICE = describe("PCIDevice", 2, i32("version_id"), buffer("config", 256), i32("irq_state", 4, since=2))
PCIE_DEVICE = describe("PCIEDevice", 2, i32("version_id"), buffer("config", 4096), i32("irq_state", 4, since=2))


def pci(name: str = "parent_obj", *, when: Exists | None = None) -> Fields:
    """Return the part that every PCI device begins with: its configuration space and interrupt lines."""
    return struct(name, PCI_DEVICE, when=when)
