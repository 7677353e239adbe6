"""Layouts of the pc and isapc machines of QEMU 0.10 to 2.2, whose streams describe nothing.

A section's name is that of its description, perhaps after its device's path ("0000:00:02.0/vga", "1/usb-ptr").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras import (
    board,
    display,
    network,
    others,
    ports,
    power,
    processor,
    sound,
    storage,
    usb,
    virtio,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription


def _by_name() -> dict[str, tuple[VMStateDescription, ...]]:
    found: dict[str, tuple[VMStateDescription, ...]] = {}
    for module in (processor, board, power, ports, display, storage, network, virtio, sound, usb, others):
        for description in module.DESCRIPTIONS:
            found[description.name] = (*found.get(description.name, ()), description)
    return found


_DESCRIPTIONS = _by_name()


def candidates(name: str) -> tuple[VMStateDescription, ...]:
    """Return the layouts that a section of this name can have, the likelier first; none for an unknown device."""
    return _DESCRIPTIONS.get(name.rpartition("/")[2], ())
