"""The screens of a saved state: which of its sections are displays, and what each of them shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmsnap_gui.guest.screen.bochs import draw_bochs
from vmsnap_gui.guest.screen.cirrus import with_cursor
from vmsnap_gui.guest.screen.layout import cirrus_layout, vga_layout
from vmsnap_gui.guest.screen.memory import VideoMemory
from vmsnap_gui.guest.screen.ramfb import draw_ramfb, ram_framebuffer
from vmsnap_gui.guest.screen.registers import cirrus_registers, integer, member, vga_registers
from vmsnap_gui.guest.screen.result import NoScreen, NothingShown, Screen
from vmsnap_gui.guest.screen.vga import Adapter, Picture, draw
from vmsnap_gui.guest.screen.virtio_gpu import VirtioGpu, draw_scanout, parse_gpu
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.fields import Field
    from vmsnap_gui.vmstate.sections import Section

_QXL_VGA_MODE = 1
_QXL_SHARED = frozenset({32})  # its own listener (qxl.c, display_listener_ops) takes nothing else
_MODERN = (9, 0)
_VERSION = re.compile(r"-(\d+)\.(\d+)$")
_BIG_ENDIAN = ("pseries", "powernv", "mac99", "g3beige", "40p", "sun4")
_OLD_VIDEO = 8 << 20  # VGA_RAM_SIZE up to QEMU 1.1
_MIB = 1 << 20
_CPU_0_10 = 8  # the version of QEMU 0.10's cpu section
_RAM_BASES = {"pc.ram": 0, "mach-virt.ram": 0x40000000, "riscv_virt_board.ram": 0x80000000, "loongarch.ram": 0}
"""Where main memory begins in guest-physical addresses, by its block."""
_RAM_HOLE = 2 << 30
"""Bytes of main memory that x86 machines certainly have in one piece."""


def screens(state: VMState, progress: Progress | None = None) -> tuple[Screen | NoScreen, ...]:
    """Return what each display of a state shows, in the order of their sections; at least one result.

    Only the memory that is shown is read, and the end of the RAM sections, where that of a machine stands that was
    saved while it stood still. A live one may need all of RAM to be indexed first.

    Args:
        state: The state.
        progress: Called while RAM is looked through; may raise Cancelled.

    Raises:
        ImageError: the file below cannot be read.
        Cancelled: by `progress`.
    """
    found = tuple(_Displays(state, progress).results())
    none = "the machine has no display that is known here"
    if state.cut_off:
        none = "the state is cut off, and no display that is known here is among the devices before that place"
    return found or (NoScreen(none),)


def screen(state: VMState, progress: Progress | None = None) -> Screen | NoScreen:
    """Return the first display that shows something, else why the first one shows nothing. Raises like `screens`."""
    found = screens(state, progress)
    return next((one for one in found if isinstance(one, Screen)), found[0])


class _Displays:
    """Renders the displays of one state."""

    def __init__(self, state: VMState, progress: Progress | None) -> None:
        self._state = state
        self._progress = progress
        version = _VERSION.search(state.machine or "")
        self._is_modern = tuple(map(int, version.groups())) >= _MODERN if version else state.machine is not None
        self._shared = frozenset({15, 16, 24, 32} if self._is_modern else {16, 24, 32})
        self._memories: list[VideoMemory] = []

    def results(self) -> Iterator[Screen | NoScreen]:
        """Yield a result for each display."""
        kinds = {
            "vga": self._vga, "cirrus_vga": self._cirrus, "qxl": self._qxl, "virtio-vga": self._virtio_vga,
            "virtio-gpu": self._virtio_gpu, "bochs-display": self._bochs, "ramfb-dev": self._ramfb,
        }  # fmt: skip
        for section in self._state.sections:
            drawn = kinds.get(section.name.rpartition("/")[2])
            if drawn is not None and section.type is SectionType.FULL:
                yield from self._results(section, drawn)

    def _results(self, section: Section, drawn: Callable[[Section], list[Picture]]) -> list[Screen | NoScreen]:
        self._memories.clear()
        try:
            pictures = drawn(section)
        except NothingShown as nothing:
            return [NoScreen(str(nothing), section.key)]
        except StreamError as error:
            return [NoScreen(error.message, section.key)]
        failed = sum(memory.failed for memory in self._memories)
        problem = f"{failed} pages of video memory cannot be unpacked" if failed else None
        return [Screen(one.pixels, one.mode, section.key, one.doubts, problem) for one in pictures]

    def _vga(self, section: Section) -> list[Picture]:
        root = self._state.decode(section)
        if member(root, "vga") is None:
            self._check_bare(root)
        return [self._vga_picture(section, root, self._shared)]

    def _check_bare(self, root: Field) -> None:
        """Raise NothingShown for a VGA of ISA or VMware, whose registers are the section itself, where it shows none.

        QEMU describes the registers of ISA's adapters as if they were at the start of what they are a part of (seen in
        7.2 and 10.0), so that other bytes are saved, and none of theirs; before QEMU 0.15 they were right.
        """
        vmware = self._vmware()
        if vmware is not None:
            chip = member(self._state.decode(vmware), "chip")
            if chip is not None and integer(chip, "enable") and integer(chip, "config"):
                raise NothingShown("the guest uses VMware's SVGA mode, which is not rendered")
            return
        is_described = member(root, "cr") is not None or member(root, "vga.cr") is not None
        if self._state.machine is not None and is_described:
            raise NothingShown("QEMU does not save the registers of ISA's VGA adapters, but other bytes in their place")

    def _vmware(self) -> Section | None:
        """Return the section of a VMware SVGA, whose VGA is a section without a path (vmware_vga.c, vmsvga_init)."""
        return next((one for one in self._state.sections if one.name.rpartition("/")[2] == "vmware_vga"), None)

    def _vga_picture(self, section: Section, root: Field, shared: frozenset[int]) -> Picture:
        registers = vga_registers(root)
        big = registers.big_endian
        if big is None:
            big = (self._state.machine or "").startswith(_BIG_ENDIAN)
        memory = self._memory(section, "vga.vram")
        return draw(Adapter(registers, vga_layout(registers), memory, "VBE", self._is_modern, big, shared))

    def _cirrus(self, section: Section) -> list[Picture]:
        root = self._state.decode(section)
        if member(root, "cirrus_vga") is None:
            self._check_bare(root)
        registers, cirrus = vga_registers(root), cirrus_registers(root)
        memory = self._memory(section, "vga.vram")
        layout = cirrus_layout(registers, cirrus)
        picture = draw(Adapter(registers, layout, memory, "Cirrus", self._is_modern, False, self._shared))
        return [with_cursor(picture, registers, cirrus, memory) if registers.gr[6] & 1 else picture]

    def _qxl(self, section: Section) -> list[Picture]:
        root = self._state.decode(section)
        if member(root, "mode") is not None and integer(root, "mode") != _QXL_VGA_MODE:
            raise NothingShown("the guest uses QXL's own mode, which the SPICE server draws")
        return [self._vga_picture(section, root, _QXL_SHARED)]

    def _virtio_vga(self, section: Section) -> list[Picture]:
        gpu = self._twin(section, "virtio-gpu")
        return [] if gpu is not None and self._gpu(gpu).is_on else self._vga(section)

    def _virtio_gpu(self, section: Section) -> list[Picture]:
        gpu = self._gpu(section)
        if not gpu.is_on and self._twin(section, "virtio-vga") is not None:
            return []  # the adapter shows its VGA
        used = [scanout for scanout in gpu.scanouts if scanout.resource] or list(gpu.scanouts[:1])
        return [draw_scanout(self._state.view, gpu, scanout) for scanout in used]

    def _twin(self, section: Section, kind: str) -> Section | None:
        """Return the other section of a virtio-vga, which is a VGA and a virtio-gpu in one."""
        name = f"{section.name.rpartition('/')[0]}/{kind}"
        return next((other for other in self._state.sections if other.name == name), None)

    def _gpu(self, section: Section) -> VirtioGpu:
        """Find the data of a virtio-gpu by its description alone: it can be larger than a section that is held."""
        found = self._state.description(section)
        offset = section.payload_offset
        for field in found.description.fields if found is not None else ():
            if field.name == "virtio-gpu":
                return parse_gpu(self._state.view, offset, field.total)
            offset += field.total
        raise NothingShown("nothing describes the section of this display, so its pictures are not found")

    def _bochs(self, section: Section) -> list[Picture]:
        root = self._state.decode(section)
        return [draw_bochs(root, self._memory(section, "bochs-display-vram"))]

    def _ramfb(self, section: Section) -> list[Picture]:
        found = ram_framebuffer(self._state.decode(section))
        for info in self._state.ram_blocks:
            base = _RAM_BASES.get(info.name)
            size = min(info.length, _RAM_HOLE) if info.name == "pc.ram" else info.length
            if base is not None and base <= found.address and found.end <= base + size:
                return [draw_ramfb(found, self._block_memory(info.name), base)]
        raise NothingShown("its picture is in a part of guest memory whose place is not known")

    def _memory(self, section: Section, block: str) -> VideoMemory:
        """Return the video memory of a device: its RAM block has the device's path, or none (global_vmstate)."""
        names = [info.name for info in self._state.ram_blocks]
        vmware = self._vmware() if section.name == "vga" else None
        path = (vmware or section).name.rpartition("/")[0]
        for name in (f"{path}/{block}", block):
            if name in names:
                return self._block_memory(name)
        if names == ["ram"]:
            return self._flat_memory()
        raise NothingShown("the state holds no memory of this display")

    def _block_memory(self, name: str, start: int = 0, size: int | None = None) -> VideoMemory:
        index = self._state.index_blocks({name}, self._progress)
        self._memories.append(VideoMemory(index, index.block(name), start, size))
        return self._memories[-1]

    def _flat_memory(self) -> VideoMemory:
        """Return the video memory out of RAM without blocks (up to QEMU 0.12).

        QEMU 0.10 allocates it behind main memory, which is of whole MiB, and before less than a MiB of firmware; later
        ones allocate it last.
        """
        total = self._state.ram_blocks[0].length
        start = max(0, total - _OLD_VIDEO)
        if any(section.name == "cpu" and section.version <= _CPU_0_10 for section in self._state.sections):
            start -= start % _MIB
        return self._block_memory("ram", start, min(_OLD_VIDEO, total))
