"""Indexing RAM: every version and place of the records, every page size, and what is wrong with them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vmstate.checks import check_state
from tests.vmstate.rams import RAM_ID, Guest, content, index_of, state_of, stream
from tests.vmstate.streams import (
    COMPRESSED,
    END_MARK,
    FLUSH,
    HOOK,
    MEM_SIZE,
    Memory,
    Stream,
    compressed,
    counted,
    delta,
    page,
    pattern,
    record,
    table,
    u16,
    u32,
    u64,
    xbzrle,
    zero,
)
from vmsnap_gui.vmstate import ram_parser
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.ram import PageState
from vmsnap_gui.vmstate.ram_parser import RamParser

PC = "pc.ram"
SIZES = [256, 512, 1024, 2048, 4096, 8192, 16384, 65536]


def pages(first: int, count: int, size: int = 4096, block: str | None = PC) -> bytes:
    """Records of `count` pages, each with its own content; the first one names the block."""
    return b"".join(page((first + i) * size, pattern(first + i, size), block if i == 0 else None) for i in range(count))


def zeros(first: int, count: int, size: int = 4096, block: str | None = PC, fill: int = 0) -> bytes:
    return b"".join(zero((first + i) * size, fill, block if i == 0 else None) for i in range(count))


def patterns(first: int, count: int, size: int = 4096) -> bytes:
    return b"".join(pattern(first + i, size) for i in range(count))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("told", ["vmdesc", "configuration", "layout", "layout, zero pages first"])
def test_every_page_size(size: int, told: str) -> None:
    blocks = ((PC, 64 * size), ("rom", 2 * size))
    body = pages(0, 20, size) + zeros(20, 20, size, None) + pages(40, 10, size, None) + pages(0, 2, size, "rom")
    if told == "layout, zero pages first":
        body = zeros(50, 14, size) + body
    whole = Stream()
    if told == "configuration":
        whole.configuration("virt", ("target-page-bits", u32(size.bit_length() - 1)))
    whole.ram(table(*blocks), body + END_MARK, END_MARK, section_id=RAM_ID)
    index = index_of(whole.finish(page_size=size if told == "vmdesc" else None))
    assert (index.page_size, index.complete) == (size, True)
    assert [(b.name, b.pages) for b in index.blocks] == [(PC, 64), ("rom", 2)]
    assert content(index, index.blocks[0]) == (
        patterns(0, 20, size) + bytes(20 * size) + patterns(40, 10, size) + bytes(14 * size)
    )
    assert content(index, index.blocks[1]) == patterns(0, 2, size)


@pytest.mark.parametrize("size", [1024, 4096, 8192])
def test_a_page_size_from_zero_pages_alone(size: int) -> None:
    index = index_of(stream(zeros(0, 16, size), blocks=((PC, 16 * size),), page_size=None))
    assert (index.page_size, index.complete) == (size, True)
    assert index.blocks[0].states().tolist() == [PageState.ZERO] * 16


@pytest.mark.parametrize("size", [1024, 4096])
def test_a_page_size_after_parts_without_pages(size: int) -> None:
    index = index_of(stream(b"", u64(FLUSH), pages(0, 4, size), blocks=((PC, 4 * size),), page_size=None))
    assert (index.page_size, index.complete) == (size, True)
    assert content(index, index.blocks[0]) == patterns(0, 4, size)


def test_a_page_size_from_a_lone_page_before_another_block() -> None:
    """The record after a page may belong to another block and a lower offset."""
    body = page(7 * 1024, pattern(7, 1024), PC) + page(0, pattern(1, 1024), "rom") + zero(1024, 0, "rom")
    index = index_of(stream(body, blocks=((PC, 8192), ("rom", 4096)), page_size=None))
    assert (index.page_size, index.complete) == (1024, True)
    assert index.read(index.block("rom"), 0, 1024) == pattern(1, 1024)


@pytest.mark.slow
def test_a_page_size_learnt_behind_more_than_a_window_of_zero_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram_parser, "_WINDOW", 1 << 18)
    count = (1 << 18) // 9 * 2
    for size in (1024, 4096):
        body = zeros(0, count, size) + pages(count, 8, size, None)
        index = index_of(stream(body, blocks=((PC, (count + 8) * size),), page_size=None))
        assert (index.page_size, index.complete) == (size, True)
        assert index.read(index.blocks[0], count * size, 8 * size) == patterns(count, 8, size)


def test_pages_whose_content_looks_like_records() -> None:
    """A page full of zero-page records must not be taken for records, whatever the page size that is tried."""
    trap = (u64(4096 | 0x22) + b"\0") * 455 + b"\0"
    body = page(0, trap, PC) + page(4096, trap) + pages(2, 20, 4096, None)
    index = index_of(stream(body, blocks=((PC, 32 * 4096),), page_size=None))
    assert (index.page_size, index.complete) == (4096, True)
    assert index.read(index.blocks[0], 0, 8192) == trap * 2


def test_a_page_size_that_cannot_be_told() -> None:
    index = index_of(stream(record(0, 8, PC, b"x" * 1000), page_size=None))
    assert index.problem is not None
    assert index.problem.startswith("the page size cannot be told from the layout of the RAM section")


@pytest.mark.parametrize("where", ["START", "PART", "END", "all"])
def test_pages_in_start_part_or_end(where: str) -> None:
    """Up to 1.0 all pages are in START, later in PART; a live save spreads them over all."""
    head = table((PC, 65536), end=False)
    first, second, third = pages(0, 4), pages(4, 4), zeros(8, 4)
    start = {"START": first + second + third, "all": first}.get(where, b"")
    part = {"PART": first + second + third, "all": second}.get(where, b"")
    end = {"END": first + second + third, "all": third}.get(where, b"")
    whole = Stream().ram(head + start + END_MARK, part + END_MARK, END_MARK, end + END_MARK, section_id=RAM_ID)
    index = index_of(whole.finish())
    assert index.complete
    assert content(index, index.blocks[0]) == patterns(0, 8) + bytes(32768)
    assert index.blocks[0].states().tolist() == [3] * 8 + [1] * 4 + [0] * 4


@pytest.mark.parametrize("where", ["START", "PART"])
@pytest.mark.parametrize("told", [4096, None])
def test_version_3_is_flat_and_has_no_names(where: str, told: int | None) -> None:
    """Up to QEMU 0.12: no block table; a record's address is that of all RAM laid end to end."""
    body = b"".join(u64(4096 * i | 8) + pattern(i) for i in range(12))
    body += b"".join(u64(4096 * i | 2) + b"\0" for i in range(12, 32))
    start, part = (body, b"") if where == "START" else (b"", body)
    whole = Stream(footers=False)
    whole.ram(u64(32 * 4096 | MEM_SIZE) + start + END_MARK, part + END_MARK, END_MARK, version=3, section_id=RAM_ID)
    index = index_of(whole.finish(page_size=told))
    assert index.complete
    assert [(b.name, b.length) for b in index.blocks] == [("ram", 32 * 4096)]
    assert content(index, index.blocks[0]) == patterns(0, 12) + bytes(20 * 4096)


@pytest.mark.parametrize("fill", [0x00, 0x01, 0xA5, 0xFF])
@pytest.mark.parametrize("count", [3, 300])
def test_fill_bytes(fill: int, count: int) -> None:
    index = index_of(stream(zeros(0, count, fill=fill), blocks=((PC, 300 * 4096),)))
    state = PageState.FILL if fill else PageState.ZERO
    assert index.blocks[0].states().tolist() == [state] * count + [PageState.MISSING] * (300 - count)
    assert content(index, index.blocks[0]) == bytes([fill]) * (4096 * count) + bytes(4096 * (300 - count))


def test_the_last_of_repeated_pages_counts() -> None:
    first = pages(0, 16)
    second = page(4096, pattern(100), PC) + zero(8192) + page(4096, pattern(101)) + zero(12288, 0xA5)
    third = zeros(0, 1) + page(8192, pattern(102))
    index = index_of(stream(first, second, third))
    assert content(index, index.blocks[0]) == (
        bytes(4096) + pattern(101) + pattern(102) + b"\xa5" * 4096 + patterns(4, 12)
    )


def test_the_last_counts_also_within_one_run_and_one_batch() -> None:
    run = b"".join(page(4096 * (i % 3), pattern(i)) for i in range(100))
    index = index_of(stream(page(0, pattern(500), PC) + run))
    assert index.read(index.blocks[0], 0, 3 * 4096) == pattern(99) + pattern(97) + pattern(98)
    batch = b"".join(page(4096, pattern(i)) + zero(8192, i) for i in range(5))
    index = index_of(stream(page(0, pattern(500), PC) + batch))
    assert index.read(index.blocks[0], 4096, 8192) == pattern(4) + b"\x04" * 4096


def test_multifd_flushes_are_passed_over() -> None:
    body = u64(FLUSH) + pages(0, 2) + u64(FLUSH) + pages(2, 2, block=None) + u64(FLUSH)
    index = index_of(stream(body))
    assert index.read(index.blocks[0], 0, 4 * 4096) == patterns(0, 4)


def test_xbzrle_chains() -> None:
    """Deltas over a page, a zero page, a missing page, over each other, and after a repeated whole page."""
    first = page(0, pattern(0), PC) + zero(4096) + zero(8192, 0xFF)
    second = (
        xbzrle(0, delta((0, b"AB"), (4, b"CD")), PC)
        + xbzrle(4096, delta((4095, b"!")))
        + xbzrle(8192, delta((10, b"xyz")))
        + xbzrle(12288, delta((200, b"?" * 200)))
    )
    third = xbzrle(0, delta((1, b"Q")), PC) + page(4096, pattern(9)) + xbzrle(8192, delta((11, b"Y")))
    fourth = xbzrle(4096, delta((0, b"again")), PC) + page(12288, pattern(8))
    index = index_of(stream(first, second, third, fourth))
    assert index.complete
    zeroth = b"AQ" + pattern(0)[2:6] + b"CD" + pattern(0)[8:]
    fill = b"\xff" * 10 + b"xYz" + b"\xff" * 4083
    assert content(index, index.blocks[0])[:16384] == zeroth + b"again" + pattern(9)[5:] + fill + pattern(8)
    assert index.blocks[0].states().tolist()[:4] == [PageState.DATA] * 4


def test_an_xbzrle_page_that_nothing_came_before_is_on_zeros() -> None:
    index = index_of(stream(xbzrle(4096, delta((1000, b"abc")), PC)))
    assert content(index, index.blocks[0])[4096:8192] == bytes(1000) + b"abc" + bytes(3093)


def test_compressed_pages() -> None:
    body = compressed(0, pattern(1), PC) + compressed(4096, bytes(4096)) + page(8192, pattern(3))
    body += xbzrle(0, delta((0, b"!"))) + compressed(8192, pattern(4)) + compressed(12288, pattern(5))
    index = index_of(stream(body, page(12288, pattern(6), PC)))
    assert index.complete
    assert content(index, index.blocks[0])[:16384] == (b"!" + pattern(1)[1:] + bytes(4096) + pattern(4) + pattern(6))
    assert index.blocks[0].states().tolist()[:4] == [PageState.DATA] * 4


@pytest.mark.parametrize("size", [1024, 4096])
@pytest.mark.parametrize("window", [1 << 14, 40_000, (1 << 16) + 7, 1 << 22])
@pytest.mark.parametrize("seed", range(3))
def test_a_random_guest(size: int, window: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of record, irregularly interleaved, split over window borders, over several parts."""
    monkeypatch.setattr(ram_parser, "_WINDOW", max(window, 2 * size + 300))
    guest = Guest(((PC, 200 * size), ("0000:00:02.0/vga.vram", 16 * size), ("rom", size)), size, seed)
    parts = [guest.part(300), guest.part(200, "pz"), b"", guest.part(100, "r"), guest.part(3), guest.part(200, "xc")]
    index = index_of(stream(*parts, blocks=guest.blocks, page_size=size))
    assert index.complete
    for block in index.blocks:
        assert content(index, block) == bytes(guest.memory[block.name]), block.name


@settings(deadline=None, max_examples=40)
@example(284, "zf", 256)  # 2048 bytes behind the first page another record begins, too
@given(st.integers(0, 1 << 32), st.sampled_from(["pz", "zf", "px", "pzfxcrm", "rz"]), st.sampled_from([256, 4096]))
def test_more_random_guests_without_told_page_size(seed: int, kinds: str, size: int) -> None:
    guest = Guest(((PC, 64 * size), ("rom", 4 * size)), size, seed)
    whole = page(0, pattern(0, size), "rom") + b"".join(page(i * size, pattern(i, size)) for i in range(1, 4))
    for i in range(4):
        guest.memory["rom"][i * size : (i + 1) * size] = pattern(i, size)
    index = index_of(stream(whole, guest.part(80, kinds), guest.part(5), blocks=guest.blocks, page_size=None))
    assert (index.complete, index.page_size) == (True, size)
    for block in index.blocks:
        assert content(index, block) == bytes(guest.memory[block.name]), block.name


@pytest.mark.parametrize("kind", ["page", "zero", "both"])
def test_long_runs(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram_parser, "_WINDOW", 1 << 16)
    size = 256
    count = 3000
    if kind == "page":
        body, memory = pages(0, count, size), patterns(0, count, size)
    elif kind == "zero":
        body, memory = zeros(0, count, size, fill=7), b"\7" * (count * size)
    else:
        body = pages(0, 1000, size) + zeros(1000, 1000, size, None, 1) + pages(2000, 1000, size, None)
        memory = patterns(0, 1000, size) + b"\1" * (1000 * size) + patterns(2000, 1000, size)
    index = index_of(stream(body, blocks=((PC, count * size),), page_size=size))
    assert index.complete
    assert content(index, index.blocks[0]) == memory


def test_tiny_parts_share_what_was_read() -> None:
    """A live save may end with thousands of parts of a page or none: each must not read a whole window."""
    parts = [pages(i, 1) if i % 100 == 0 else b"" for i in range(1000)]
    view = Memory(stream(*parts, blocks=((PC, 4096 * 1000),)))
    index = open_state(view).index_ram()
    assert index.complete
    assert view.read_bytes < 40 * view.size


def test_a_mark_between_two_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a window ends, be it within the end mark, the records are followed."""
    body = pages(0, 3, 256) + zeros(3, 5, 256, None)
    data = stream(body, body, blocks=((PC, 16 * 256),), page_size=256)
    for window in range(782, 1500, 3):
        monkeypatch.setattr(ram_parser, "_WINDOW", window)
        assert open_state(Memory(data)).index_ram().complete, window


# What is wrong


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (u64(0), "unknown flags 0x0 in a RAM section"),
        (u64(0x20), "unknown flags 0x20 in a RAM section"),
        (u64(0xFFF), "unknown flags 0xfff in a RAM section"),
        (u64(0x0A), "unknown flags 0xa in a RAM section"),
        (u64(HOOK), "this stream was made for RDMA, its pages are not in it"),
        (page(0, pattern(1)), "a RAM page comes before any block was named"),
        (zero(0), "a RAM page comes before any block was named"),
        (page(0, pattern(1), "vga"), "a RAM page is for block 'vga', which the table does not have"),
        (page(65536, pattern(1), PC), "page 16 lies past the end of block pc.ram"),
        (zero(1 << 63, 0, PC), "page 2251799813685248 lies past the end of block pc.ram"),
        (xbzrle(65536, b"\0\1a", PC), "a RAM page lies past the end of its block"),
        (xbzrle(0, b"\0\1a"), "a RAM page lies past the end of its block"),
        (record(0, 0x40, PC, b"\x02" + u16(3) + b"abc"), "an XBZRLE page has an unknown encoding or length"),
        (record(0, 0x40, PC, b"\x01" + u16(4097) + bytes(4097)), "an XBZRLE page has an unknown encoding or length"),
        (record(0, 0x40, PC, b"\x01" + u16(0)), "an XBZRLE page has an unknown encoding or length"),
        (
            record(0, COMPRESSED, PC, u32(4673) + bytes(4673)),
            "a compressed page is longer than any page can get",
        ),
        (
            record(0, COMPRESSED, PC, u32(0xFFFFFFFF)),
            "a compressed page is longer than any page can get",
        ),
    ],
)
def test_records_that_are_none(body: bytes, problem: str) -> None:
    """What came before is kept, and the index says what is wrong and where."""
    before = pages(0, 3) + zero(12288)
    data = stream(before, body)
    index = index_of(data) if body[7] & 0x20 == 0 else index_of(stream(body))
    offset = data.index(body, data.index(before) + len(before))
    assert index.problem is not None
    assert index.problem.startswith(problem)
    if body[7] & 0x20 == 0:
        assert content(index, index.blocks[0])[:16384] == patterns(0, 3) + bytes(4096)
        assert index.blocks[0].states().tolist() == [3, 3, 3, 1] + [0] * 12
        assert f"{offset:#x}" in index.problem or "block" in problem


@pytest.mark.parametrize("count", [2, 5, 50])
def test_pages_before_one_past_the_end_are_kept(count: int) -> None:
    index = index_of(stream(pages(0, count) + page(1 << 20, pattern(0)), blocks=((PC, 4096 * 64),)))
    assert index.problem is not None
    assert index.problem.startswith("page 256 lies past the end of block pc.ram (at stream offset ")
    assert content(index, index.blocks[0]) == patterns(0, count) + bytes(4096 * (64 - count))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pages", "zero pages", "irregular", "xbzrle", "compressed"])
def test_cut_anywhere_the_whole_records_are_kept(kind: str) -> None:
    size = 1024
    records = {
        "pages": [page(i * size, pattern(i, size), PC if not i else None) for i in range(30)],
        "zero pages": [zero(i * size, 9, PC if not i else None) for i in range(30)],
        "irregular": [
            page(i * size, pattern(i, size), PC if not i % 5 else None) if i % 3 else zero(i * size, 9, PC)
            for i in range(30)
        ],
        "xbzrle": [xbzrle(i * size, delta((7, b"abc")), PC if not i else None) for i in range(30)],
        "compressed": [compressed(i * size, pattern(i, size), PC if not i else None) for i in range(30)],
    }[kind]
    whole = Stream().configuration("m", ("target-page-bits", u32(10))).ram(table((PC, 30 * size)), section_id=RAM_ID)
    whole.out += b"\x02" + u32(RAM_ID)
    start, ends = len(whole.out), [0]
    for each in records:
        ends.append(ends[-1] + len(each))
    data = bytes(whole.out) + b"".join(records)
    for cut in range(0, ends[-1], 1 if ends[-1] < 2000 else 19):
        state = open_state(Memory(data[: start + cut]))
        index = state.index_ram()
        done = sum(end <= cut for end in ends[1:])
        assert not index.complete
        states = index.blocks[0].states().tolist() if index.blocks else [0] * 30
        assert [s != PageState.MISSING for s in states] == [True] * done + [False] * (30 - done), cut
        if index.blocks:
            content(index, index.blocks[0])
            index.entropy(index.blocks[0], 0, 30)


def test_more_pages_than_a_file_of_this_size_can_describe() -> None:
    state = state_of(stream(zero(0, 0, PC), blocks=((PC, 1 << 46),)))
    assert [(b.name, b.length) for b in state.ram_blocks] == [(PC, 1 << 46)]
    index = state.index_ram()
    assert index.blocks == ()
    assert index.problem is not None
    assert index.problem.startswith("the stream claims 17179869184 pages of RAM, far more than a file of its size")


def test_a_table_that_is_started_twice() -> None:
    whole = Stream().ram(table((PC, 65536)), pages(0, 2) + END_MARK, section_id=1)
    whole.ram(table(("other", 8192)), page(0, pattern(7), "other") + END_MARK, section_id=5)
    state = open_state(Memory(whole.finish()), forward=True)
    check_state(state)
    index = state.index_ram()
    assert [b.name for b in index.blocks] == [PC]
    assert index.problem is not None
    assert index.read(index.blocks[0], 0, 8192) == patterns(0, 2)


def test_names_that_are_no_utf_8() -> None:
    name = b"r\xffam"
    start = u64(8192 | MEM_SIZE) + counted(name) + u64(8192) + END_MARK
    body = u64(8) + counted(name) + pattern(3) + END_MARK
    index = index_of(Stream().ram(start, body, END_MARK, section_id=1).finish())
    assert index.complete
    assert index.blocks[0].name == "r\\xffam"
    assert index.read(index.blocks[0], 0, 4096) == pattern(3)


def test_a_parser_without_a_table() -> None:
    parser = RamParser(Memory(pages(0, 2) + END_MARK), 4096)
    with pytest.raises(Exception, match="which the table does not have"):
        parser.records(0)
