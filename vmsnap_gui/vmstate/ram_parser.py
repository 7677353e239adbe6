"""Following the RAM section's records: every page's place goes into arrays, at the speed of reading the file.

Format: QEMU's migration/ram.c. Runs of like records have a constant stride, so their headers are checked and taken by
NumPy on strided views; what is interleaved irregularly goes through a plain loop.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.vmstate.ram import MISSING, SPECIAL, ZERO_PAGE, RamBlock
from vmsnap_gui.vmstate.ram_codec import Steps
from vmsnap_gui.vmstate.ram_page_size import learn_page_size
from vmsnap_gui.vmstate.ram_table import (
    COMPRESSED,
    CONTINUE,
    EOS,
    HOOK,
    MULTIFD_FLUSH,
    PAGE,
    PAGE_SIZES,
    XBZRLE,
    ZERO,
    RamTable,
)
from vmsnap_gui.vmstate.wire import Reader, ShortRead, StreamError, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress

_WINDOW = 4 << 20  # still in the processor's cache when its headers are looked at
_STREAK = 8  # like records in a row before NumPy is worth its overhead, as long as runs are long
_MAX_STREAK = 512
_SHORT = 32
_FIRST_STEP = 64
_U64 = struct.Struct(">Q")


class RamParser(RamTable):
    """Collects the RAM of one stream, section part by section part.

    Attributes:
        blocks: The blocks with their page locations, once there is a table.
        steps: How pages come about that are not stored as they are.
    """

    def __init__(
        self,
        view: ByteView,
        page_size: int | None,
        *,
        capabilities: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> None:
        super().__init__(view, page_size, capabilities=capabilities)
        self.blocks: list[RamBlock] = []
        self.steps = Steps()
        self._progress = progress
        self._by_name: dict[bytes, RamBlock] = {}
        self._current: RamBlock | None = None
        self._buffer = bytearray()
        self._bytes = memoryview(b"")
        self._base = 0
        self._streak = self._last = 0
        self._step = _FIRST_STEP
        self._patience = _STREAK
        self._pages: list[int] = []
        self._places: list[int] = []

    def start(self, position: int, version: int) -> tuple[int, bool]:
        """See RamTable; of a mapped-ram stream that is cut off, the pages that it still has are there afterwards."""
        try:
            return super().start(position, version)
        except StreamError:
            if self.mapped:
                self.allocate()
            raise

    def allocate(self) -> None:
        """Make the arrays for the blocks of the table; StreamError where no file of this size can need them."""
        if self.blocks or not self.table:
            return
        size = self.page_size or PAGE_SIZES[0]
        total = sum(-(-info.length // size) for info in self.table)
        if total * 8 > (32 << 20) + 3 * self.view.size:
            raise StreamError(f"the stream claims {total} pages of RAM, far more than a file of its size describes")
        for info in self.table:
            pages = -(-info.length // size)
            # zeros = MISSING everywhere, and untouched memory that costs nothing
            block = RamBlock(info.name, info.length, pages, np.zeros(pages, np.int64))
            self.blocks.append(block)
            self._by_name[info.name.encode()] = block
        if self.flat:
            self._current = self.blocks[0]
        for block, (bitmap, pages_at) in zip(self.blocks, self.mapped, strict=False):
            self._read_bitmap(block, bitmap, pages_at)

    def _read_bitmap(self, block: RamBlock, bitmap: int, pages_at: int) -> None:
        """Take a mapped-ram block's bitmap (little-endian 64-bit words; a clear bit is a zero page).

        Pages whose bit or whose bytes would lie behind the stream's end stay MISSING.
        """
        step = 1 << 20
        size = self.page_size or PAGE_SIZES[0]
        for first in range(0, block.pages, step):
            at = bitmap + first // 8
            count = min(step, block.pages - first, 8 * (self.view.size - at))
            if count <= 0:
                break
            data = self.view.read(at, -(-count // 8))
            present = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
            places = min(pages_at, self.view.size) + size * np.arange(first, first + count, dtype=np.int64)
            places[places > self.view.size - size] = MISSING
            block.locations[first : first + count] = np.where(present, places, ZERO_PAGE)
            self._report(bitmap + first // 8)

    def distrust(self) -> None:
        """Take it that nothing is known of the mapped-ram blocks without any page: the stream has no end.

        QEMU writes the bitmap of a block when the save completes (ram_save_file_bmap), after all of its pages.
        """
        for block, _ in zip(self.blocks, self.mapped, strict=False):
            if not (block.locations != ZERO_PAGE).any():
                block.locations[:] = MISSING

    def _report(self, position: int) -> None:
        if self._progress is not None:
            self._progress(position, self.view.size)

    def records(self, position: int) -> int:
        """Follow the records of a payload from `position` to its end mark.

        Returns:
            The position after the end mark.

        Raises:
            StreamError: a record is none, or the stream ends. What came before is kept.
        """
        if self.page_size is None:
            self._learn(position)
        self.allocate()
        while True:
            position, done = self._window(position)
            if done:
                return position
            self._report(position)

    def _window(self, position: int) -> tuple[int, bool]:
        """Follow records within one window of bytes; returns the next position and whether the end mark was met."""
        need = 8 + 256 + 5 + 2 * (self.page_size or max(PAGE_SIZES))  # more than any record
        self._load(position, need)
        length = len(self._bytes)
        at_end = self._base + length == self.view.size
        try:
            p, done = self._records(self._base, position - self._base, length - 7 if at_end else length - need, length)
        except (struct.error, IndexError) as error:
            raise ShortRead("the stream ends within a RAM section", offset=self.view.size) from error
        finally:
            self._flush()
        if p == position - self._base:
            raise ShortRead("the stream ends within a RAM section", offset=position)
        return self._base + p, done

    def _load(self, position: int, need: int) -> None:
        """Have the record at `position` in the buffer; what is there is not read again, since parts can be tiny."""
        held = self._base + len(self._bytes)
        if self._base <= position and (position + need < held or held == self.view.size):
            return
        length = min(_WINDOW, max(self.view.size - position, 0))
        if len(self._buffer) < length:
            self._buffer = bytearray(length)
        self._base, self._bytes = position, memoryview(b"")  # should reading fail
        if length:
            self.view.readinto(position, memoryview(self._buffer)[:length])
        self._bytes = memoryview(self._buffer)[:length]

    def _records(self, base: int, p: int, limit: int, length: int) -> tuple[int, bool]:
        """Follow records in the buffer, which holds the stream from `base` on, from `p` up to `limit`."""
        buffer, unpack = self._bytes, _U64.unpack_from
        size = self.page_size or PAGE_SIZES[0]
        mask, shift = size - 1, size.bit_length() - 1
        pages, places = self._pages, self._places
        again = 0 if self.flat else CONTINUE
        hot_page, hot_zero = PAGE | again, ZERO | again
        hot = (hot_page, hot_zero)
        streak, last = self._streak, self._last
        while p < limit:
            header = unpack(buffer, p)[0]
            flags = header & mask
            streak = streak + 1 if flags == last else 0
            last = flags
            if flags in hot:
                if streak >= self._patience:
                    p = self._run(base, p, length, flags)
                    streak = 0 if p < limit else self._patience
                    continue
                if flags == hot_page:
                    place, after = base + p + 8, p + 8 + size
                    if after > length:
                        raise ShortRead("the stream ends within a page", offset=base + length)
                else:
                    place, after = -1 - buffer[p + 8], p + 9
                pages.append(header >> shift)
                places.append(place)
                p = after
                continue
            if flags == EOS:
                return p + 8, True
            p = self._other(base, p, header, flags, length)
        self._streak, self._last = streak, last
        return p, False

    def _run(self, base: int, p: int, length: int, flags: int) -> int:
        """Take a run of like records from `p` on, in growing steps; returns the position after it."""
        self._flush()
        size = self.page_size or PAGE_SIZES[0]
        mask, shift = size - 1, size.bit_length() - 1
        is_page = bool(flags & PAGE)
        stride = 8 + size if is_page else 9
        count = self._step
        while True:
            count = min(count, (length - p) // stride)
            if count < 1:
                raise ShortRead("the stream ends within a page", offset=base + length)
            headers = np.ndarray((count,), ">u8", self._bytes, p, (stride,)).astype(np.uint64)
            unlike = (headers & np.uint64(mask)) != flags
            taken = int(unlike.argmax()) if unlike.any() else count
            pages = (headers[:taken] >> np.uint64(shift)).astype(np.int64)
            if is_page:
                places = base + p + 8 + stride * np.arange(taken, dtype=np.int64)
            else:
                places = -1 - np.ndarray((taken,), np.uint8, self._bytes, p + 8, (9,)).astype(np.int64)
            self._place(pages, places)
            p += taken * stride
            # Runs that end as soon as they were seen are not worth it, so the next one has to be longer.
            self._patience = min(2 * self._patience, _MAX_STREAK) if taken < _SHORT else _STREAK
            if taken < count:
                self._step = _FIRST_STEP
                return p
            if p + stride > length:
                return p
            count *= 4
            self._step = count

    def _place(self, pages: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Note where pages are, up to the first that is past its block's end: StreamError says where that one is."""
        block = self._current
        if not pages.size:
            return
        if block is None:
            raise StreamError("a RAM page comes before any block was named", offset=_header_of(places[0]))
        outside = (pages >= block.pages) | (pages < 0)
        if outside.any():
            first = int(outside.argmax())
            block.locations[pages[:first]] = places[:first]
            where = _header_of(places[first])
            raise StreamError(f"page {int(pages[first])} lies past the end of block {block.name}", offset=where)
        block.locations[pages] = places

    def _flush(self) -> None:
        """Write the pages of the plain loop into the arrays; where one occurs twice, the last counts."""
        if self._pages:
            pages = np.array(self._pages, np.uint64).astype(np.int64)
            places = np.array(self._places, np.int64)
            self._pages.clear()
            self._places.clear()
            self._place(pages, places)

    def _other(self, base: int, p: int, header: int, flags: int, length: int) -> int:
        """Handle one record that is not a plain continued page; returns the position after it."""
        size = self.page_size or PAGE_SIZES[0]
        at, kind = base + p, flags & ~CONTINUE
        p += 8
        if kind == MULTIFD_FLUSH:
            return p
        if kind == HOOK:
            raise StreamError("this stream was made for RDMA, its pages are not in it", offset=at)
        if kind not in (PAGE, ZERO, XBZRLE, COMPRESSED):
            raise StreamError(f"unknown flags {flags:#x} in a RAM section", offset=at)
        if not self.flat and not flags & CONTINUE:
            p = self._switch_block(p, at)
        page, place = header // size, base + p
        if kind == PAGE:
            p += size
        elif kind == ZERO:
            place = -1 - self._bytes[p]
            p += 1
        else:
            self._flush()
            return self._encoded(base, p, page, kind, at)
        if p > length:
            raise ShortRead("the stream ends within a page", offset=base + length)
        self._pages.append(page)
        self._places.append(place)
        return p

    def _switch_block(self, p: int, at: int) -> int:
        length = self._bytes[p]
        name = bytes(self._bytes[p + 1 : p + 1 + length])
        if len(name) < length:
            raise ShortRead("the stream ends within the name of a block", offset=at)
        block = self._by_name.get(name) or self._by_name.get(text(name).encode())
        if block is not self._current:
            self._flush()
            self._current = block
        if block is None:
            raise StreamError(f"a RAM page is for block {text(name)!r}, which the table does not have", offset=at)
        return p + 1 + length

    def _encoded(self, base: int, p: int, page: int, kind: int, at: int) -> int:
        """Note an XBZRLE or compressed page, after those before it were; returns the position after it."""
        size, block = self.page_size or PAGE_SIZES[0], self._current
        if block is None or page >= block.pages:
            raise StreamError("a RAM page lies past the end of its block", offset=at)
        if kind == XBZRLE:
            encoding, length = self._bytes[p], int.from_bytes(self._bytes[p + 1 : p + 3], "big")
            p += 3
            if encoding != 1 or not 0 < length <= size:
                raise StreamError("an XBZRLE page has an unknown encoding or length", offset=at)
        else:
            length = int.from_bytes(self._bytes[p : p + 4], "big")
            p += 4
            if length > size + size // 8 + 64:
                raise StreamError("a compressed page is longer than any page can get", offset=at)
        if p + length > len(self._bytes):
            raise ShortRead("the stream ends within a page", offset=self.view.size)
        if kind == XBZRLE:
            step = self.steps.add_delta(base + p, int(block.locations[page]))
        else:
            step = self.steps.add_compressed(base + p)
        block.locations[page] = SPECIAL - step
        return p + length

    def _learn(self, position: int) -> None:
        """Find the page size, which nothing told, from the layout of the records at `position`."""
        size = learn_page_size(Reader(self.view, position), self.table, flat=self.flat)
        if size is None:
            return  # no page to learn from; perhaps the next part has some
        if size != PAGE_SIZES[0]:
            if any(block.locations.any() for block in self.blocks):
                raise StreamError(f"pages of {size} bytes follow after pages of another size", offset=position)
            self.blocks.clear()  # to be allocated anew
        self.page_size = size


def _header_of(place: np.int64) -> int | None:
    """Return where about the record of a page is that has its data at `place`; None where that is no offset."""
    return int(place) - 8 if place > 0 else None
