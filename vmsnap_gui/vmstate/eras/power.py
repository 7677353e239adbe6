"""ACPI power management: piix4_pm (QEMU's hw/acpi.c, acpi_piix4.c, acpi/piix4.c, pcihp.c, memory_hotplug.c).

Version 2 wrote one word of each general purpose event register up to 0.14 and four from 0.15 on; version 3 says nothing
of which kind of PCI hotplug the machine type has. So there is a layout for each, and the one that fits is taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import Doubt
from vmsnap_gui.vmstate.eras.building import (
    Fields,
    boolean,
    describe,
    i64,
    pci,
    struct,
    timer,
    u8,
    u16,
    u32,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription

_APM = describe("APM State", 1, u8("apmc apms"))
_STATUS = describe("pci_status", 1, u32("up down"))
_ONE_BUS = struct("pci0_status", _STATUS, since=2)
_ALL_BUSES = (
    *u32("acpi_pci_hotplug.hotplug_select", since=2),
    *struct("acpi_pci_hotplug.acpi_pcihp_pci_status", _STATUS, 256, since=2),
)


_SLOT = describe("memory hotplug device state", 1, boolean("is_enabled is_inserting"), u32("ost_event ost_status"))
_SLOTS = tuple(replace(field, doubt=Doubt.FULL) for field in struct("devs", _SLOT, 0))
"""How many there are (-m slots=...) is not in the stream: without the end of the section, none."""

_MEMORY_HOTPLUG = describe(
    "piix4_pm/memhp", 1, struct("acpi_memory_hotplug", describe("memory hotplug state", 1, u32("selector"), _SLOTS))
)


def _piix4_pm(version: int, words: int, hotplug: Fields, minimum: int = 0) -> VMStateDescription:
    gpe = describe("gpe", 1, u16("sts en", words if words > 1 else None))
    return describe(
        "piix4_pm",
        version,
        pci(),
        u16("ar.pm1.evt.sts ar.pm1.evt.en ar.pm1.cnt.cnt"),
        struct("apm", _APM),
        timer("ar.tmr.timer"),
        i64("ar.tmr.overflow_time"),
        struct("ar.gpe", gpe, since=2),
        hotplug,
        subsections=(_MEMORY_HOTPLUG,),
        minimum=minimum,
    )


DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    _piix4_pm(3, 1, _ONE_BUS),
    _piix4_pm(2, 4, _ONE_BUS, minimum=2),
    _piix4_pm(3, 1, _ALL_BUSES, minimum=3),
)
