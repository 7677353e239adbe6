"""Compressed pages and XBZRLE deltas, the right ones and the wrong ones."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vmstate.streams import Memory, delta, u16, u32
from vmsnap_gui.vmstate.ram_codec import Steps, apply_delta, inflate
from vmsnap_gui.vmstate.wire import Reader, StreamError


def encode(old: bytes, new: bytes) -> bytes:
    """Write the XBZRLE delta that makes `new` of `old`."""
    runs: list[tuple[int, bytes]] = []
    i = 0
    while i < len(new):
        start = i
        while i < len(new) and old[i] == new[i]:
            i += 1
        if i == len(new):
            break
        same, start = i - start, i
        while i < len(new) and old[i] != new[i]:
            i += 1
        runs.append((same, new[start:i]))
    return delta(*runs)


@given(st.binary(min_size=300, max_size=300), st.binary(min_size=300, max_size=300), st.integers(0, 300))
def test_a_delta_makes_the_new_page(old: bytes, new: bytes, same: int) -> None:
    new = old[:same] + new[same:]
    before = bytearray(old)
    assert apply_delta(before, encode(old, new)) == new
    assert before == old


@pytest.mark.parametrize("unchanged", [0, 1, 0x7F, 0x80, 0x81, 0x3FFF])
@pytest.mark.parametrize("changed", [1, 0x7F, 0x80, 0x81, 0x3FFF])
def test_lengths_of_one_and_two_bytes(unchanged: int, changed: int) -> None:
    size = 65536
    found = apply_delta(bytearray(size), delta((unchanged, b"x" * changed)))
    assert found == bytes(unchanged) + b"x" * changed + bytes(size - unchanged - changed)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0", "an XBZRLE page has a run without end"),
        (b"\x11\x01a", "an XBZRLE page has a run without end"),
        (b"\0\0", "an XBZRLE page has a run past its end"),
        (b"\0\x02a", "an XBZRLE page has a run past its end"),
        (b"\x0f\x02ab", "an XBZRLE page has a run past its end"),
        (b"\x80", "an XBZRLE page has a number that is too long"),
        (b"\x80\x80\x01", "an XBZRLE page has a number that is too long"),
        (b"\0\xff\xff\xff", "an XBZRLE page has a number that is too long"),
    ],
)
def test_wrong_deltas(data: bytes, reason: str) -> None:
    with pytest.raises(StreamError) as caught:
        apply_delta(bytearray(16), data)
    assert caught.value.message == reason


@given(st.binary(max_size=60))
def test_any_bytes_make_a_page_or_an_error(data: bytes) -> None:
    try:
        found = apply_delta(bytearray(32), data)
    except StreamError:
        return
    assert len(found) == 32


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_compressed_page(level: int) -> None:
    page = bytes(range(256)) * 16
    assert inflate(zlib.compress(page, level), 4096) == page
    assert inflate(zlib.compress(page, level) + b"more", 4096) == page


@pytest.mark.parametrize("size", [0, 4095, 4097, 100_000_000])
def test_another_size_than_that_of_a_page(size: int) -> None:
    with pytest.raises(StreamError, match=r"^a compressed page does not have the size of a page$"):
        inflate(zlib.compress(bytes(size)), 4096)


def test_what_is_no_zlib_data() -> None:
    with pytest.raises(StreamError, match=r"^a compressed page cannot be decompressed: "):
        inflate(b"not a zlib", 4096)
    with pytest.raises(StreamError, match=r"^a compressed page does not have the size of a page$"):
        inflate(zlib.compress(bytes(range(256)) * 16)[:-20], 4096)


def test_steps() -> None:
    packed, change = zlib.compress(b"A" * 16), delta((1, b"B"))
    view = Memory(b"xxxx" + u32(len(packed)) + packed + u16(len(change)) + change)
    steps = Steps()
    first = steps.add_compressed(8)
    second = steps.add_delta(8 + len(packed) + 2, -1000)
    assert (first, second, len(steps)) == (0, 1, 2)
    assert (steps.before(first), steps.before(second)) == (0, -1000)
    reader = Reader(view)
    content = steps.apply(reader, first, bytearray(16))
    assert steps.apply(reader, second, content) == b"AB" + b"A" * 14
