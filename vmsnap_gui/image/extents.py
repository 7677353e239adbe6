"""A view over bytes that lie scattered in a file: runs of clusters, merged, as NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vmsnap_gui.image.byteview import ByteView
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    from vmsnap_gui.image.byteview import FileHandle


class Kind(IntEnum):
    """What an extent holds, and what its `host` value then means."""

    DATA = 0
    """Stored as it is; host: offset in the data file."""
    ZERO = 1
    """Reads as zeros; host: nothing."""
    BACKING = 2
    """Not allocated: reads from the backing file at the same offset, or as zeros; host: nothing."""
    COMPRESSED = 3
    """One compressed cluster; host: the descriptor (bits 0 to 61 of the L2 entry)."""
    BAD_TABLE = 4
    """The table that maps it lies outside the file or unaligned; host: the table's offset."""
    BAD_OFFSET = 5
    """The cluster is said to lie outside the file or unaligned; host: that offset."""
    BAD_ENTRY = 6
    """The table entry contradicts itself or the image's version; host: its offset field."""


_WRONG = {
    Kind.BAD_TABLE: "the table that maps this part of the content lies outside the file",
    Kind.BAD_OFFSET: "a cluster of this content is said to lie outside the file or between clusters",
    Kind.BAD_ENTRY: "a cluster of this content has a table entry that makes no sense",
}


@dataclass(frozen=True, slots=True, eq=False)
class Extents:
    """What a window of a view is made of: `n` extents that cover it without gaps.

    Attributes:
        starts: int64[n + 1], ascending: where each extent starts, counted from the window's start; then the end.
        hosts: int64[n], see Kind.
        kinds: uint8[n], Kind values.
    """

    starts: NDArray[np.int64]
    hosts: NDArray[np.int64]
    kinds: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        """Memory used by the arrays."""
        return self.starts.nbytes + self.hosts.nbytes + self.kinds.nbytes


class ExtentSource(Protocol):
    """Where an ExtentView learns what its bytes are.

    Attributes:
        window_size: Bytes of content in a window: a fixed power of two.
        data: The file that DATA extents lie in.
        backing: What BACKING extents are read from (zeros past its end, or if None).
    """

    window_size: int
    data: FileHandle
    backing: ByteView | None

    def extents(self, index: int) -> Extents:
        """Return the extents of one window; raises ImageError if the file cannot be read."""
        ...

    def inflate(self, descriptor: int) -> bytes:
        """Return the content of a compressed cluster; raises ImageError if it is damaged."""
        ...

    def begin(self) -> None:
        """Get ready for a read: forget what is out of date."""
        ...

    def end(self) -> None:
        """Raise ImageError if what was just read may be a mix of old and new content."""
        ...


class ExtentView(ByteView):
    """`size` bytes from `start` on of the content that a source maps."""

    def __init__(self, source: ExtentSource, start: int, size: int) -> None:
        self._source = source
        self._start = start
        self.size = size

    def readinto(self, offset: int, buffer: Buffer) -> None:
        """See ByteView."""
        target = memoryview(buffer).cast("B")
        self.check_range(offset, len(target))
        if not len(target):
            return
        self._source.begin()
        window_size = self._source.window_size
        position, done = self._start + offset, 0
        while done < len(target):
            index, at = divmod(position + done, window_size)
            length = min(len(target) - done, window_size - at)
            self._fill(index, at, target[done : done + length])
            done += length
        self._source.end()

    @property
    def data(self) -> FileHandle:
        """The file that DATA extents lie in."""
        return self._source.data

    def extents(self, offset: int = 0) -> tuple[int, Extents]:
        """Return the extents of the window around `offset`, and the window's start as an offset in this view.

        The window's start may be negative and its end past the view's: windows are aligned in the mapped content.
        """
        index = (self._start + offset) // self._source.window_size
        return index * self._source.window_size - self._start, self._source.extents(index)

    def _fill(self, index: int, at: int, target: memoryview) -> None:
        """Fill `target` from byte `at` of a window on."""
        extents = self._source.extents(index)
        end = at + len(target)
        first = int(np.searchsorted(extents.starts, at, "right")) - 1
        last = int(np.searchsorted(extents.starts, end, "left"))
        starts = extents.starts[first : last + 1].tolist()
        runs = zip(
            starts, starts[1:], extents.hosts[first:last].tolist(), extents.kinds[first:last].tolist(), strict=False
        )
        for start, stop, host, kind in runs:
            low, high = max(start, at), min(stop, end)
            part = target[low - at : high - at]
            if kind == Kind.DATA:
                self._stored(host + low - start, part)
            elif kind == Kind.ZERO:
                np.frombuffer(part, np.uint8)[:] = 0
            elif kind == Kind.COMPRESSED:
                part[:] = self._source.inflate(host)[low - start : high - start]
            elif kind == Kind.BACKING:
                self._backed(index * self._source.window_size + low, part)
            else:
                raise ImageError(_WRONG[Kind(kind)], path=self._source.data.path, offset=host)

    def _stored(self, host: int, target: memoryview) -> None:
        """Read from the file; the rest of the last cluster, which the file need not hold, is zeros."""
        handle = self._source.data
        within = min(len(target), max(0, handle.size - host))
        if within:
            handle.readinto(host, target[:within])
        if within < len(target):
            np.frombuffer(target[within:], np.uint8)[:] = 0

    def _backed(self, position: int, target: memoryview) -> None:
        backing = self._source.backing
        within = 0 if backing is None else min(len(target), max(0, backing.size - position))
        if backing is not None and within:
            backing.readinto(position, target[:within])
        if within < len(target):
            np.frombuffer(target[within:], np.uint8)[:] = 0
