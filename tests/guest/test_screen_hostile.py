"""Screens of states whose registers are made up: never a crash, never more memory than a screen can need."""

from __future__ import annotations

import functools
import re
import zlib
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.samples import QCOW2, sample
from tests.vmstate.streams import Memory
from vmsnap_gui.guest.screen.display import screen, screens
from vmsnap_gui.guest.screen.png import png_bytes
from vmsnap_gui.guest.screen.registers import member
from vmsnap_gui.guest.screen.result import MAX_PIXELS, NoScreen, Screen
from vmsnap_gui.guest.screen.thumbnail import shrunk, thumbnail
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.snapshots import open_snapshot

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.fields import Field

pytestmark = pytest.mark.slow

STREAM = "q35-default@10.0/s-plain.vmstate"


@functools.cache
def _recorded() -> tuple[bytes, Field]:
    """Return a recorded stream, and the registers of the VGA in it."""
    data = sample(STREAM).read_bytes()
    state = open_state(Memory(data))
    section = next(section for section in state.sections if section.name.endswith("/vga"))
    registers = member(state.decode(section), "vga")
    assert registers is not None
    return data, registers


def _with(**values: bytes) -> Screen | NoScreen:
    """Render the recorded state with other bytes in some fields."""
    data, registers = _recorded()
    changed = bytearray(data)
    for name, value in values.items():
        field = member(registers, name)
        assert field is not None
        part = value[: field.size]
        changed[field.offset : field.offset + len(part)] = part
    return screen(open_state(Memory(bytes(changed))))


def _vbe(width: int, height: int, depth: int, start: int = 0, line: int = 0) -> Screen | NoScreen:
    numbers = (0xB0C5, width, height, depth, 0x41, 0, width, height, 0, 0)
    registers = b"".join(number.to_bytes(2, "big") for number in numbers)
    return _with(
        vbe_regs=registers, vbe_start_addr=start.to_bytes(4, "big"), vbe_line_offset=line.to_bytes(4, "big"),
        gr=bytes([0, 0, 0, 0, 0, 0x40, 5]), ar_index=b"\x20",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height"), [(0, 480), (640, 0), (65535, 65535), (16000, 16000), (16385, 8), (8, 65535)]
)
def test_sizes_that_no_screen_has(width: int, height: int) -> None:
    found = _vbe(width, height, 32, 0, 4 * width)
    assert isinstance(found, NoScreen)
    assert f"{width} × {height}" in found.reason


@pytest.mark.parametrize("depth", [4, 8, 15, 16, 24, 32, 77])
@pytest.mark.parametrize("start", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("line", [0, 1 << 31, 0xFFFFFFF8])
def test_addresses_past_the_memory_wrap(depth: int, start: int, line: int) -> None:
    found = _vbe(640, 480, depth, start, line)
    assert isinstance(found, Screen)
    assert found.pixels.shape == (480, 640, 3)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({
        "sr": st.binary(min_size=8, max_size=8), "gr": st.binary(min_size=16, max_size=16),
        "ar": st.binary(min_size=21, max_size=21), "cr": st.binary(min_size=256, max_size=256),
        "ar_index": st.sampled_from([b"\x20", b"\x00"]), "palette": st.binary(max_size=768),
        "vbe_regs": st.one_of(st.just(bytes(20)), st.binary(min_size=20, max_size=20)),
        "vbe_start_addr": st.binary(min_size=4, max_size=4), "vbe_line_offset": st.binary(min_size=4, max_size=4),
    })
)  # fmt: skip
@example({"cr": bytes(256), "gr": bytes(16)})
@example({"cr": bytes([255]) * 256, "gr": bytes([255]) * 16})
def test_any_registers(values: dict[str, bytes]) -> None:
    found = _with(**values)
    if isinstance(found, Screen):
        height, width = found.pixels.shape[:2]
        assert height * width <= MAX_PIXELS
        for doubt in found.doubts:
            assert 0 <= doubt.left <= doubt.left + doubt.width <= width
            assert 0 <= doubt.top <= doubt.top + doubt.height <= height
    else:
        assert found.reason


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
def test_shrinking_keeps_means_and_proportions(height: int, width: int, most_wide: int, most_high: int) -> None:
    pixels = np.random.default_rng(height * 64 + width).integers(0, 256, (height, width, 3), np.uint8)
    small = shrunk(pixels, (most_wide, most_high))
    assert small.shape[0] <= max(most_high, 1)
    assert small.shape[1] <= max(most_wide, 1)
    if small.shape == (1, 1, 3):
        assert np.abs(small[0, 0] - pixels.mean(axis=(0, 1))).max() <= 0.5 + 1e-3


def test_a_png_holds_the_pixels() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    data = png_bytes(pixels)
    length = int.from_bytes(data[33:37], "big")
    lines = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(7, 16)
    assert set(lines[:, 0].tolist()) == {2}
    assert np.array_equal(np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).reshape(7, 5, 3), pixels)


@pytest.mark.parametrize("name", QCOW2)
def test_every_recorded_image(name: str) -> None:
    with closing(open_image(sample(name))) as image:
        for snapshot in image.snapshots:
            if snapshot.vm_state_size:
                for found in screens(open_snapshot(image, snapshot)):
                    if isinstance(found, Screen):
                        sizes = {"text 80 × 25": (400, 720, 3), "VBE 800 × 600 × 32": (600, 800, 3)}
                        assert found.pixels.shape == sizes[found.mode]
                    else:
                        assert re.search("blank|no display|nothing describes", found.reason)


@pytest.mark.parametrize(
    "name",
    [STREAM, "q35-default@10.0/s-mapped-ram.vmstate", "q35-default@10.0/s-xbzrle-live.vmstate"],
)
def test_recorded_screens_show_the_boot(name: str) -> None:
    state = open_state(Memory(sample(name).read_bytes()))
    (found,) = screens(state)
    assert isinstance(found, Screen)
    assert (found.mode, found.pixels.shape) == ("text 80 × 25", (400, 720, 3))
    assert np.unique(found.pixels.reshape(-1, 3), axis=0).tolist() == [[0, 0, 0], [168, 168, 168]]
    assert 1000 < np.count_nonzero(found.pixels[..., 0]) < 10000
    small = thumbnail(state, (160, 100))
    assert isinstance(small, bytes)
    assert small[16:24] == (160).to_bytes(4, "big") + (89).to_bytes(4, "big")
