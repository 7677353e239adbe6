"""What screens.asm does: the modes of displays as scripts of the guest's steps."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.machines.guests import screens

SIZE = 16 << 10
WINDOW = 0xA000
TEXT = 0xB800
SEQUENCER, GRAPHICS, CRTC = 0x3C4, 0x3CE, 0x3D4


def bios(ax: int, bx: int = 0) -> bytes:
    return struct.pack("<cHH", b"i", ax, bx)


def port(number: int, value: int) -> bytes:
    return struct.pack("<cHB", b"o", number, value)


def register(where: int, index: int, value: int) -> bytes:
    return struct.pack("<cHBB", b"w", where, index, value)


def attribute(index: int, value: int) -> bytes:
    return struct.pack("<cBB", b"a", index, value)


def vbe(index: int, value: int) -> bytes:
    return struct.pack("<cHH", b"v", index, value)


def fill(segment: int, count: int = 0, seed: int = 1) -> bytes:
    return struct.pack("<cHHH", b"f", segment, count, seed)


def planes() -> bytes:
    """Fill 64 KiB of each plane with something else."""
    return b"".join(register(SEQUENCER, 2, 1 << plane) + fill(WINDOW, seed=7 + plane) for plane in range(4))


def colours(seed: int = 3) -> bytes:
    """Give all 256 colours of the palette other values."""
    return struct.pack("<cH", b"c", seed)


def unlock() -> bytes:
    """Let the CRT controller's first eight registers be written."""
    return register(CRTC, 0x11, 0x0E)


def bochs(width: int, height: int, depth: int, *, virtual: int = 0, x: int = 0, y: int = 0, flags: int = 0) -> bytes:
    """Set a mode of the Bochs interface, and fill what it shows."""
    steps = [vbe(4, 0), vbe(1, width), vbe(2, height), vbe(3, depth), vbe(4, 0x41 | flags)]
    if virtual:
        steps.append(vbe(6, virtual))
    steps += [vbe(8, x), vbe(9, y)]
    size = (virtual or width) * (height + y) * ((depth + 7) // 8)
    for bank in range(-(-size // 0x10000)):
        steps += [vbe(5, bank), fill(WINDOW, seed=3 + bank)]
    return b"".join(steps)


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode: its name in tests, the guest's steps, what the result says of it, and whether its cursor is a doubt."""

    name: str
    steps: bytes
    words: str
    cursor: bool = False


_LETTERS = fill(TEXT, 80 * 60 * 2, 11)

TEXT_80 = Mode("text", bios(3) + _LETTERS + bios(0x0200), "text 80 × 25", cursor=True)
MODE_13H = Mode("13h", bios(0x13) + colours() + fill(WINDOW, seed=5), "VGA 320 × 200, 256 colours")
VBE_32 = Mode("vbe32", bochs(640, 480, 32), "VBE 640 × 480 × 32")
FAST = (TEXT_80, MODE_13H, VBE_32)

VGA = (
    TEXT_80,
    Mode("text40", bios(1) + _LETTERS, "text 40 × 25", cursor=True),
    Mode("text8", bios(3) + register(SEQUENCER, 1, 1) + _LETTERS, "text 80 × 25", cursor=True),
    Mode("text16", bios(1) + register(SEQUENCER, 1, 8) + _LETTERS, "text 40 × 25", cursor=True),
    Mode("line graphics", bios(3) + _LETTERS + attribute(0x10, 0x0C), "text 80 × 25", cursor=True),
    Mode("no line graphics", bios(3) + _LETTERS + attribute(0x10, 0x08), "text 80 × 25", cursor=True),
    Mode("text50", bios(3) + bios(0x1112) + _LETTERS, "text 80 × 50", cursor=True),
    Mode("two fonts", bios(3) + bios(0x1101, 0x0002) + register(SEQUENCER, 3, 0x08) + _LETTERS,
         "text 80 × 25", cursor=True),
    Mode("cursor", bios(3) + _LETTERS + register(CRTC, 0x0A, 3) + register(CRTC, 0x0B, 9)
         + register(CRTC, 0x0E, 1) + register(CRTC, 0x0F, 0x23), "text 80 × 25", cursor=True),
    Mode("text start", bios(3) + _LETTERS + register(CRTC, 0x0D, 0xA5), "text 80 × 25"),
    Mode("text split", bios(3) + _LETTERS + unlock() + register(CRTC, 0x0D, 0xA0) + register(CRTC, 0x18, 0x60)
         + register(CRTC, 0x07, 0x0F) + register(CRTC, 0x09, 0x0F), "text 80 × 25", cursor=True),
    Mode("colour select", bios(3) + _LETTERS + colours() + attribute(0x10, 0x8C) + attribute(0x14, 0x07),
         "text 80 × 25", cursor=True),
    Mode("cga4", bios(4) + fill(TEXT, 0x4000, 9), "VGA 320 × 200, 4 colours"),
    Mode("cga2", bios(6) + fill(TEXT, 0x4000, 9), "VGA 640 × 200, 2 colours"),
    Mode("planar 320", bios(0x0D) + planes(), "VGA 320 × 200, 16 colours"),
    Mode("planar 640 × 200", bios(0x0E) + planes(), "VGA 640 × 200, 16 colours"),
    Mode("planar 350", bios(0x10) + planes(), "VGA 640 × 350, 16 colours"),
    Mode("planar 2", bios(0x11) + planes(), "VGA 640 × 480, 16 colours"),
    Mode("planar 480", bios(0x12) + planes() + colours(), "VGA 640 × 480, 16 colours"),
    Mode("plane mask", bios(0x12) + planes() + attribute(0x12, 0x0A), "VGA 640 × 480, 16 colours"),
    Mode("split", bios(0x0D) + planes() + unlock() + register(CRTC, 0x0C, 0x12) + register(CRTC, 0x0D, 0x34)
         + register(CRTC, 0x18, 99) + register(CRTC, 0x07, 0x0F) + register(CRTC, 0x09, 0x80),
         "VGA 320 × 200, 16 colours"),
    Mode("panning", bios(0x0D) + planes() + attribute(0x13, 3), "VGA 320 × 200, 16 colours"),
    MODE_13H,
    Mode("unchained", bios(0x13) + register(SEQUENCER, 4, 6) + register(CRTC, 0x14, 0) + register(CRTC, 0x17, 0xE3)
         + planes(), "VGA 320 × 200, 256 colours"),
    Mode("unchained 400", bios(0x13) + register(SEQUENCER, 4, 6) + register(CRTC, 0x14, 0) + register(CRTC, 0x17, 0xE3)
         + register(CRTC, 0x09, 0x40) + planes(), "VGA 320 × 400, 256 colours"),
)  # fmt: skip
VBE = (
    Mode("vbe4", bochs(800, 600, 8) + vbe(4, 0) + vbe(3, 4) + vbe(4, 0xC1), "VBE 800 × 600 × 4"),
    Mode("vbe8", bochs(800, 600, 8) + colours(), "VBE 800 × 600 × 8"),
    Mode("vbe8 dac8", bochs(640, 480, 8, flags=0x20) + colours(), "VBE 640 × 480 × 8"),
    Mode("vbe15", bochs(640, 480, 15), "VBE 640 × 480 × 15"),
    Mode("vbe16", bochs(1024, 768, 16), "VBE 1024 × 768 × 16"),
    Mode("vbe24", bochs(640, 480, 24), "VBE 640 × 480 × 24"),
    VBE_32,
    Mode("vbe virtual", bochs(640, 400, 32, virtual=800, x=40, y=30), "VBE 640 × 400 × 32"),
    Mode("vbe8 virtual", bochs(640, 400, 8, virtual=1024, x=64, y=50), "VBE 640 × 400 × 8"),
)


def _cirrus(mode: int, banks: int) -> bytes:
    """Set one of Cirrus's own modes by its BIOS, and fill what it shows, in steps of 64 KiB."""
    steps = [bios(0x4F02, mode), register(GRAPHICS, 0x0B, 0x20)]
    for bank in range(banks):
        steps += [register(GRAPHICS, 0x09, 4 * bank), fill(WINDOW, seed=3 + bank)]
    return b"".join(steps)


def _cursor(kind: int, x: int, y: int) -> bytes:
    """Show the hardware cursor with a pattern that has all kinds of pixels; the lowest three bits of a place are 0."""
    steps = [register(GRAPHICS, 0x09, 255), fill(WINDOW, 0x4000, 21), register(SEQUENCER, 0x12, kind | 2)]
    for number, level in ((0, 0), (15, 0x3F)):  # its own two colours, which are those of a cursor that is not known
        steps += [port(0x3C8, number), *[port(0x3C9, level)] * 3]
    steps.append(register(SEQUENCER, 0x12, kind))
    steps += [register(SEQUENCER, 0x13, 0), register(SEQUENCER, 0x10, x >> 3), register(SEQUENCER, 0x11, y >> 3)]
    return b"".join(steps)


CIRRUS = (
    TEXT_80,
    Mode("planar 480", bios(0x12) + planes() + colours(), "VGA 640 × 480, 16 colours"),
    MODE_13H,
    Mode("cirrus8", _cirrus(0x101, 5) + colours(), "Cirrus 640 × 480 × 8"),
    Mode("cirrus15", _cirrus(0x110, 10), "Cirrus 640 × 480 × 15"),
    Mode("cirrus16", _cirrus(0x111, 10), "Cirrus 640 × 480 × 16"),
    Mode("cirrus24", _cirrus(0x112, 15), "Cirrus 640 × 480 × 24"),
    Mode("cirrus16 800", _cirrus(0x114, 15), "Cirrus 800 × 600 × 16"),
    Mode("cursor 32", _cirrus(0x101, 5) + colours() + _cursor(1, 96, 160), "Cirrus 640 × 480 × 8", cursor=True),
    Mode("cursor 64", _cirrus(0x101, 5) + colours() + _cursor(5, 600, 440), "Cirrus 640 × 480 × 8", cursor=True),
)  # fmt: skip


def disk(modes: tuple[Mode, ...]) -> bytes:
    """Return a boot disk that goes through `modes`, with the marks 'A', 'B' and so on."""
    script = b"".join(mode.steps + b"m" + bytes([65 + number]) for number, mode in enumerate(modes))
    if len(script) > SIZE:
        raise ValueError(f"{len(script)} bytes of script are too many")
    return screens() + script.ljust(SIZE, b"\0")
