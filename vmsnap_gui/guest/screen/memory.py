"""Video memory: the lines of a picture out of the pages of a RAM block, and no other page of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex


class VideoMemory:
    """A part of a RAM block, read as a display's device does.

    Attributes:
        size: Bytes of the part.
        failed: Pages that were wanted and cannot be unpacked: they read as zeros.
    """

    def __init__(self, index: RamIndex, block: RamBlock, start: int = 0, size: int | None = None) -> None:
        """Take `size` bytes (by default all) of `block` from `start` on; the index has the block's pages."""
        self._index = index
        self._block = block
        self._start = start
        self.size = block.length - start if size is None else size
        self.failed = 0

    def lines(self, addresses: NDArray[np.int64], length: int, wrap: int) -> NDArray[np.uint8]:
        """Return the bytes at each of `addresses`, `length` each, as a row for each.

        Addresses are taken modulo `wrap`, byte by byte, as QEMU masks them; what lies past the memory reads as zero.

        Raises:
            ImageError: the file below cannot be read.
        """
        rows = np.zeros((len(addresses), length), np.uint8)
        starts = addresses % wrap
        pages, data = self._pages(starts, length, wrap)
        flat = data.reshape(-1)
        size = self._index.page_size
        for row, start in zip(rows, starts.tolist(), strict=True):
            done = 0
            while done < length:
                at = (start + done) % wrap
                count = min(length - done, wrap - at)
                held = min(count, self.size - at)
                if held > 0:
                    page, within = divmod(self._start + at, size)
                    place = int(np.searchsorted(pages, page)) * size + within
                    row[done : done + held] = flat[place : place + held]
                done += count
        return rows

    def read(self, start: int, length: int) -> NDArray[np.uint8]:
        """Return `length` bytes from `start` on; what lies past the memory reads as zero. Raises like `lines`."""
        found: NDArray[np.uint8] = self.lines(np.array([start], np.int64), length, max(self.size, start + length))[0]
        return found

    def _pages(self, starts: NDArray[np.int64], length: int, wrap: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the numbers of all pages that the lines touch, ascending, and their bytes."""
        size = self._index.page_size
        wanted = np.zeros(self._block.pages + 1, np.int64)  # +1 where a run of pages begins, -1 behind its end
        for first, last in _ranges(starts, length, wrap):
            last = np.minimum(last, self.size)
            held = first < last
            np.add.at(wanted, (self._start + first[held]) // size, 1)
            np.add.at(wanted, (self._start + last[held] - 1) // size + 1, -1)
        pages = np.flatnonzero(np.cumsum(wanted[:-1]) > 0).astype(np.int64)
        data = np.empty((len(pages), size), np.uint8)
        self.failed += len(self._index.read_pages(self._block, pages, data))
        return pages, data


def _ranges(starts: NDArray[np.int64], length: int, wrap: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the ranges (first byte, byte after the last) that lines touch; those that wrap touch a second one."""
    if length >= wrap:
        return [(np.zeros(1, np.int64), np.full(1, wrap, np.int64))]
    ends = starts + length
    over = ends > wrap
    return [(starts, np.minimum(ends, wrap)), (np.zeros(int(over.sum()), np.int64), ends[over] - wrap)]
