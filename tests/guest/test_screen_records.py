"""Displays whose pictures are records of their own: virtio-gpu's resources, damaged, and ramfb's configuration."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmstate.layouts import body, buffer, nested
from tests.vmstate.rams import RAM_ID
from tests.vmstate.streams import END_MARK, Memory, Stream, page, table
from vmsnap_gui.guest.screen.display import screen
from vmsnap_gui.guest.screen.result import NoScreen, NothingShown, Screen
from vmsnap_gui.guest.screen.virtio_gpu import draw_scanout, parse_gpu
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.wire import StreamError

NUMBERS = st.integers(0, 9) | st.integers(0, 0xFFFFFFFF)


@given(st.lists(NUMBERS, max_size=60))
def test_any_numbers_as_a_virtio_gpu(numbers: list[int]) -> None:
    data = struct.pack(f">{len(numbers)}I", *numbers) + bytes(8)
    view = Memory(data)
    try:
        gpu = parse_gpu(view, 0, len(data))
    except StreamError:
        return
    for scanout in gpu.scanouts:
        try:
            picture = draw_scanout(view, gpu, scanout)
        except NothingShown:
            continue
        assert picture.pixels.shape == (scanout.height, scanout.width, 3)


def test_a_scanout_wider_than_its_picture() -> None:
    resource = struct.pack(">5I", 1, 4, 4, 1, 0) + bytes(64)
    scanouts = struct.pack(">3I", 0, 1, 1) + struct.pack(">10I", 1, 5, 4, 0, 0, 0, 0, 0, 0, 0)
    data = resource + scanouts
    gpu = parse_gpu(Memory(data), 0, len(data))
    with pytest.raises(NothingShown, match="more than its picture has"):
        draw_scanout(Memory(data), gpu, gpu.scanouts[0])


def _ramfb(address: int, fourcc: bytes, width: int, height: int, stride: int, pages: list[bytes]) -> Screen | NoScreen:
    """Render a machine whose only display is a ramfb, and whose RAM is `pages`."""
    config = struct.pack(">Q4sIIII", address, fourcc[::-1], 0, width, height, stride)
    state = body(buffer("cfg", config), name="ramfb")
    records = b"".join(page(i * 4096, data, "pc.ram" if i == 0 else None) for i, data in enumerate(pages))
    stream = Stream().configuration().ram(table(("pc.ram", len(pages) * 4096)), records + END_MARK, section_id=RAM_ID)
    stream.full(body(nested("state", state), name="ramfb-dev"))
    return screen(open_state(Memory(stream.finish())))


def test_ramfb_reads_guest_memory() -> None:
    pages = [np.random.default_rng(number).integers(0, 256, 4096, np.uint8).tobytes() for number in range(8)]
    found = _ramfb(0x1004, b"XR24", 32, 20, 256, pages)
    assert isinstance(found, Screen)
    assert found.mode == "ramfb 32 × 20 × 32"
    memory = np.frombuffer(b"".join(pages), np.uint8)[0x1004 : 0x1004 + 20 * 256].reshape(20, 64, 4)
    assert np.array_equal(found.pixels, memory[:, :32, 2::-1])


@pytest.mark.parametrize(
    ("address", "fourcc", "width", "reason"),
    [
        (0, b"XR24", 0, "not set this display up"),
        (0, b"YUYV", 32, "unknown format"),
        (0x7000, b"XR24", 32, "whose place is not known"),
        (1 << 63, b"XR24", 32, "whose place is not known"),
        (0, b"XR24", 0xFFFFFFFF, "more than is rendered"),
    ],
)
def test_a_ramfb_that_shows_nothing(address: int, fourcc: bytes, width: int, reason: str) -> None:
    found = _ramfb(address, fourcc, width, 20, 256, [bytes([7]) * 4096] * 8)
    assert isinstance(found, NoScreen)
    assert reason in found.reason
