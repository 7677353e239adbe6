"""Searching RAM: what was typed, where it stands, and what is not read."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.rams import Guest, content, index_of, stream, with_broken_page
from tests.vmstate.streams import Memory, page, pattern, zero
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate import ram_search
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.ram_search import Pattern, search
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.ram import RamIndex

PC = "pc.ram"
PAGES = 32


def index_with(memory: bytes, zeros: set[int] | None = None) -> RamIndex:
    """RAM with this content; the pages `zeros` are written as zero pages."""
    body = b""
    for i in range(len(memory) // 4096):
        block = PC if i == 0 else None
        part = memory[i * 4096 : (i + 1) * 4096]
        body += zero(i * 4096, 0, block) if i in (zeros or ()) else page(i * 4096, part, block)
    return index_of(stream(body, blocks=((PC, len(memory)),)))


def found(index: RamIndex, data: bytes, start: int = 0) -> list[int]:
    return list(search(index, index.blocks[0], Pattern(data), start))


def expected(memory: bytes, data: bytes, start: int = 0) -> list[int]:
    places, at = [], memory.find(data, start)
    while at >= 0:
        places.append(at)
        at = memory.find(data, at + 1)
    return places


@pytest.mark.parametrize("chunk", [4096, 5000, 1 << 20])
@pytest.mark.parametrize("at", [0, 100, 4095, 4090, 4096, 8191, 16383, PAGES * 4096 - 6])
def test_across_page_and_chunk_borders(at: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram_search, "_CHUNK", chunk)
    memory = bytearray(b"".join(pattern(i) for i in range(PAGES)))
    memory[at : at + 6] = b"needle"
    index = index_with(bytes(memory))
    assert found(index, b"needle") == [at]
    assert found(index, b"needle", at) == [at]
    assert found(index, b"needle", at + 1) == []
    assert found(index, b"needle", -5) == [at]
    assert found(index, b"needle", 1 << 40) == []


def test_matches_may_overlap() -> None:
    memory = bytes(100) + b"aaaa" + bytes(4096 - 104)
    assert found(index_with(memory), b"aa") == [100, 101, 102]


def test_nothing_there() -> None:
    assert found(index_with(pattern(1) * 4), b"needle") == []
    assert found(index_with(bytes(4096), {0}), b"x") == []


def test_a_pattern_as_long_as_the_block_and_longer() -> None:
    memory = pattern(3)
    index = index_with(memory)
    assert found(index, memory) == [0]
    assert found(index_with(bytes(4096), {0}), bytes(4096)) == [0]
    index = index_of(stream(page(0, memory, PC), blocks=((PC, 512),)))
    assert found(index, memory) == []


def test_zero_pages_are_not_read_but_matches_reach_into_them() -> None:
    memory = bytearray(64 * 4096)
    memory[30 * 4096 : 31 * 4096] = pattern(1)
    memory[30 * 4096 - 0 : 30 * 4096 + 1] = b"Z"
    memory[31 * 4096 - 1 : 31 * 4096] = b"E"
    index = index_with(bytes(memory), set(range(64)) - {30})
    assert found(index, b"\0\0Z") == [30 * 4096 - 2]
    assert found(index, b"E\0\0") == [31 * 4096 - 1]


def test_zeros_are_found_in_zero_pages() -> None:
    index = index_with(bytes(3 * 4096), {0, 1, 2})
    assert len(found(index, bytes(16))) == 3 * 4096 - 15


def test_pages_without_the_pattern_cost_no_reading() -> None:
    body = zero(0, 0, PC) + b"".join(zero(4096 * i) for i in range(1, 5000)) + page(4096 * 5000, pattern(9))
    view = Memory(stream(body, blocks=((PC, 4096 * 6000),)))
    index = open_state(view).index_ram()
    before = view.read_bytes
    assert found(index, pattern(9)[:50]) == [5000 * 4096]
    assert view.read_bytes - before < 100_000


def test_fill_pages_are_searched() -> None:
    index = index_of(stream(zero(0, 0xA5, PC), blocks=((PC, 8192),)))
    assert len(found(index, b"\xa5" * 4096)) == 1
    assert len(found(index, b"\xa5\0")) == 1


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1 << 30), st.binary(min_size=1, max_size=4), st.integers(0, 8 * 4096), st.sampled_from([4096, 9999])
)
def test_as_bytes_find_would(seed: int, data: bytes, start: int, chunk: int) -> None:
    guest = Guest(((PC, 8 * 4096),), 4096, seed)
    index = index_of(stream(guest.part(30), blocks=((PC, 8 * 4096),)))
    memory = bytes(guest.memory[PC])
    chance = random.Random(seed)
    if chance.random() < 0.7:
        at = chance.randrange(len(memory) - 4)
        data = memory[at : at + len(data)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ram_search, "_CHUNK", chunk)
        assert found(index, data, start) == expected(memory, data, start)
    assert content(index, index.blocks[0]) == memory


def test_a_page_that_cannot_be_unpacked_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram_search, "_CHUNK", 16 * 4096)
    index = open_state(Memory(with_broken_page(20))).index_ram()
    unread: set[int] = set()
    block = index.blocks[0]
    places = list(search(index, block, Pattern(pattern(7)[8:16]), 0, None, unread))
    memory = b"".join(bytes(4096) if i == 20 else pattern(i) for i in range(64))
    assert places == [at for at in expected(memory, pattern(7)[8:16]) if at // 4096 != 20]
    assert len(places) > 60
    assert unread == {20}
    zeros = {at // 4096 for at in found(index, bytes(3))}  # each page begins with three
    assert zeros == set(range(64)) - {20}
    assert index.read_leniently(block, 20 * 4096 - 3, 6) == (pattern(19)[-3:] + bytes(3), [20])
    assert index.read_leniently(block, 21 * 4096, 6) == (pattern(21)[:6], [])
    with pytest.raises(StreamError, match=r"^block pc\.ram has 0x40000 bytes"):
        index.read_leniently(block, 64 * 4096 - 3, 6)


def test_progress_and_cancel() -> None:
    count = 1200
    memory = b"".join(pattern(i) for i in range(count))
    index = index_with(memory)
    block = index.blocks[0]
    seen: list[tuple[int, int]] = []
    places = list(search(index, block, Pattern(pattern(7)[:50]), 0, lambda done, total: seen.append((done, total))))
    assert places == [7 * 4096]
    assert seen[0][0] == 0
    assert seen[-1] == (block.length, block.length)
    assert len(seen) >= count * 4096 >> 20
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def cancel(done: int, total: int) -> None:
        if done > 2 << 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(search(index, block, Pattern(b"nowhere"), 0, cancel))


@pytest.mark.parametrize(
    ("text", "options", "data"),
    [
        ("abc", {"how": "text"}, b"abc"),
        ("zwölf", {"how": "text"}, "zwölf".encode()),
        ("ab", {"how": "text", "encoding": "utf-16-le"}, b"a\0b\0"),
        (" a ", {"how": "text"}, b" a "),
        ("4d5a", {"how": "hex"}, b"MZ"),
        ("4D 5a, 90 00", {"how": "hex"}, b"MZ\x90\0"),
        ("0x4d 0x5a", {"how": "hex"}, b"MZ"),
        ("1", {"how": "integer"}, b"\1\0\0\0"),
        ("-1", {"how": "integer", "size": 2}, b"\xff\xff"),
        ("0xdeadbeef", {"how": "integer"}, b"\xef\xbe\xad\xde"),
        ("0xdeadbeef", {"how": "integer", "little_endian": False}, b"\xde\xad\xbe\xef"),
        ("0b101", {"how": "integer", "size": 1}, b"\5"),
        (" 255 ", {"how": "integer", "size": 1}, b"\xff"),
        ("-128", {"how": "integer", "size": 1}, b"\x80"),
        ("18446744073709551615", {"how": "integer", "size": 8}, b"\xff" * 8),
    ],
)
def test_what_was_typed(text: str, options: dict[str, object], data: bytes) -> None:
    assert Pattern.parse(text, **options) == Pattern(data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("", {"how": "text"}, "Type what to look for."),
        ("", {"how": "hex"}, "Type what to look for."),
        (" ", {"how": "integer"}, "That is no number; write it as 1234, -5 or 0x4d2."),
        ("x" * 4097, {"how": "text"}, "That is 4097 bytes long; at most 4096 can be looked for."),
        ("\ud800", {"how": "text"}, "That text cannot be written in utf-8."),
        ("4d5", {"how": "hex"}, "Hex bytes need two digits each."),
        ("4g", {"how": "hex"}, "Hex bytes have only the digits 0-9 and a-f."),
        ("twelve", {"how": "integer"}, "That is no number; write it as 1234, -5 or 0x4d2."),
        ("1" * 5000, {"how": "integer"}, "That is no number; write it as 1234, -5 or 0x4d2."),
        ("256", {"how": "integer", "size": 1}, "That number does not fit into 1 byte."),
        ("-129", {"how": "integer", "size": 1}, "That number does not fit into 1 byte."),
        ("4294967296", {"how": "integer"}, "That number does not fit into 4 bytes."),
    ],
)
def test_what_cannot_be_looked_for(text: str, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Pattern.parse(text, **options)  # type: ignore[arg-type]
