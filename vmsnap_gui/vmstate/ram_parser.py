"""Following the RAM section's records: every page's place goes into arrays, at the speed of reading the file.

Format: QEMU's migration/ram.c. Runs of like records have a constant stride, so their headers are checked and taken by
NumPy on strided views; what is interleaved irregularly goes through a plain loop.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.vmstate.ram import MISSING, SPECIAL, RamBlock
from vmsnap_gui.vmstate.ram_codec import Delta
from vmsnap_gui.vmstate.ram_table import EOS, PAGE_SIZES, RamTable
from vmsnap_gui.vmstate.wire import Reader, StreamError, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress

ZERO, PAGE, CONTINUE, XBZRLE, HOOK, COMPRESSED, MULTIFD_FLUSH = (
    0x02, 0x08, 0x20, 0x40, 0x80, 0x100, 0x200,
)  # fmt: skip
"""RAM_SAVE_FLAG_* of migration/ram.c."""

_WINDOW = 4 << 20  # still in the processor's cache when its headers are looked at
_STREAK = 8  # like records in a row before NumPy is worth its overhead
_FIRST_STEP = 64
_U64 = struct.Struct(">Q")


class RamParser(RamTable):
    """Collects the RAM of one stream, section part by section part.

    Attributes:
        blocks: The blocks with their page locations, once there is a table.
    """

    def __init__(
        self,
        view: ByteView,
        page_size: int | None,
        *,
        capabilities: frozenset[str] = frozenset(),
        postcopy: bool = False,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(view, page_size, capabilities=capabilities, postcopy=postcopy)
        self.blocks: list[RamBlock] = []
        self._progress = progress
        self._by_name: dict[bytes, RamBlock] = {}
        self._current: RamBlock | None = None
        self._buffer = bytearray()
        self._streak = self._last = 0
        self._step = _FIRST_STEP
        self._pages: list[int] = []
        self._places: list[int] = []

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
        """Take a mapped-ram block's bitmap (little-endian 64-bit words; a clear bit is a zero page)."""
        step = 1 << 20
        size = self.page_size or PAGE_SIZES[0]
        for first in range(0, block.pages, step):
            count = min(step, block.pages - first)
            data = self.view.read(bitmap + first // 8, -(-count // 64) * 8)
            present = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little")
            places = pages_at + size * np.arange(first, first + count, dtype=np.int64)
            block.locations[first : first + count] = np.where(present, places, -1)
            self._report(bitmap + first // 8)

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
        self.allocate()
        try:
            while True:
                position, done = self._window(position)
                if done:
                    return position
                self._report(position)
        finally:
            self._flush()

    def _window(self, position: int) -> tuple[int, bool]:
        """Follow records within one window of bytes; returns the next position and whether the end mark was met."""
        left = self.view.size - position
        length = min(_WINDOW, left)
        if length < 8:
            raise StreamError("the stream ends within a RAM section", offset=max(position, 0))
        if len(self._buffer) < length:
            self._buffer = bytearray(length)
        self.view.readinto(position, memoryview(self._buffer)[:length])
        need = 8 + 256 + 5 + 2 * (self.page_size or max(PAGE_SIZES))
        limit = length - 7 if length == left else length - need
        if self.page_size is None:
            self._learn_page_size(position, length)
        try:
            at, done = self._records(position, limit, length)
        except (struct.error, IndexError) as error:
            raise StreamError("the stream ends within a RAM section", offset=position) from error
        return position + at, done

    def _records(self, base: int, limit: int, length: int) -> tuple[int, bool]:
        """Follow records in the buffer, which holds the stream from `base` on, up to `limit`."""
        buffer, unpack = self._buffer, _U64.unpack_from
        size = self.page_size or PAGE_SIZES[0]
        mask, shift = size - 1, size.bit_length() - 1
        pages, places = self._pages, self._places
        again = 0 if self.flat else CONTINUE
        hot_page, hot_zero = PAGE | again, ZERO | again
        hot = (hot_page, hot_zero)
        p, streak, last = 0, self._streak, self._last
        while p < limit:
            header = unpack(buffer, p)[0]
            flags = header & mask
            streak = streak + 1 if flags == last else 0
            last = flags
            if flags in hot:
                if streak >= _STREAK:
                    p = self._run(base, p, length, flags)
                    streak = 0 if p < limit else _STREAK
                    continue
                pages.append(header >> shift)
                if flags == hot_page:
                    places.append(base + p + 8)
                    p += 8 + size
                else:
                    places.append(-1 - buffer[p + 8])
                    p += 9
                if p > length:
                    raise StreamError("the stream ends within a page", offset=base + length)
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
                raise StreamError("the stream ends within a page", offset=base + length)
            headers = np.ndarray((count,), ">u8", self._buffer, p, (stride,)).astype(np.uint64)
            unlike = (headers & np.uint64(mask)) != flags
            taken = int(unlike.argmax()) if unlike.any() else count
            pages = (headers[:taken] >> np.uint64(shift)).astype(np.int64)
            if is_page:
                places = base + p + 8 + stride * np.arange(taken, dtype=np.int64)
            else:
                places = -1 - np.ndarray((taken,), np.uint8, self._buffer, p + 8, (9,)).astype(np.int64)
            self._place(pages, places, base + p)
            p += taken * stride
            if taken < count:
                self._step = _FIRST_STEP
                return p
            if p + stride > length:
                return p
            count *= 4
            self._step = count

    def _place(self, pages: NDArray[np.int64], places: NDArray[np.int64], at: int) -> None:
        block = self._current
        if block is None:
            raise StreamError("a RAM page comes before any block was named", offset=at)
        if pages.size:
            if int(pages.max()) >= block.pages or int(pages.min()) < 0:
                raise StreamError(f"a RAM page lies past the end of block {block.name}", offset=at)
            block.locations[pages] = places

    def _flush(self) -> None:
        """Write the pages of the plain loop into the arrays; where one occurs twice, the last counts."""
        if self._pages:
            pages = np.array(self._pages, np.uint64).astype(np.int64)
            places = np.array(self._places, np.int64)
            self._pages.clear()
            self._places.clear()
            self._place(pages, places, max(int(places[0]), 0))

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
        self._flush()
        if not self.flat and not flags & CONTINUE:
            p = self._switch_block(p, at)
        page = header // size
        location = base + p
        if kind == PAGE:
            p += size
        elif kind == ZERO:
            location = -1 - self._buffer[p]
            p += 1
        else:
            location, p = self._encoded(base, p, page, kind, at)
        if p > length:
            raise StreamError("the stream ends within a page", offset=base + length)
        self._place(np.array([page]), np.array([location]), at)
        return p

    def _switch_block(self, p: int, at: int) -> int:
        length = self._buffer[p]
        name = bytes(self._buffer[p + 1 : p + 1 + length])
        self._current = self._by_name.get(name) or self._by_name.get(text(name).encode())
        if self._current is None:
            raise StreamError(f"a RAM page is for block {text(name)!r}, which the table does not have", offset=at)
        return p + 1 + length

    def _encoded(self, base: int, p: int, page: int, kind: int, at: int) -> tuple[int, int]:
        """Note an XBZRLE or compressed page; returns its location and the position after it."""
        size, block = self.page_size or PAGE_SIZES[0], self._current
        if kind == XBZRLE:
            encoding, length = self._buffer[p], int.from_bytes(self._buffer[p + 1 : p + 3], "big")
            p += 3
            if encoding != 1 or length > size:
                raise StreamError("an XBZRLE page has an unknown encoding or is too long", offset=at)
        else:
            length = int.from_bytes(self._buffer[p : p + 4], "big")
            p += 4
            if length > size + size // 8 + 64:
                raise StreamError("a compressed page is longer than any page can get", offset=at)
        if block is None or page >= block.pages:
            raise StreamError("a RAM page lies past the end of its block", offset=at)
        step = Delta(base + p, length, zlib=kind == COMPRESSED)
        if kind == COMPRESSED:
            block.special[page] = [step]
        elif int(block.locations[page]) == SPECIAL:
            block.special[page].append(step)
        else:
            before = int(block.locations[page])
            block.special[page] = [step] if before == MISSING else [Delta(before), step]
        return SPECIAL, p + length

    def _learn_page_size(self, base: int, length: int) -> None:
        """Find the page size from the layout: after the first whole page another record has to stand."""
        reader = Reader(self.view, base)
        while reader.position < base + length - 8:
            header = reader.u64()
            low = header & 0xFF
            if low & EOS or not low & (PAGE | ZERO):
                return
            if not low & CONTINUE and not self.flat:
                reader.counted()
            if low & PAGE:
                self._adopt(self._fitting(reader.position, header))
                return
            reader.u8()

    def _fitting(self, position: int, header: int) -> int:
        for size in PAGE_SIZES:
            reader = Reader(self.view, position)
            try:
                reader.skip(size)
                following = reader.u64()
            except StreamError:
                continue
            flags = following & (size - 1)
            ordered = following == EOS or 0 <= (following - flags) - (header & ~(size - 1)) <= 64 * size
            if flags & ~CONTINUE in (PAGE, ZERO, EOS) and ordered:
                return size
        raise StreamError("the page size cannot be told from the layout of the RAM section", offset=position)

    def _adopt(self, page_size: int) -> None:
        if any(block.special or block.locations.any() for block in self.blocks):
            raise StreamError("the page size became known only after pages were placed")
        self.page_size = page_size
        self.blocks.clear()
        self.allocate()
