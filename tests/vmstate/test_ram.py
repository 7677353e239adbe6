"""Reading pages back: any range, every kind of page, entropy, and what cannot be unpacked."""

from __future__ import annotations

import random
import threading
import tracemalloc

import numpy as np
import pytest

from tests.vmstate.rams import Guest, content, index_of, state_of, stream
from tests.vmstate.streams import COMPRESSED, Memory, delta, page, pattern, record, u32, xbzrle, zero
from vmsnap_gui.vmstate import ram as ram_module
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.ram import PageState, RamIndex
from vmsnap_gui.vmstate.wire import StreamError

PC = "pc.ram"
BLOCKS = ((PC, 64 * 4096), ("vga.vram", 16 * 4096))


@pytest.fixture
def guest() -> Guest:
    return Guest(BLOCKS, 4096, 5)


@pytest.fixture
def index(guest: Guest) -> RamIndex:
    return index_of(stream(*(guest.part(60) for _ in range(4)), blocks=BLOCKS))


@pytest.mark.parametrize("gather", [1, 4096, 40_000, 1 << 20])
def test_any_range_reads_as_the_memory_was(
    index: RamIndex, guest: Guest, gather: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ram_module, "_GATHER", gather)
    chance = random.Random(gather)
    for _ in range(200):
        block = chance.choice(index.blocks)
        offset = chance.randrange(block.length)
        length = min(block.length - offset, chance.choice((0, 1, 16, 4095, 4096, 4097, 20_000, 300_000)))
        memory = guest.memory[block.name][offset : offset + length]
        assert index.read(block, offset, length) == memory
        buffer = bytearray(length + 7)
        index.readinto(block, offset, memoryview(buffer)[7:])
        assert buffer[7:] == memory


def test_reading_nothing(index: RamIndex) -> None:
    assert index.read(index.blocks[0], index.blocks[0].length, 0) == b""


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (0, 64 * 4096 + 1), (64 * 4096, 1), (1 << 63, 1)])
def test_reading_outside_of_a_block_says_so(index: RamIndex, offset: int, length: int) -> None:
    with pytest.raises(StreamError, match=r"^block pc\.ram has 0x40000 bytes, not "):
        index.read(index.blocks[0], offset, length)


def test_blocks_by_name(index: RamIndex) -> None:
    assert index.block("vga.vram") is index.blocks[1]
    with pytest.raises(StreamError) as caught:
        index.block("nvram")
    assert caught.value.message == "there is no RAM block 'nvram'; there are: pc.ram, vga.vram"
    with pytest.raises(StreamError, match=r"there are: none$"):
        RamIndex(Memory(b""), 4096, ()).block("x")


def test_states_and_stored_agree(index: RamIndex) -> None:
    for block in index.blocks:
        states = block.states()
        assert states.dtype == np.uint8
        assert (block.stored(0, block.pages) == (states == PageState.DATA)).all()
        assert block.stored(3, 5).tolist() == (states[3:8] == PageState.DATA).tolist()


def test_a_block_that_ends_within_a_page() -> None:
    """A used length is a multiple of the page size in what QEMU writes; nothing breaks where it is not."""
    index = index_of(stream(page(0, pattern(1), PC) + page(4096, pattern(2)), blocks=((PC, 4608),)))
    assert index.complete
    assert (index.blocks[0].pages, content(index, index.blocks[0])) == (2, pattern(1) + pattern(2)[:512])


def test_entropy() -> None:
    noise = random.Random(1).randbytes(4096)
    even = bytes(range(256)) * 16
    body = page(0, noise, PC) + page(4096, even) + page(8192, b"ab" * 2048) + page(12288, b"x" * 4096)
    body += zero(16384) + zero(20480, 0xA5)
    index = index_of(stream(body + xbzrle(24576, delta((0, b"\1" * 2048)))))
    found = index.entropy(index.blocks[0], 0, 16)
    assert found.dtype == np.float32
    assert found[1:3].tolist() == [8.0, 1.0]
    assert 7.9 < found[0] < 8.0
    assert found[3:].tolist() == [0, 0, 0, 1.0, *[0] * 9]
    assert index.entropy(index.blocks[0], 2, 3).tolist() == [1, 0, 0]
    assert index.entropy(index.blocks[0], 14, 50).tolist() == [0] * 50
    assert index.entropy(index.blocks[0], 4, 2).tolist() == [0, 0]


def test_entropy_of_many_pages_is_that_of_each(index: RamIndex, guest: Guest) -> None:
    whole = index.entropy(index.blocks[0], 0, 64)
    assert [index.entropy(index.blocks[0], i, 1)[0] for i in range(64)] == whole.tolist()
    for i in range(64):
        counts = np.bincount(np.frombuffer(guest.memory[PC][i * 4096 : (i + 1) * 4096], np.uint8))
        share = counts[counts > 0] / 4096
        assert abs(whole[i] + (share * np.log2(share)).sum()) < 1e-5


BAD = [
    (record(4096, COMPRESSED, None, u32(10) + b"not a zlib"), "a compressed page cannot be decompressed"),
    (record(4096, COMPRESSED, None, u32(0)), "a compressed page does not have the size of a page"),
    (xbzrle(4096, b"\xff\xff\xff"), "an XBZRLE page has a number that is too long"),
    (xbzrle(4096, b"\0\x05ab"), "an XBZRLE page has a run past its end"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD)
def test_a_page_that_cannot_be_unpacked_leaves_the_others(bad: bytes, reason: str) -> None:
    index = index_of_bad(page(0, pattern(1), PC) + bad + page(8192, pattern(3)))
    block = index.blocks[0]
    assert index.complete
    assert index.read(block, 0, 4096) + index.read(block, 8192, 4096) == pattern(1) + pattern(3)
    for offset, length in ((0, 12288), (4096, 1), (4095, 2)):
        with pytest.raises(StreamError) as caught:
            index.read(block, offset, length)
        assert caught.value.message.startswith(f"page 1 of block pc.ram: {reason}")
    entropy = index.entropy(block, 0, 3).tolist()
    assert entropy[1] == 0
    assert min(entropy[0], entropy[2]) > 4


def index_of_bad(body: bytes) -> RamIndex:
    return open_state(Memory(stream(body))).index_ram()


def test_a_page_can_be_repaired_by_a_later_one() -> None:
    index = index_of(stream(page(0, pattern(1), PC) + BAD[0][0] + page(4096, pattern(2))))
    assert index.read(index.blocks[0], 4096, 4096) == pattern(2)


def test_long_chains_of_deltas() -> None:
    count = 5000
    body = page(0, bytes(4096), PC)
    body += b"".join(xbzrle(0, delta((i % 4096, bytes([i % 255 + 1])))) for i in range(count))
    tracemalloc.start()
    index = index_of_bad(body)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    want = bytearray(4096)
    for i in range(count):
        want[i % 4096] = i % 255 + 1
    assert index.read(index.blocks[0], 0, 4096) == want
    assert size < 12 * len(body)


def test_readers_on_several_threads(index: RamIndex, guest: Guest) -> None:
    wrong: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(100):
            offset = chance.randrange(60 * 4096)
            if index.read(index.blocks[0], offset, 9000) != guest.memory[PC][offset : offset + 9000]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_index_is_kept() -> None:
    state = state_of(stream(page(0, pattern(1), PC)))
    assert state.index_ram() is state.index_ram()


def test_a_state_without_ram() -> None:
    index = state_of(stream(blocks=())).index_ram()
    assert (index.blocks, index.complete) == ((), True)
