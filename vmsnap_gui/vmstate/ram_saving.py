"""RAM as a live handler: block table, page records, and following them again.

Format: QEMU's migration/ram.c (ram_save_setup, ram_save_iterate, ram_save_complete), version 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.vmstate.handlers import LiveHandler
from vmsnap_gui.vmstate.ram import MISSING, SPECIAL, RamIndex
from vmsnap_gui.vmstate.ram_parser import RamParser
from vmsnap_gui.vmstate.ram_table import CONTINUE, EOS, MEM_SIZE, PAGE, ZERO
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.ram import RamBlock
    from vmsnap_gui.vmstate.ram_table import RamBlockInfo
    from vmsnap_gui.vmstate.wire import Input
    from vmsnap_gui.vmstate.writer import Writer

_MAX_NAME = 255
_ESCAPED = re.compile(r"\\x[0-9a-f]{2}")  # what `wire.text` makes of bytes that are no UTF-8
_PART = 64 << 20  # bytes of a PART; QEMU ends one after 50 ms
_BATCH = 2 << 20  # still in the processor's cache when it is written


class RamHandler(LiveHandler):
    """Saves a block table and records of pages; loads by noting where in the stream the pages are.

    Attributes:
        index: The RAM that was loaded, None before.
    """

    def __init__(
        self,
        blocks: Sequence[RamBlock | RamBlockInfo] = (),
        records: Callable[[], Iterable[memoryview]] | None = None,
        page_size: int | None = None,
    ) -> None:
        """Save `blocks` with `records`, made in batches when the saving begins; load with pages of `page_size`."""
        self.index: RamIndex | None = None
        self._blocks = blocks
        self._records = records
        self._page_size = page_size
        self._left: Iterator[memoryview] = iter(())
        self._parser: RamParser | None = None

    @classmethod
    def of(cls, index: RamIndex, progress: Progress | None = None) -> RamHandler:
        """Return the handler that saves every page of an index once, in the order of blocks and addresses.

        Raises:
            StreamError: a block has a name that cannot be written as it was.
        """
        for block in index.blocks:
            if _ESCAPED.search(block.name) or len(block.name.encode()) > _MAX_NAME:
                why = f"longer than {_MAX_NAME} bytes or no UTF-8, so that it cannot be written as it was"
                raise StreamError(f"the name of RAM block {block.name!r} is {why}")
        return cls(index.blocks, lambda: page_records(index, index.blocks, progress), index.page_size)

    def begin(self, out: Writer) -> None:
        """See LiveHandler."""
        out.u64(sum(block.length for block in self._blocks) | MEM_SIZE)
        for block in self._blocks:
            out.counted(block.name)
            out.u64(block.length)
        out.u64(EOS)
        self._left = iter(self._records()) if self._records is not None else iter(())

    def iterate(self, out: Writer) -> bool:
        """See LiveHandler; raises StreamError where a page cannot be unpacked, ImageError and Cancelled."""
        done, start = True, out.tell()
        for batch in self._left:
            out.put(batch)
            if out.limited or out.tell() - start >= _PART:
                done = False
                break
        out.u64(EOS)
        return done

    def complete(self, out: Writer) -> None:
        """See LiveHandler; raises like `iterate`."""
        for batch in self._left:
            out.put(batch)
        out.u64(EOS)

    def cancel(self) -> None:
        """See LiveHandler."""
        self._left = iter(())

    def load(self, stream: Input, version: int) -> None:
        """See Handler."""
        if not isinstance(stream, Reader):
            raise StreamError("RAM is read where it lies, so from a file only", offset=stream.position)
        position, done = stream.position, False
        if self._parser is None or int.from_bytes(stream.peek(8), "big") & MEM_SIZE:
            self._parser = RamParser(stream.view, self._page_size)
            position, done = self._parser.start(position, version)
        stream.position = position if done else self._parser.records(position)
        self._parser.allocate()
        parser = self._parser
        page_size = parser.page_size or 4096
        self.index = RamIndex(parser.view, page_size, tuple(parser.blocks), None, parser.steps)


def page_records(index: RamIndex, blocks: Iterable[RamBlock], progress: Progress | None = None) -> Iterator[memoryview]:
    """Yield the records of all pages of some blocks, in batches; a batch is valid until the next one is asked for.

    Pages that the index does not have are left out, so that who loads them keeps what they were.

    Raises:
        StreamError: the index is not complete, or a page cannot be unpacked.
        ImageError: the file below cannot be read.
        Cancelled: by `progress`, which is called with bytes of RAM done and in all.
    """
    if index.problem is not None:
        raise StreamError(f"the RAM cannot be read whole: {index.problem}")
    blocks = tuple(blocks)
    recorder = _Recorder(index)
    total, done = sum(block.length for block in blocks), 0
    step = max(1, _BATCH // index.page_size)
    for block in blocks:
        named = False
        for first in range(0, block.pages, step):
            if progress is not None:
                progress(done + first * index.page_size, total)
            count = min(step, block.pages - first)
            if not named:
                # the first record names the block
                found = np.flatnonzero(block.locations[first : first + count] != MISSING)
                if not found.size:
                    continue
                yield recorder.naming(block, first + int(found[0]))
                named = True
                first, count = first + int(found[0]) + 1, count - int(found[0]) - 1
            if count:
                yield recorder.batch(block, first, count)
        done += block.length
    if progress is not None:
        progress(total, total)


class _Recorder:
    """Makes records in one buffer, which is used again and again."""

    def __init__(self, index: RamIndex) -> None:
        self._index = index
        self._size = index.page_size
        step = max(1, _BATCH // self._size)
        self._buffer = np.empty(step * (8 + self._size) + 8 + 256, np.uint8)
        self._pages = np.empty((step, self._size), np.uint8)

    def naming(self, block: RamBlock, page: int) -> memoryview:
        """Return the record of one page, with the block's name."""
        name = block.name.encode()
        record = bytes(self.batch(block, page, 1))
        word = int.from_bytes(record[:8], "big") & ~CONTINUE
        return memoryview(b"".join((word.to_bytes(8, "big"), bytes([len(name)]), name, record[8:])))

    def batch(self, block: RamBlock, first: int, count: int) -> memoryview:
        """Return the records of pages of the block named last."""
        size, locations = self._size, block.locations[first : first + count]
        stored = (locations > MISSING) | (locations <= SPECIAL)
        if stored.all():
            return self._data(block, first, count)
        numbers = np.flatnonzero(locations != MISSING)
        stored, locations = stored[numbers], locations[numbers]
        ends = np.cumsum(np.where(stored, 8 + size, 9))
        starts = ends - np.where(stored, 8 + size, 9)
        length = int(ends[-1]) if ends.size else 0
        out = self._buffer[: length + size]  # so that each record's window lies in it
        words = (numbers + first).astype(np.int64) * size | np.where(stored, PAGE, ZERO) | CONTINUE
        out[starts[:, None] + np.arange(8)] = words.astype(">u8").view(np.uint8).reshape(-1, 8)
        out[starts[~stored] + 8] = (-1 - locations[~stored]).astype(np.uint8)
        rows = numbers[stored]
        if rows.size:
            pages = self._pages[: rows.size]
            self._read(block, rows + first, pages)
            windows = np.lib.stride_tricks.sliding_window_view(out, size, writeable=True)
            windows[starts[stored] + 8] = pages
        return out[:length].data

    def _data(self, block: RamBlock, first: int, count: int) -> memoryview:
        """Return the records of pages that all hold data."""
        size = self._size
        locations = block.locations[first : first + count]
        out = self._buffer[: count * (8 + size)].reshape(count, 8 + size)
        if locations[0] > MISSING and (np.diff(locations) == 8 + size).all():
            # They lie in their stream as they have to be written, each behind a word of its own.
            self._index.view.readinto(int(locations[0]) - 8, out.reshape(-1).data)
        else:
            pages = self._pages[:count]
            self._read(block, np.arange(first, first + count), pages)
            out[:, 8:] = pages
        words: NDArray[np.int64] = np.arange(first, first + count, dtype=np.int64) * size | PAGE | CONTINUE
        out[:, :8] = words.astype(">u8").view(np.uint8).reshape(count, 8)
        return out.reshape(-1).data

    def _read(self, block: RamBlock, numbers: NDArray[np.int64], pages: NDArray[np.uint8]) -> None:
        failed = self._index.read_pages(block, numbers, pages)
        if failed.size:
            raise StreamError(f"page {int(numbers[failed[0]])} of block {block.name} cannot be unpacked")
