"""The RAM block table, with everything that can stand in it: page sizes, addresses, mapped-ram headers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.vmstate.rams import content, index_of
from tests.vmstate.streams import (
    END_MARK,
    MEM_SIZE,
    Memory,
    Stream,
    counted,
    page,
    pattern,
    table,
    u32,
    u64,
)
from vmsnap_gui.image.byteview import SubView
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.ram_table import RamTable
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from tests.vmstate.layouts import Body

BLOCKS = (("pc.ram", 65536), ("0000:00:01.0/vga.vram", 16384), ("/rom@etc/acpi", 4096))
IGNORE_SHARED = ("capabilities", u32(1) + counted("x-ignore-shared"))
MAPPED = ("capabilities", u32(1) + counted("mapped-ram"))


def read(data: bytes, *, postcopy: bool = False, capabilities: frozenset[str] = frozenset()) -> RamTable:
    found = RamTable(Memory(data), 4096, capabilities=capabilities)
    found.postcopy = postcopy
    position, done = found.start(0, 4)
    assert done == data.endswith(END_MARK)
    assert position == len(data)
    return found


def test_the_blocks_in_the_order_of_the_stream() -> None:
    found = read(table(*BLOCKS))
    assert [(b.name, b.length) for b in found.table] == list(BLOCKS)
    assert read(table(*BLOCKS, end=False)).table == found.table


def test_page_sizes_of_blocks_with_postcopy() -> None:
    """Only the blocks whose page size is not the usual one have it, so it has to be seen that it is there."""
    extra = [u64(2 << 20), b"", u64(65536)]
    assert [(b.name, b.length) for b in read(table(*BLOCKS, extra=extra), postcopy=True).table] == list(BLOCKS)
    with pytest.raises(StreamError, match=r"^the table of RAM blocks does not add up"):
        read(table(*BLOCKS, extra=extra))


@pytest.mark.parametrize("payload", [u64(4096) * 2, b""])
def test_the_command_that_advises_postcopy(payload: bytes) -> None:
    """With RAM postcopy the command has two page sizes; for dirty bitmaps alone it is empty."""
    extra = [u64(2 << 20)] if payload else []
    stream = Stream().configuration().command(3, payload)
    stream.ram(table(*BLOCKS, extra=extra), page(4096, pattern(1), "pc.ram") + END_MARK, END_MARK, section_id=1)
    index = index_of(stream.finish())
    assert index.complete
    assert [(b.name, b.length) for b in index.blocks] == list(BLOCKS)
    assert index.read(index.blocks[0], 4096, 4096) == pattern(1)


def test_addresses_with_x_ignore_shared() -> None:
    extra = [u64(0), u64(1 << 32), u64(7 << 32)]
    stream = Stream().configuration("pc", IGNORE_SHARED)
    stream.ram(table(*BLOCKS, extra=extra), page(0, pattern(1), BLOCKS[1][0]) + END_MARK, END_MARK, section_id=1)
    index = index_of(stream.finish())
    assert index.complete
    assert [(b.name, b.length) for b in index.blocks] == list(BLOCKS)
    assert index.read(index.blocks[1], 0, 4096) == pattern(1)
    assert index.blocks[0].states().tolist() == [0] * 16


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (u64(65536), "a RAM section does not start with its size"),
        (u64(65536 | 8), "a RAM section does not start with its size"),
        (u64(65536 | MEM_SIZE) + counted("ram") + u64(65537), "the table of RAM blocks does not add up"),
        (u64(65536 | MEM_SIZE) + counted("ram") + u64(1 << 63), "the table of RAM blocks does not add up"),
        (u64(65536 | MEM_SIZE) + counted("") + u64(65536), "the table of RAM blocks does not add up"),
        (
            u64(65536 | MEM_SIZE) + b"".join(counted(str(i)) + u64(0) for i in range(70_000)),
            "the table of RAM blocks does not add up",
        ),
        (u64(8192 | MEM_SIZE) + (counted("ram") + u64(4096)) * 2, "the table of RAM blocks has 'ram' twice"),
        (u64(65536 | MEM_SIZE) + counted("ram") + u64(4096), "the stream ends within 1 byte that should be here"),
        (u64((1 << 64) - 1) + counted("ram"), "the stream ends within 8 bytes that should be here"),
        (b"\0\0\0", "the stream ends within 8 bytes that should be here"),
    ],
)
def test_tables_that_are_none(data: bytes, reason: str) -> None:
    with pytest.raises(StreamError) as caught:
        read(data)
    assert caught.value.message == reason


def test_a_table_that_is_none_leaves_the_devices() -> None:
    stream = Stream().ram(u64(8) + b"nonsense", END_MARK, section_id=1)
    for forward in (False, True):
        state = open_state(Memory(stream.finish()), forward=forward)
        index = state.index_ram()
        assert index.blocks == ()
        assert index.problem == "a RAM section does not start with its size (at stream offset 0x19)"
        assert not index.complete


def test_the_plain_table_follows_no_pages() -> None:
    with pytest.raises(StreamError, match=r"^pages follow here"):
        RamTable(Memory(END_MARK), 4096).records(0)


# mapped-ram


def mapped(
    *, file_offset: int = 0, page_size: int = 4096, machine: tuple[tuple[str, bytes], ...] = (MAPPED,),
    wrong: dict[str, int] | None = None, names: tuple[str | bytes, str] = ("pc.ram", "vga.vram"),
    configuration: Body | None = None,
) -> tuple[bytes, dict[str, bytes]]:  # fmt: skip
    """A stream with two mapped-ram blocks that starts at `file_offset` of its file, and their memory."""
    memory: dict[str, bytes] = {}
    stream = Stream().configuration("pc", *machine)
    stream.out += b"\x01" + u32(1) + counted("ram") + u32(0) + u32(4)
    lengths = {names[0]: 70 * page_size, names[1]: 3 * page_size}
    stream.out += u64(sum(lengths.values()) | MEM_SIZE)
    for name, length in lengths.items():
        count = length // page_size
        present = [i for i in range(count) if i % 3 != 1]
        bits = bytearray(-(-count // 64) * 8)
        for i in present:
            bits[i // 8] |= 1 << i % 8
        stream.out += counted(name) + u64(length)
        bitmap = file_offset + len(stream.out) + 28
        pages = -(-(bitmap + len(bits)) // 8192) * 8192
        values = {"version": 1, "page_size": page_size, "bitmap": bitmap, "pages": pages} | (wrong or {})
        stream.out += struct.pack(">IQQQ", values["version"], values["page_size"], values["bitmap"], values["pages"])
        stream.out += bits
        stream.out += bytes(pages - file_offset - len(stream.out))
        content = b"".join(pattern(i, page_size) if i in present else bytes(page_size) for i in range(count))
        # What a clear bit stands for is not read: there may be anything.
        stream.out += b"".join(pattern(i, page_size) if i in present else b"?" * page_size for i in range(count))
        memory[name if isinstance(name, str) else repr(name)] = content
    stream.out += END_MARK + b"\x7e" + u32(1)
    stream.section(3, END_MARK, section_id=1)
    return stream.finish(configuration=configuration), memory


@pytest.mark.parametrize("file_offset", [0, 68_080, 5])
@pytest.mark.parametrize("page_size", [4096, 1024])
def test_mapped_ram(file_offset: int, page_size: int) -> None:
    data, memory = mapped(file_offset=file_offset, page_size=page_size)
    for forward in (False, True):
        view = SubView(Memory(b"?" * file_offset + data), file_offset, len(data))
        state = open_state(view, forward=forward)
        assert state.problems == ()
        index = state.index_ram()
        assert (index.complete, index.page_size) == (True, page_size)
        assert {block.name: content(index, block) for block in index.blocks} == memory
        assert index.blocks[0].states().tolist() == [1 if i % 3 == 1 else 3 for i in range(70)]
        assert [s.type for s in state.sections] == [SectionType.START, SectionType.END][: 2 if forward else 1]


def test_mapped_ram_without_its_capability_in_the_configuration() -> None:
    """Only capabilities that the target must share are told; the headers themselves are enough."""
    data, memory = mapped(machine=())
    index = index_of(data)
    assert index.complete
    assert {block.name: content(index, block) for block in index.blocks} == memory


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"version": 2}, "a mapped-ram header is not plausible"),
        ({"page_size": 0}, "a mapped-ram header is not plausible"),
        ({"page_size": 4097}, "a mapped-ram header is not plausible"),
        ({"page_size": 1 << 63}, "a mapped-ram header is not plausible"),
        ({"page_size": 65536}, "a mapped-ram header is not plausible"),
        ({"bitmap": 8}, "a mapped-ram header is not plausible"),
        ({"bitmap": 8191}, "a mapped-ram header is not plausible"),
        ({"pages": 20}, "a mapped-ram header is not plausible"),
        ({"pages": 1 << 62}, "the stream ends within the pages of block pc.ram"),
        ({"bitmap": 1 << 62, "pages": 1 << 63}, "the stream ends within the pages of block pc.ram"),
    ],
)
def test_mapped_ram_headers_that_are_wrong(wrong: dict[str, int], reason: str) -> None:
    data, _ = mapped(wrong=wrong)
    state = open_state(Memory(data), forward=True)
    assert state.problems[0].message.startswith(f"ram: {reason}")
    assert not state.index_ram().complete


def test_mapped_ram_blocks_of_different_page_sizes() -> None:
    data, _ = mapped()
    second = data.index(counted("vga.vram")) + 9 + 8 + 4
    data = data[:second] + u64(2048) + data[second + 8 :]
    index = open_state(Memory(data)).index_ram()
    assert index.problem is not None
    assert index.problem.startswith("the mapped-ram blocks have pages of different sizes")


def test_mapped_ram_cut_short() -> None:
    data, memory = mapped()
    last = data.index(b"?" * 4096) - 4096  # where the pages of pc.ram begin: the second of them is not there
    for cut in range(8, len(data), 997):
        state = open_state(Memory(data[:cut]))
        assert state.problems
        index = state.index_ram()
        if not last <= cut < last + 70 * 4096:
            continue
        (block,) = index.blocks
        there = [i for i in range(70) if i % 3 == 1 or last + (i + 1) * 4096 <= cut]
        assert np.flatnonzero(block.states()).tolist() == there
        assert all(index.read(block, i * 4096, 4096) == memory["pc.ram"][i * 4096 :][:4096] for i in there)
        assert index.problem is not None
        assert "the stream ends within the pages of block pc.ram" in index.problem


def second_header(data: bytes) -> int:
    return data.index(counted("vga.vram")) + len(counted("vga.vram")) + 8


@pytest.mark.parametrize("after", [-17, -16, -8, 0, 1, 27])
def test_mapped_ram_cut_between_two_blocks(after: int) -> None:
    data, memory = mapped()
    index = open_state(Memory(data[: second_header(data) + after])).index_ram()
    assert content(index, index.block("pc.ram")) == memory["pc.ram"]
    assert not index.complete
    assert not index.block("vga.vram").states().any() if after >= 0 else len(index.blocks) == 1


def test_a_damaged_mapped_ram_header_costs_its_own_block_only() -> None:
    data, memory = mapped()
    second = second_header(data)
    index = open_state(Memory(data[:second] + bytes(28) + data[second + 28 :]), forward=True).index_ram()
    assert content(index, index.block("pc.ram")) == memory["pc.ram"]
    assert not index.block("vga.vram").states().any()


@pytest.mark.parametrize("after", [0, -3, -9000])
def test_a_mapped_ram_save_that_was_killed_has_no_bitmaps(after: int) -> None:
    """They are written last: what they leave clear is not known to be zero then."""
    data, _ = mapped()
    first = data.index(counted("pc.ram")) + len(counted("pc.ram")) + 8 + 28
    second = second_header(data) + 28
    killed = bytearray(data)
    killed[first : first + 16], killed[second : second + 8] = bytes(16), bytes(8)
    end = data.rindex(b"\x03" + u32(1) + END_MARK)
    index = open_state(Memory(bytes(killed[: end + after]))).index_ram()
    assert not index.complete
    assert not any(block.states().any() for block in index.blocks)


def test_mapped_ram_cut_within_a_bitmap() -> None:
    data, memory = mapped(page_size=1024)
    bitmap = data.index(u64(1024), data.index(counted("pc.ram"))) + 24
    index = open_state(Memory(data[: bitmap + 2])).index_ram()
    (block,) = index.blocks
    assert block.states().tolist() == [int(i % 3 == 1 and i < 16) for i in range(70)]
    assert index.read(block, 1024, 1024) == memory["pc.ram"][1024:2048]
