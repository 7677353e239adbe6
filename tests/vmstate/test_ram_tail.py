"""The pages of one block from the end of RAM: the same as by an index of all RAM, and without one where that can be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.rams import Guest, content, state_of, stream
from tests.vmstate.streams import Memory, compressed, delta, page, pattern, xbzrle, zero
from vmsnap_gui.vmstate.devices import VMState, open_state

VRAM = "0000:00:02.0/vga.vram"
BLOCKS = (("pc.ram", 64 * 4096), (VRAM, 8 * 4096))


class Counted(Memory):
    """Bytes that count how many of them are read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.read_bytes = 0

    def readinto(self, offset: int, buffer: object) -> None:  # type: ignore[override]
        self.read_bytes += memoryview(buffer).nbytes  # type: ignore[arg-type]
        super().readinto(offset, buffer)  # type: ignore[arg-type]


def _main(pages: int) -> bytes:
    return b"".join(page(i * 4096, pattern(i), "pc.ram" if i == 0 else None) for i in range(pages))


def _video(first: int = 0) -> bytes:
    records = [page(0, pattern(first), VRAM), *(page(i * 4096, pattern(first + i)) for i in range(1, 7))]
    return b"".join([*records, zero(7 * 4096)])


def _check(data: bytes, *, by_tail: bool) -> VMState:
    state = state_of(data)
    index = state.index_blocks({VRAM})
    assert (state._index is None) is by_tail
    whole = state_of(data).index_ram()
    assert content(index, index.block(VRAM)) == content(whole, whole.block(VRAM))
    return state


def test_a_machine_that_stood_still() -> None:
    _check(stream(_main(64) + _video(), blocks=BLOCKS), by_tail=True)


def test_only_the_end_is_read() -> None:
    blocks = (("pc.ram", 8192 * 4096), (VRAM, 8 * 4096))
    view = Counted(stream(_main(8192) + _video(), blocks=blocks))
    state = open_state(view)
    index = state.index_blocks({VRAM})
    assert content(index, index.block(VRAM))[:4096] == pattern(0)
    assert view.read_bytes < view.size / 4


@pytest.mark.parametrize("parts", [(_main(64), _video()), (_main(64) + _video(), _main(9), _video(50))])
def test_parts_and_later_copies(parts: tuple[bytes, ...]) -> None:
    _check(stream(*parts, blocks=BLOCKS), by_tail=True)


def test_compressed_pages_and_deltas_of_what_was_seen() -> None:
    changed = compressed(0, pattern(90), VRAM) + xbzrle(4096, delta((8, b"changed")))
    _check(stream(_main(64) + _video(), changed, blocks=BLOCKS), by_tail=True)


def test_main_memory_that_comes_last_is_read_whole() -> None:
    data = stream(_video() + _main(64), blocks=BLOCKS[::-1])
    _check(data, by_tail=True)  # the block is named at the very start, which is in reach of so short a stream


def test_a_page_that_is_missing_asks_for_all_of_ram() -> None:
    _check(stream(_main(64) + _video()[:-9], blocks=BLOCKS), by_tail=False)


def test_a_record_within_a_page_is_not_believed() -> None:
    fake = _video(70)
    inside = fake[: 4096 - 200] + bytes(200)
    main = _main(63) + page(63 * 4096, inside[:4096])
    _check(stream(main + _video(), blocks=BLOCKS), by_tail=True)


def test_a_record_within_video_memory_is_not_believed() -> None:
    fake = b"\0" * 100 + page(0, b"", VRAM) + b"\0" * 4096
    records = [page(i * 4096, fake[:4096], VRAM if i == 0 else None) for i in range(8)]
    _check(stream(_main(64) + b"".join(records), blocks=BLOCKS), by_tail=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 4))
def test_as_by_an_index_of_all_ram(seed: int, parts: int) -> None:
    guest = Guest(BLOCKS, 4096, seed)
    data = stream(*(guest.part(60) for _ in range(parts)), blocks=BLOCKS)
    state = state_of(data)
    index = state.index_blocks({VRAM})
    assert content(index, index.block(VRAM)) == bytes(guest.memory[VRAM])
