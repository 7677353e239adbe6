"""RAM of small machines: streams written record by record, beside the memory that they have to become."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.vmstate.checks import check_state
from tests.vmstate.streams import (
    END_MARK,
    FLUSH,
    Memory,
    Stream,
    compressed,
    delta,
    page,
    pattern,
    table,
    u64,
    xbzrle,
    zero,
)
from vmsnap_gui.vmstate.devices import open_state

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

RAM_ID = 2


def index_of(data: bytes, *, forward: bool = False) -> RamIndex:
    """Open a stream and index its RAM; by the tail and forward the same must come out."""
    state = open_state(Memory(data), forward=forward)
    check_state(state)
    index = state.index_ram()
    if not forward:
        other = index_of(data, forward=True)
        assert [(b.name, b.length, b.pages) for b in other.blocks] == [
            (b.name, b.length, b.pages) for b in index.blocks
        ]
        assert [content(other, b) for b in other.blocks] == [content(index, b) for b in index.blocks]
        assert other.problem == index.problem
    return index


def stream(
    *parts: bytes, blocks: tuple[tuple[str, int], ...] = (("pc.ram", 65536),), page_size: int | None = 4096
) -> bytes:
    """A stream whose RAM has the table in START and the records of each part in PARTs and END."""
    whole = Stream().configuration().ram(table(*blocks), *(part + END_MARK for part in parts), section_id=RAM_ID)
    return whole.finish(page_size=page_size)


def with_broken_page(number: int, pages: int = 64) -> bytes:
    """A stream whose pages, `pattern(0)` and so on, are compressed, one of them in a way that nobody can unpack."""
    records = [compressed(i * 4096, pattern(i), "pc.ram" if i == 0 else None) for i in range(pages)]
    records[number] = records[number][:-8] + b"\xff" * 8
    return stream(b"".join(records), blocks=(("pc.ram", pages * 4096),))


def content(index: RamIndex, block: RamBlock) -> bytes:
    """All of a block."""
    return index.read(block, 0, block.length)


def state_of(data: bytes) -> VMState:
    return open_state(Memory(data))


class Guest:
    """A guest's memory, and a writer of records that a live save of it could have made.

    Attributes:
        page_size: Bytes of a page.
        memory: Each block's bytes, as they have to be read back.
    """

    def __init__(self, blocks: tuple[tuple[str, int], ...], page_size: int, seed: int) -> None:
        self.page_size = page_size
        self.blocks = blocks
        self.memory = {name: bytearray(length) for name, length in blocks}
        self._random = random.Random(seed)
        self._last: str | None = None

    def part(self, records: int, kinds: str = "pzfxcrm") -> bytes:
        """Write `records` random records: page, zero, fill, xbzrle, compressed, run of pages, multifd flush."""
        out = b""
        if self.page_size < 1024:  # where 0x100 and 0x200 are no flags but bits of the address
            kinds = kinds.replace("c", "p").replace("m", "z")
        for _ in range(records):
            name, length = self._random.choice(self.blocks)
            number = self._random.randrange(length // self.page_size)
            kind = self._random.choice(kinds)
            count = min(self._random.randrange(1, 40), length // self.page_size - number) if kind == "r" else 1
            for i in range(count):
                out += self._record(name, (number + i) * self.page_size, kind)
        return out

    def _record(self, name: str, offset: int, kind: str) -> bytes:
        size, memory = self.page_size, self.memory[name]
        block = None if name == self._last and self._random.random() < 0.8 else name
        self._last = name
        now = slice(offset, offset + size)
        if kind == "m":
            self._last = name if block is None else None
            return u64(FLUSH)
        if kind in "zf":
            fill = 0 if kind == "z" else self._random.choice((0xA5, 0xFF, 1))
            memory[now] = bytes([fill]) * size
            return zero(offset, fill, block)
        if kind == "x":
            change = self._random.randbytes(self._random.randrange(1, 9))
            at = self._random.randrange(size - len(change) - 1)
            memory[offset + at : offset + at + len(change)] = change
            return xbzrle(offset, delta((at, change)), block)
        memory[now] = pattern(self._random.randrange(1 << 30), size)
        if kind == "c":
            return compressed(offset, bytes(memory[now]), block)
        return page(offset, bytes(memory[now]), block)
