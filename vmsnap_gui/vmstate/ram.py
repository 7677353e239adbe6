"""The RAM section: which page of which block lies where in the stream, as arrays, and reading pages back.

Format: QEMU's migration/ram.c (ram_save_* and ram_load_precopy).
"""

from __future__ import annotations

import enum
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.byteview import CHUNK
from vmsnap_gui.vmstate.ram_codec import Steps
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from vmsnap_gui.image.byteview import ByteView

MISSING = 0
"""Location of a page that the stream does not hold; page data never starts at offset 0."""

ZERO_PAGE = -1
"""Location of a page of zeros."""

_GATHER = 1 << 20
"""Bytes that are read and put in place at once: small enough that the allocator keeps the memory between calls."""

_KEPT = 64
_STEP_WINDOW = 1 << 10  # bytes read for a step: the steps of a page usually lie far apart
SPECIAL = -1000
"""A location from here down is that of a page kept as compressed data or as deltas: SPECIAL - number of its step."""


class PageState(enum.IntEnum):
    """What a stream holds for a page."""

    MISSING = 0
    ZERO = 1
    FILL = 2  # one byte other than zero, repeated
    DATA = 3


@dataclass(slots=True)
class RamBlock:
    """Where the pages of a RAM block are.

    Attributes:
        name: QEMU's id of the block.
        length: Used length in bytes.
        pages: Number of pages, the last one perhaps cut by `length`.
        locations: int64 per page: the offset of its data in the index's view (> 0), MISSING, -1 - FILL_BYTE (ZERO_PAGE
            for 0), or SPECIAL and below.
    """

    name: str
    length: int
    pages: int
    locations: NDArray[np.int64]

    def stored(self, first: int, count: int) -> NDArray[np.bool_]:
        """Tell for each of `count` pages whether it holds data: neither missing nor one byte repeated."""
        locations = self.locations[first : first + count]
        found: NDArray[np.bool_] = (locations > MISSING) | (locations <= SPECIAL)
        return found

    def states(self) -> NDArray[np.uint8]:
        """Return a PageState for each page."""
        states = np.full(self.pages, PageState.DATA, np.uint8)
        for start in range(0, self.pages, CHUNK // 8):
            part = self.locations[start : start + CHUNK // 8]
            out = states[start : start + CHUNK // 8]
            out[part == MISSING] = PageState.MISSING
            out[part == ZERO_PAGE] = PageState.ZERO
            out[(part < ZERO_PAGE) & (part > SPECIAL)] = PageState.FILL
        return states


class RamIndex:
    """All RAM of a state: random access to any page. Readers on several threads do not disturb each other.

    Attributes:
        page_size: The target's page size in bytes, a power of two.
        blocks: In the order of the stream's table.
        complete: False where the RAM sections could not be followed to their end; `problem` says why.
        problem: What went wrong, or None.
    """

    def __init__(
        self,
        view: ByteView,
        page_size: int,
        blocks: tuple[RamBlock, ...],
        problem: str | None = None,
        steps: Steps | None = None,
    ) -> None:
        self._view = view
        self._steps = steps if steps is not None else Steps()
        self._unpacked: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()
        self.page_size = page_size
        self.blocks = blocks
        self.problem = problem

    @property
    def view(self) -> ByteView:
        """The stream that the locations of pages count in."""
        return self._view

    @property
    def complete(self) -> bool:
        """Whether the RAM sections were followed to their end."""
        return self.problem is None

    def block(self, name: str) -> RamBlock:
        """Return the block `name`; StreamError names the blocks there are."""
        for block in self.blocks:
            if block.name == name:
                return block
        names = ", ".join(block.name for block in self.blocks) or "none"
        raise StreamError(f"there is no RAM block {name!r}; there are: {names}")

    def read(self, block: RamBlock, offset: int, length: int) -> bytes:
        """Return `length` bytes of `block` at `offset`; missing pages read as zero. Raises like `readinto`."""
        if offset < 0 or length < 0 or offset + length > block.length:
            raise StreamError(f"block {block.name} has {block.length:#x} bytes, not {length:#x} at {offset:#x}")
        data = bytearray(length)
        self.readinto(block, offset, data)
        return bytes(data)

    def read_leniently(self, block: RamBlock, offset: int, length: int) -> tuple[bytes, list[int]]:
        """Return bytes as `read` does, but zeros for pages that cannot be unpacked, and the numbers of those pages.

        Raises:
            StreamError: the range is not within the block.
            ImageError: the file below cannot be read.
        """
        try:
            return self.read(block, offset, length), []
        except StreamError:
            if offset < 0 or length < 0 or offset + length > block.length:
                raise
        size = self.page_size
        pages = range(offset // size, -(-(offset + length) // size))
        data = np.empty((len(pages), size), np.uint8)
        failed = self._pages(block, slice(pages.start, pages.stop), data, lenient=True)
        start = offset - pages.start * size
        return data.reshape(-1)[start : start + length].tobytes(), [pages[row] for row in failed.tolist()]

    def readinto(self, block: RamBlock, offset: int, buffer: Buffer) -> None:
        """Fill `buffer` with bytes of `block` at `offset`; missing pages read as zero.

        Raises:
            StreamError: the range is not within the block, or a page cannot be unpacked.
            ImageError: the file below cannot be read.
        """
        out = np.frombuffer(memoryview(buffer), np.uint8)
        if offset < 0 or offset + out.size > block.length:
            raise StreamError(f"block {block.name} has {block.length:#x} bytes, not {out.size:#x} at {offset:#x}")
        size = self.page_size
        position = 0
        while position < out.size:
            page, within = divmod(offset + position, size)
            if within or out.size - position < size:
                part = min(size - within, out.size - position)
                whole = np.empty(size, np.uint8)
                self._pages(block, slice(page, page + 1), whole.reshape(1, size))
                out[position : position + part] = whole[within : within + part]
                position += part
                continue
            count = min((out.size - position) // size, max(_GATHER // size, 1))
            part_view = out[position : position + count * size].reshape(count, size)
            self._pages(block, slice(page, page + count), part_view)
            position += count * size

    def read_pages(self, block: RamBlock, pages: NDArray[np.int64], out: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Fill `out` (len(pages) x page_size) with the pages of those numbers; missing pages read as zero.

        Returns:
            The rows of pages that cannot be unpacked; they are zero.

        Raises:
            ImageError: the file below cannot be read.
        """
        return self._pages(block, pages, out, lenient=True)

    def _pages(
        self, block: RamBlock, pages: slice | NDArray[np.int64], out: NDArray[np.uint8], *, lenient: bool = False
    ) -> NDArray[np.intp]:
        """Fill `out` (pages x page_size); returns the rows that could not be unpacked, which only `lenient` allows."""
        locations = block.locations[pages]
        stored = locations > 0
        failed: list[int] = []
        if not stored.all():
            fills = np.where((locations < 0) & (locations > SPECIAL), -1 - locations, 0).astype(np.uint8)
            rest = np.flatnonzero(~stored)
            out[rest] = fills[rest, None]
            for i in np.flatnonzero(locations <= SPECIAL).tolist():
                try:
                    out[i] = self._unpack(block, pages.start + i if isinstance(pages, slice) else int(pages[i]))
                except StreamError:
                    if not lenient:
                        raise
                    failed.append(i)
        data = np.flatnonzero(stored)
        if data.size:
            self._gather(locations, data, out)
        return np.array(failed, np.intp)

    def _gather(self, locations: NDArray[np.int64], data: NDArray[np.intp], out: NDArray[np.uint8]) -> None:
        """Read the pages `data`, those that lie close together in the stream by one read."""
        size = self.page_size
        where = locations[data]
        step = np.diff(where)
        breaks = np.flatnonzero((step < size) | (step > 2 * size + 64)) + 1
        for group in np.split(np.arange(data.size), breaks):
            start, end = int(where[group[0]]), int(where[group[-1]]) + size
            if end - start == size * len(group) and data[group[-1]] - data[group[0]] == len(group) - 1:
                self._view.readinto(start, out[data[group[0]] : data[group[-1]] + 1].reshape(-1).data)
                continue
            chunk = np.empty(end - start, np.uint8)
            self._view.readinto(start, chunk.data)
            relative = where[group] - start
            windows = np.lib.stride_tricks.sliding_window_view(chunk, size)
            out[data[group]] = windows[relative]

    def _unpack(self, block: RamBlock, page: int) -> NDArray[np.uint8]:
        """Make a page that is kept as steps, or take it from the last few made: a chain of them can be long."""
        location = int(block.locations[page])
        with self._lock:
            content = self._unpacked.get(location)
        if content is None:
            content = self._follow(location, f"page {page} of block {block.name}")
        with self._lock:
            self._unpacked[location] = content
            self._unpacked.move_to_end(location)
            if len(self._unpacked) > _KEPT:
                self._unpacked.popitem(last=False)
        return content

    def _follow(self, location: int, name: str) -> NDArray[np.uint8]:
        """Make a page from the first of its steps on."""
        chain = []
        while location <= SPECIAL:
            chain.append(SPECIAL - location)
            location = self._steps.before(chain[-1])
        content = bytearray(self.page_size)
        if location > 0:
            self._view.readinto(location, content)
        elif location < 0:
            content[:] = bytes([-1 - location]) * self.page_size
        reader = Reader(self._view, window=_STEP_WINDOW)
        try:
            for step in reversed(chain):
                content = self._steps.apply(reader, step, content)
        except StreamError as error:
            raise StreamError(f"{name}: {error.message}") from error
        return np.frombuffer(content, np.uint8)

    def entropy(self, block: RamBlock, first_page: int, count: int) -> NDArray[np.float32]:
        """Return the Shannon entropy in bits per byte (0..8) of `count` pages; at most 8 MiB of pages a call.

        A page that cannot be unpacked counts as one without data.
        """
        result = np.zeros(count, np.float32)
        wanted = np.flatnonzero(block.stored(first_page, count))
        if not wanted.size:
            return result
        size = self.page_size
        pages = np.empty((count, size), np.uint8)
        self._pages(block, slice(first_page, first_page + count), pages, lenient=True)
        for start in range(0, wanted.size, 256):
            part = wanted[start : start + 256]
            keyed = pages[part].astype(np.int32) + (np.arange(part.size, dtype=np.int32) * 256)[:, None]
            counts = np.bincount(keyed.reshape(-1), minlength=256 * part.size).reshape(-1, 256)
            share = counts / size
            bits = np.log2(share, out=np.zeros_like(share), where=share > 0)
            result[part] = -(share * bits).sum(axis=1)
        return result
