"""A VGA's registers out of its decoded section: the one place that knows what the fields are called.

QEMU's VGACommonState (hw/display/vga.c, `vmstate_vga_common`) is the section itself of an ISA adapter, the struct "vga"
of PCI ones (std VGA, QXL, virtio-vga); Cirrus (hw/display/cirrus_vga.c) has the same names behind "vga.", and its own.
The names are the same in all versions of QEMU since 0.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.guest.screen.result import NothingShown

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.fields import Field

VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE = 1, 2, 3, 4
VBE_VIRT_WIDTH, VBE_X_OFFSET, VBE_Y_OFFSET = 6, 8, 9
"""Registers of the Bochs display interface (QEMU's include/hw/display/bochs-vbe.h)."""

VBE_ENABLED = 0x01
_VBE_8BIT_DAC = 0x20
_VBE_COUNT = 10


@dataclass(frozen=True, slots=True)
class VgaRegisters:
    """What of a VGA's registers decides about its picture.

    Attributes:
        sr, gr, ar, cr: Sequencer, graphics controller, attribute controller, CRT controller.
        ar_index: The attribute controller's index; bit 5 turns the picture on.
        palette: 256 colours of three bytes.
        vbe: The Bochs registers; all 0 where there are none.
        vbe_start: Start address of VBE modes, in units of four bytes.
        vbe_line: Bytes from a line to the next in VBE modes.
        big_endian: Whether the framebuffer is big-endian; None where it is as the machine's default.
    """

    sr: bytes
    gr: bytes
    ar: bytes
    cr: bytes
    ar_index: int
    palette: bytes
    vbe: tuple[int, ...]
    vbe_start: int
    vbe_line: int
    big_endian: bool | None

    @property
    def is_vbe(self) -> bool:
        """Whether a mode of the Bochs interface is on."""
        return bool(self.vbe[VBE_ENABLE] & VBE_ENABLED)

    @property
    def is_dac_8bit(self) -> bool:
        """Whether the palette of 256 colours has 8 bits a level, and not 6."""
        return bool(self.vbe[VBE_ENABLE] & _VBE_8BIT_DAC)

    @property
    def clock_mode(self) -> int:
        """The sequencer's clocking mode; VBE has registers of its own there, which are 0 (`sr_vbe`)."""
        return 0 if self.is_vbe else self.sr[1]

    @property
    def character_map(self) -> int:
        """The sequencer's choice of fonts."""
        return 0 if self.is_vbe else self.sr[3]


@dataclass(frozen=True, slots=True)
class CirrusRegisters:
    """What Cirrus has beside a VGA.

    Attributes:
        hidden_dac: Decides about the format of 16-bit pixels.
        cursor_x, cursor_y: Where the hardware cursor is.
    """

    hidden_dac: int
    cursor_x: int
    cursor_y: int


def vga_registers(root: Field) -> VgaRegisters:
    """Return a VGA's registers out of a section's tree.

    Raises:
        NothingShown: they are not there, since nothing describes the section or it is damaged.
    """
    struct = member(root, "vga") or member(root, "cirrus_vga") or root
    is_cirrus = member(struct, "vga.sr") is not None
    prefix = "vga." if is_cirrus else ""
    if member(struct, f"{prefix}cr") is None:
        raise NothingShown("nothing describes the section of this display, so its registers are not known")
    gr = buffer(struct, f"{prefix}gr", 14)
    if is_cirrus:  # the first two are elsewhere, where the guest's extended writes do not reach
        gr = bytes(integer(struct, f"cirrus_shadow_gr{number}") & 0x0F for number in (0, 1)) + gr
    endian = member(struct, "vga.endian")
    return VgaRegisters(
        sr=buffer(struct, f"{prefix}sr", 8),
        gr=gr,
        ar=buffer(struct, f"{prefix}ar", 21),
        cr=buffer(struct, f"{prefix}cr", 256),
        ar_index=integer(struct, f"{prefix}ar_index"),
        palette=buffer(struct, f"{prefix}palette", 768)[:768],
        vbe=vbe_registers(struct, prefix),
        vbe_start=integer(struct, f"{prefix}vbe_start_addr"),
        vbe_line=integer(struct, f"{prefix}vbe_line_offset"),
        big_endian=bool(integer(endian, "big_endian_fb")) if endian is not None else None,
    )


def vbe_registers(parent: Field, prefix: str = "") -> tuple[int, ...]:
    """Return the Bochs registers that a field has; 0 for those that are not there."""
    array = member(parent, f"{prefix}vbe_regs")
    values = [child.value for child in array.children] if array is not None else []
    found = [value for value in values if isinstance(value, int)][:_VBE_COUNT]
    return (*found, *(0,) * (_VBE_COUNT - len(found)))


def cirrus_registers(root: Field) -> CirrusRegisters:
    """Return what a Cirrus has beside its VGA registers; the cursor's fields had no "vga." before QEMU 2.1."""
    struct = member(root, "cirrus_vga") or root
    x, y = (integer(struct, f"vga.hw_cursor_{axis}") or integer(struct, f"hw_cursor_{axis}") for axis in "xy")
    return CirrusRegisters(integer(struct, "cirrus_hidden_dac_data"), x, y)


def member(parent: Field, name: str) -> Field | None:
    """Return the child `name` of a field, or None."""
    return next((child for child in parent.children if child.name == name), None)


def integer(parent: Field, name: str) -> int:
    """Return the number that a child holds; 0 where it holds none."""
    found = member(parent, name)
    return found.value if found is not None and isinstance(found.value, int) else 0


def buffer(parent: Field, name: str, least: int) -> bytes:
    """Return the bytes that a child holds, with zeros up to `least`."""
    found = member(parent, name)
    return (found.value if found is not None and isinstance(found.value, bytes) else b"").ljust(least, b"\0")
