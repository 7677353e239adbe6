"""Displays that no BIOS drives, driven over qtest: bochs-display, a second VGA, virtio-gpu; against screendump."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest.screened import picture, rendered
from tests.guest.test_screen import same
from tests.machines.qtest import DrivenMachine
from tests.machines.virtio_gpu import VirtioGpu
from vmsnap_gui.guest.screen.result import NoScreen, Screen

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.verify

_SLOT = 5
_VBE, _VGA = 0x500, 0x400
_PC = ("-M", "pc", "-m", "64", "-nodefaults", "-vga", "none")


def _noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def _set_mode(driven: DrivenMachine, mmio: int, **registers: int) -> None:
    numbers = {"width": 1, "height": 2, "depth": 3, "virtual": 6, "x": 8, "y": 9}
    driven.write(2, mmio + _VBE + 8, 0)
    for name in ("width", "height", "depth"):
        driven.write(2, mmio + _VBE + 2 * numbers[name], registers[name])
    driven.write(2, mmio + _VBE + 8, 0x41)
    for name in ("virtual", "x", "y"):
        driven.write(2, mmio + _VBE + 2 * numbers[name], registers.get(name, 0))


def test_displays_that_nobody_uses(tmp_path: Path) -> None:
    devices = ("virtio-vga", "bochs-display", "virtio-gpu-pci")
    with DrivenMachine([*_PC, *(word for device in devices for word in ("-device", device))]) as driven:
        results = rendered(driven.machine, tmp_path)
        reasons = [result.reason for result in results if isinstance(result, NoScreen)]
        assert [reason.split(":")[0] for reason in reasons] == [
            "the screen is blank",
            "no mode is set",
            "the output is off",
        ]
        assert len(results) == len(devices)


@pytest.mark.parametrize("depth", [16, 32])
@pytest.mark.parametrize("moved", [{}, {"virtual": 1024, "x": 100, "y": 77}], ids=["plain", "moved"])
def test_bochs_display(tmp_path: Path, depth: int, moved: dict[str, int]) -> None:
    with DrivenMachine([*_PC, "-device", f"bochs-display,id=d,addr={_SLOT}"]) as driven:
        bars = driven.map_bars(_SLOT)
        _set_mode(driven, bars[2], width=800, height=600, depth=depth, **moved)
        driven.fill(bars[0], _noise(4 << 20))
        shown = picture(driven.machine, tmp_path)
        (result,) = rendered(driven.machine, tmp_path)
        same(result, shown)
        assert isinstance(result, Screen)
        assert result.mode == f"VBE 800 × 600 × {depth}"


def test_second_vga(tmp_path: Path) -> None:
    with DrivenMachine([*_PC, "-device", "VGA,addr=4", "-device", f"secondary-vga,id=d,addr={_SLOT}"]) as driven:
        bars = driven.map_bars(_SLOT)
        driven.write(1, bars[2] + _VGA, 0x20)
        _set_mode(driven, bars[2], width=640, height=480, depth=32, virtual=640)
        driven.fill(bars[0], _noise(640 * 480 * 4))
        shown = picture(driven.machine, tmp_path, "d")
        first, second = rendered(driven.machine, tmp_path)
        assert isinstance(first, NoScreen)
        assert "blank" in first.reason
        same(second, shown)


def test_formats_of_virtio_gpu(tmp_path: Path) -> None:
    formats = (1, 2, 3, 4, 67, 68, 121, 134)
    device = f"virtio-gpu-pci,id=d,addr={_SLOT},max_outputs={len(formats)}"
    with DrivenMachine([*_PC, "-device", device]) as driven:
        gpu = VirtioGpu(driven, _SLOT)
        for head, kind in enumerate(formats):
            gpu.create(20 + head, kind, 320, 240, _noise(320 * 240 * 4, kind))
            gpu.show(head, 20 + head, (0, 0, 320, 240))
        results = rendered(driven.machine, tmp_path)
        assert len(results) == len(formats)
        for head, result in enumerate(results):
            same(result, picture(driven.machine, tmp_path, "d", head))
            assert isinstance(result, Screen)
            assert result.mode == "virtio-gpu 320 × 240"


@pytest.mark.parametrize("device", ["virtio-gpu-pci,max_outputs=2", "virtio-vga,max_outputs=2"])
def test_two_outputs_show_parts_of_two_pictures(tmp_path: Path, device: str) -> None:
    with DrivenMachine([*_PC, "-device", f"{device},id=d,addr={_SLOT}"]) as driven:
        gpu = VirtioGpu(driven, _SLOT)
        gpu.create(1, 2, 640, 480, _noise(640 * 480 * 4))
        gpu.create(9, 2, 200, 100, _noise(200 * 100 * 4, 2))
        gpu.show(0, 1, (40, 30, 500, 400))
        gpu.show(1, 9, (0, 0, 200, 100))
        machine = driven.machine
        results = rendered(machine, tmp_path)
        assert len(results) == 2
        for head, result in enumerate(results):
            same(result, picture(machine, tmp_path, "d", head))


@pytest.mark.parametrize(("fourcc", "size"), [(b"XR24", 4), (b"RG24", 3)])
def test_ramfb(tmp_path: Path, fourcc: bytes, size: int) -> None:
    with DrivenMachine([*_PC, "-device", "ramfb"]) as driven:
        stride = 320 * size + 40
        driven.fill(0x200000, _noise(stride * 240))
        driven.configure_firmware("etc/ramfb", struct.pack(">Q4sIIII", 0x200000, fourcc[::-1], 0, 320, 240, stride))
        shown = picture(driven.machine, tmp_path)
        assert shown.shape == (240, 320, 3)
        version = driven.machine.qmp("query-version")["qemu"]
        (result,) = rendered(driven.machine, tmp_path)
        if (version["major"], version["minor"]) < (8, 2):  # it saves nothing of a ramfb
            assert isinstance(result, NoScreen)
            assert "no display" in result.reason
        else:
            same(result, shown)
