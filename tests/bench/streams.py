"""Streams with many GiB of RAM, enlarged from a real one: for the bench and for tests of big states.

The source is what QEMU itself saved (`migrate`, nothing but the default capabilities) from a small machine; 64 MiB do.
Everything outside the RAM section stays as QEMU wrote it, byte for byte: configuration, devices, EOF, vmdesc. In the
RAM section the largest block gets another length and new pages; the other blocks keep their records. So the result is
a stream that QEMU's own format rules describe, though no machine of that size ever ran: nothing in its devices knows
of the added RAM.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Literal

import numpy as np

from vmsnap_gui.image.byteview import FileHandle, FileView
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.exporting import write_stream as export
from vmsnap_gui.vmstate.ram_saving import RamHandler, page_records
from vmsnap_gui.vmstate.ram_table import CONTINUE, ZERO, RamBlockInfo
from vmsnap_gui.vmstate.ram_table import PAGE as PAGE_RECORD
from vmsnap_gui.vmstate.wire import StreamError
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from vmsnap_gui.vmstate.ram import RamIndex

Layout = Literal["data", "interleaved"]

PAGE = 4096
_BATCH = 2000
"""Records made at once: about 8 MiB."""


class SourceError(ValueError):
    """The source is not a stream as this generator understands it."""


def write_stream(path: Path, source_stream: Path, ram_bytes: int, *, layout: Layout, seed: int = 1) -> None:
    """Write a stream whose largest RAM block has `ram_bytes` bytes, to `path`.

    Args:
        path: The new stream.
        source_stream: A stream file that QEMU saved.
        ram_bytes: A multiple of 4096.
        layout: "data": every page once, in order, all with data, as a stopped VM with full RAM is saved.
            "interleaved": as a live migration leaves it: zero and data pages alternate in short irregular runs, and
            then an eighth of the pages comes again in two further passes (the last one counts).
        seed: Of the page contents and the runs. A data page starts with its number and the number of its pass, each a
            big-endian u32, and goes on with noise that does not compress.

    Raises:
        SourceError: the source is no stream, or one with capabilities that change the RAM section.
    """
    if ram_bytes <= 0 or ram_bytes % PAGE:
        raise ValueError(f"{ram_bytes} bytes are no whole pages")
    with closing(FileHandle.open(source_stream)) as handle, path.open("wb") as file:
        state, index = _opened(FileView(handle))
        largest = max(index.blocks, key=lambda block: block.length)
        table = [RamBlockInfo(b.name, ram_bytes if b is largest else b.length) for b in index.blocks]
        others = [block for block in index.blocks if block is not largest]

        def records() -> Iterator[memoryview]:
            maker = _Maker(largest.name.encode(), seed)
            yield from maker.all_once(ram_bytes // PAGE) if layout == "data" else maker.interleaved(ram_bytes // PAGE)
            yield from page_records(index, others)

        export(state, [], Writer(file), ram=RamHandler(table, records))


def _opened(view: FileView) -> tuple[VMState, RamIndex]:
    try:
        state = open_state(view)
    except StreamError as error:
        raise SourceError(str(error)) from error
    index = state.index_ram()
    if not index.blocks or not index.complete or index.page_size != PAGE or state.is_mapped:
        raise SourceError(f"the stream has no RAM of pages with {PAGE} bytes: {index.problem or state.problems}")
    return state, index


class _Maker:
    """Makes page records in batches of about 8 MiB, in one buffer."""

    def __init__(self, block: bytes, seed: int) -> None:
        self._block = block
        self._random = np.random.default_rng(seed)
        size = _BATCH * (8 + PAGE) + 512
        self._noise = self._random.integers(1, 256, size + PAGE, np.uint8)
        self._buffer = np.empty(size, np.uint8)
        self._named = False

    def all_once(self, pages: int) -> Iterator[memoryview]:
        """Make a data record for each page."""
        for first in range(0, pages, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, pages))
            yield self._batch(numbers, np.ones(len(numbers), bool), 0)

    def interleaved(self, pages: int) -> Iterator[memoryview]:
        """Make records in irregular runs, then some pages again."""
        for first in range(0, pages, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, pages))
            yield self._batch(numbers, self._runs(len(numbers)), 0)
        for turn in (1, 2):
            chosen = np.flatnonzero(self._random.random(pages) < 1 / 16)
            for start in range(0, len(chosen), _BATCH):
                numbers = chosen[start : start + _BATCH]
                yield self._batch(numbers, self._runs(len(numbers)), turn)

    def _runs(self, count: int) -> NDArray[np.bool_]:
        """Return which of `count` pages hold data: runs of 1 to some dozens, three quarters data."""
        lengths = np.column_stack([self._random.geometric(1 / 6, count), self._random.geometric(1 / 2, count)]).ravel()
        kinds = np.tile([True, False], count)
        return np.repeat(kinds, lengths)[:count]

    def _batch(self, numbers: NDArray[np.int64], data: NDArray[np.bool_], turn: int) -> memoryview:
        """Make one record for each of `numbers` (pages), with data or as a zero page."""
        name = b"" if self._named else bytes([len(self._block)]) + self._block
        sizes = np.where(data, 8 + PAGE, 9)
        sizes[0] += len(name)
        ends = np.cumsum(sizes)
        starts = ends - sizes
        size = int(ends[-1])
        shift = int(self._random.integers(PAGE))
        self._buffer[:size] = self._noise[shift : shift + size]
        headers = (numbers * PAGE) | np.where(data, PAGE_RECORD, ZERO) | CONTINUE
        if name:
            headers[0] &= ~CONTINUE
        _put(self._buffer, starts, headers.astype(">u8"))
        bodies = starts + 8
        bodies[0] += len(name)
        self._buffer[8 : 8 + len(name)] = np.frombuffer(name, np.uint8)
        _put(self._buffer, bodies[data], (numbers[data] << 32 | turn).astype(">u8"))
        self._buffer[bodies[~data]] = 0
        self._named = True
        return self._buffer[:size].data


def _put(buffer: NDArray[np.uint8], places: NDArray[np.int64], words: NDArray[np.uint64]) -> None:
    """Write 8 bytes at each of `places`."""
    buffer[places[:, None] + np.arange(8)] = words.view(np.uint8).reshape(-1, 8)
