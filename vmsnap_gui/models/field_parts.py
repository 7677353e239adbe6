"""What stands inside a buffer that QEMU describes only as bytes: the parts of a PCI configuration space. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.guest.names import pci_header
from vmsnap_gui.guest.pci import config_space
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

PART_TYPE = "(PCI)"
"""Type of a field that is such a part; in brackets, as it is our name and not QEMU's."""


def has_parts(field: Field) -> bool:
    """Whether `parts_of` gives anything; quicker."""
    return field.kind is Kind.BUFFER and config_space(field) is not None


def parts_of(field: Field) -> Sequence[Field]:
    """Return the parts of a field with a PCI configuration space, by offset; they may overlap or leave gaps."""
    found = config_space(field)
    if found is None:
        return ()
    start, config = found
    return [
        Field(part.name, PART_TYPE, Kind.TEXT, field.offset + start + part.offset, part.size, part.text)
        for part in pci_header(config)
        if start + part.offset + part.size <= field.size
    ]
