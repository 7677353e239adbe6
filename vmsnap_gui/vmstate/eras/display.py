"""Display adapters: vga, cirrus_vga, vmware_vga, qxl (QEMU's hw/vga*.c, cirrus_vga.c, vmware_vga.c, qxl.c).

An ISA adapter and a PCI adapter have the same name and version, so each has its layout; the one that fits is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    Fields,
    boolean,
    buffer,
    describe,
    i32,
    pci,
    struct,
    u8,
    u16,
    u32,
    u64,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Values, VMStateDescription


def _has_vbe(values: Values, _: int) -> bool:
    """QEMU built without CONFIG_BOCHS_VBE (up to 1.2) said so and left the VBE registers out."""
    return values["is_vbe_vmstate"] != 0


_VGA_HEAD: Fields = (
    *u32("latch"),
    *u8("sr_index"),
    *buffer("sr", 8),
    *u8("gr_index"),
    *buffer("gr", 16),
    *u8("ar_index"),
    *buffer("ar", 21),
    *i32("ar_flip_flop"),
    *u8("cr_index"),
    *buffer("cr", 256),
    *u8("msr fcr st00 st01 dac_state dac_sub_index dac_read_index dac_write_index"),
    *buffer("dac_cache", 3),
    *buffer("palette", 768),
    *i32("bank_offset"),
)
_VGA: Fields = (
    *_VGA_HEAD,
    *u8("is_vbe_vmstate"),
    *u16("vbe_index", when=_has_vbe),
    *u16("vbe_regs", 10, when=_has_vbe),
    *u32("vbe_start_addr vbe_line_offset vbe_bank_mask", when=_has_vbe),
)
_ENDIAN = (describe("vga.endian", 1, boolean("big_endian_fb")),)
_VGA_COMMON = describe("vga", 2, _VGA, subsections=_ENDIAN)

_CIRRUS: Fields = (
    *u32("vga.latch"),
    *u8("vga.sr_index"),
    *buffer("vga.sr", 256),
    *u8("vga.gr_index cirrus_shadow_gr0 cirrus_shadow_gr1"),
    *buffer("vga.gr", 254),
    *u8("vga.ar_index"),
    *buffer("vga.ar", 21),
    *i32("vga.ar_flip_flop"),
    *u8("vga.cr_index"),
    *buffer("vga.cr", 256),
    *u8("vga.msr vga.fcr vga.st00 vga.st01 vga.dac_state vga.dac_sub_index vga.dac_read_index vga.dac_write_index"),
    *buffer("vga.dac_cache", 3),
    *buffer("vga.palette", 768),
    *i32("vga.bank_offset"),
    *u8("cirrus_hidden_dac_lockindex cirrus_hidden_dac_data"),
    *u32("hw_cursor_x hw_cursor_y"),
)
_CIRRUS_COMMON = describe("cirrus_vga", 2, _CIRRUS)

_VMWARE = describe(
    "vmware_vga_internal",
    0,
    i32("new_depth enable config cursor.id cursor.x cursor.y cursor.on index"),
    u32("scratch", 0x8000),
    i32("new_width new_height"),
    u32("guest svgaid"),
    i32("syncing fb_size"),
)

_QXL_SLOT = describe("qxl-memslot", 21, u64("slot.mem_start slot.mem_end"), u32("active"))
_QXL_SURFACE = describe(
    "qxl-surface", 21, u32("width height"), i32("stride"), u32("format position mouse_mode flags type"), u64("mem")
)
_QXL = describe(
    "qxl",
    21,
    pci("pci"),
    struct("vga", _VGA_COMMON),
    u32("shadow_rom.mode num_free_res last_release_offset mode ssd.unique"),
    i32("num_memslots"),
    struct("guest_slots", _QXL_SLOT, "num_memslots"),
    struct("guest_primary.surface", _QXL_SURFACE),
    i32("ssd.num_surfaces"),
    u64("guest_surfaces.cmds", "ssd.num_surfaces"),
    u64("guest_cursor"),
    subsections=(describe("qxl/monitors-config", 1, u64("guest_monitors_config")),),
)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    describe("vga", 2, pci("dev"), struct("vga", _VGA_COMMON)),
    _VGA_COMMON,
    describe("cirrus_vga", 2, pci("dev"), struct("cirrus_vga", _CIRRUS_COMMON)),
    _CIRRUS_COMMON,
    describe("vmware_vga", 0, pci(), struct("chip", _VMWARE)),
    _QXL,
)
